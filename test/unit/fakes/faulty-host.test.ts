import { LinuxHost } from "../../../src/host/linux-host.ts";
import { hostContract } from "../../contract/host.ts";
import { FaultyHost } from "../../fakes/faulty-host.ts";

hostContract(() => new FaultyHost(new LinuxHost()));
