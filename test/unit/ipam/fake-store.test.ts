import { ipamStoreContract } from "../../contract/ipam-store.ts";
import { FakeCluster, FakeIpamStore } from "../../fakes/ipam-store.ts";

ipamStoreContract("FakeIpamStore", async () => new FakeIpamStore(new FakeCluster()));
