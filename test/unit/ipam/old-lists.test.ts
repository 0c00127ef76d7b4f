import { beforeEach, describe, expect, test } from "vitest";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { Allocator } from "../../../src/ipam/allocator.ts";
import { allocationOf } from "../../../src/ipam/block.ts";
import type { IpamStore, Stored } from "../../../src/ipam/store.ts";
import { StoreReclaimer } from "../../../src/ipam/store-reclaimer.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { FakeIpamStore } from "../../fakes/ipam-store.ts";
import { AllocatorBench, many } from "./allocator-bench.ts";
import { configuration, instantClock, node, pool, request } from "./samples.ts";

const other = "node-2" as NodeName;

let bench: AllocatorBench;
let calls: string[];

beforeEach(() => {
  bench = new AllocatorBench();
  bench.pools();
  calls = [];
});

/** A store whose list of blocks is `old` unless it has to be fresh. */
function oldStore(old: readonly Stored<IpamBlock>[]): IpamStore {
  const store = new FakeIpamStore(bench.cluster, async (call) => {
    calls.push(call);
    return {};
  });
  const { blocks } = store;
  const list: typeof blocks.list = async (options) => (options?.fresh ? blocks.list() : old);
  return {
    ...{ blocks: { ...blocks, list }, affinities: store.affinities, handles: store.handles },
    affinitiesOf: (name) => store.affinitiesOf(name),
    blockNetworks: () => store.blockNetworks(),
    configuration: () => store.configuration(),
    pools: () => store.pools(),
    reservations: () => store.reservations(),
    node: (name) => store.node(name),
  };
}

function allocator(old: readonly Stored<IpamBlock>[], seconds = 0): Allocator {
  const clock = { ...instantClock, now: () => instantClock.now() + seconds * 1000 };
  return new Allocator({ store: oldStore(old), node, clock });
}

function now(): readonly Stored<IpamBlock>[] {
  return [...bench.cluster.blocks.values()];
}

describe("an allocator whose list of blocks is old", () => {
  test("knows its own blocks all the same", async () => {
    const ipam = allocator([]);
    const given = await Promise.all(many(16).map((handle) => ipam.assign(request(handle))));
    expect(new Set(given.flat().map(({ ip }) => ip)).size).toBe(16);
    expect(calls.filter((call) => call === "affinities put")).toHaveLength(4);
  });

  test("asks anew before it says that there is no room", async () => {
    const ipam = bench.allocator(other);
    await Promise.all(many(16).map((handle) => ipam.assign(request(handle))));
    const full = now();
    await ipam.release("pod-3", "DEL");
    expect(await allocator(full).assign(request("late"))).toHaveLength(1);
  });

  test("asks whose a block is, once it has lost a race, before it tries to claim another", async () => {
    bench.pools(pool("p", { cidr: "10.0.0.0/24", blockSize: 29 }));
    const ipam = bench.allocator(other);
    bench.cluster.configuration = configuration({ maxBlocksPerHost: 31 });
    await Promise.all(many(248).map((handle) => ipam.assign(request(handle))));
    bench.cluster.configuration = undefined;
    expect(await allocator([]).assign(request("mine"))).toHaveLength(1);
    // One claim in vain, taken back, and the one that lasts.
    expect(calls.filter((call) => call.startsWith("affinities ") && call !== "affinities list").length).toBeLessThan(6);
  });

  test("takes no block that its owner has used since it was seen to be empty", async () => {
    bench.pools(pool("one", { cidr: "10.0.0.0/32", blockSize: 32 }));
    bench.cluster.configuration = configuration({ strictAffinity: true });
    const owner = bench.allocator(other);
    await owner.assign(request("a"));
    await owner.release("a", "DEL");
    const empty = now();
    await owner.assign(request("b"));
    await owner.release("b", "DEL");
    const store = oldStore(empty);
    const always: IpamStore = { ...store, blocks: { ...store.blocks, list: async () => empty } };
    const clock = { ...instantClock, now: () => instantClock.now() + 100_000 };
    const greedy = new Allocator({ store: always, node, clock });
    await expect(greedy.assign(request("c"))).rejects.toMatchObject({ reason: "exhausted" });
    expect(now().map(({ value }) => value.spec.affinity)).toEqual(["host:node-2"]);
  });
});

test("a reclaimer finds an address whose block the list does not have yet, and whose pool is gone", async () => {
  const [given] = await bench.allocator().assign(request("a"));
  const ip = given?.ip as Ip;
  const found = now().map(({ value }) => allocationOf(value, ip))[0];
  bench.cluster.pools = [];
  const reclaimer = new StoreReclaimer({ store: oldStore([]), clock: instantClock });
  const release = { ip, handle: "a", sequenceNumber: found?.sequenceNumber, why: "pod gone" };
  expect(await reclaimer.releaseAddresses([release])).toEqual([{ ip, outcome: "released" }]);
});
