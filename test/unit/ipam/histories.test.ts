import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { Allocator } from "../../../src/ipam/allocator.ts";
import { addressesOf, countsOf } from "../../../src/ipam/block.ts";
import type { AssignedAddress } from "../../../src/ipam/ipam.ts";
import type { IpamStore } from "../../../src/ipam/store.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { FakeCluster, FakeIpamStore, type Fate } from "../../fakes/ipam-store.ts";
import { instantClock, pool, request } from "./samples.ts";

/** How likely each mishap is at one call to the store. */
interface Mishaps {
  readonly error: number;
  readonly late: number;
  readonly kill: number;
}

const calm: Mishaps = { error: 0, late: 0, kill: 0 };
const nodes = ["node-1", "node-2", "node-3"].map((name) => name as NodeName);
const runs = { numRuns: 60 };
const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

test("with interleavings only, every address is one pod's, and all come free in the end", async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const world = await history(seed, calm);
      expect(world.answered).toBeGreaterThan(0);
      expectAllFree(world.cluster);
    }),
    runs,
  );
});

test("requests and replies that are lost change nothing of that", async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      expectAllFree((await history(seed, { error: 0.15, late: 0, kill: 0 })).cluster);
    }),
    runs,
  );
});

test("processes killed at any call, and writes that land late, never make an address two pods'", async () => {
  let answered = 0;
  let killed = 0;
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const world = await history(seed, { error: 0.05, late: 0.03, kill: 0.03 });
      answered += world.answered;
      killed += world.killed;
    }),
    runs,
  );
  expect([answered, killed].every((count) => count > runs.numRuns)).toBe(true);
});

// --- internal ---

/** One cluster, its random course, and what its pods were told. */
interface World {
  readonly cluster: FakeCluster;
  readonly random: () => number;
  mishaps: Mishaps;
  /** Who was told that an address is his, and has not begun to give it back. */
  readonly live: Map<Ip, string>;
  answered: number;
  killed: number;
  pods: number;
}

/** One agent process of a node. */
interface Process {
  readonly ipam: Allocator;
  readonly killed: Promise<"killed">;
}

/** 15 pods on three nodes come and go on 16 addresses, while a collector removes empty blocks. */
async function history(seed: number, mishaps: Mishaps): Promise<World> {
  const cluster = new FakeCluster();
  cluster.pools = [
    pool("p", { cidr: "10.0.0.0/28", blockSize: 30 }),
    pool("six", { cidr: "2001:db8::/124", blockSize: 126 }),
  ];
  const world: World = { cluster, random: randomOf(seed), mishaps, live: new Map(), answered: 0, killed: 0, pods: 15 };
  const kubelets = nodes.map((node) => kubelet(world, node));
  const pods = Array.from({ length: world.pods }, (_, index) =>
    podLife(world, kubelets[index % nodes.length] as Kubelet, index).finally(() => world.pods--),
  );
  await Promise.all([...pods, collector(world)]);
  world.mishaps = calm;
  for (const { value } of cluster.blocks.values()) expectWhole(value);
  return world;
}

/** Keeps one agent running, and calls it as often as it takes. */
interface Kubelet {
  /** Undefined when it failed or was killed. */
  try<T>(call: (ipam: Allocator) => Promise<T>): Promise<T | undefined>;
}

function kubelet(world: World, node: NodeName): Kubelet {
  let process = startProcess(world, node);
  return {
    try: async (call) => {
      const current = process;
      const answer = await Promise.race([call(current.ipam).catch(() => undefined), current.killed]);
      if (answer !== "killed") return answer;
      if (process === current) process = startProcess(world, node);
      return undefined;
    },
  };
}

function startProcess(world: World, node: NodeName): Process {
  const { promise: killed, resolve: kill } = Promise.withResolvers<"killed">();
  let alive = true;
  const fault = async (): Promise<Fate> => {
    await ticks(world);
    if (!alive) return new Promise(() => {});
    const fate = fateOf(world);
    if (fate.reply === "never") {
      alive = false;
      world.killed++;
      kill("killed");
    }
    return fate;
  };
  const clock = { ...instantClock, sleep: () => ticks(world), random: world.random };
  return { ipam: new Allocator({ store: new FakeIpamStore(world.cluster, fault), node, clock }), killed };
}

function fateOf(world: World): Fate {
  const { error, late, kill } = world.mishaps;
  const { random } = world;
  const effectAfter = random() < 0.5 ? ticks(world) : new Promise<void>(() => {});
  if (random() < kill) return random() < 0.5 ? { reply: "never" } : { reply: "never", effectAfter };
  if (random() < late) return { reply: new Error("cut"), effectAfter: ticks(world, 200) };
  if (random() < error)
    return random() < 0.5 ? { reply: new Error("cut") } : { reply: new Error("cut"), effectAfter: never };
  return {};
}

const never = new Promise<void>(() => {});

/** A pod is added, perhaps asked for twice, and deleted as often as it takes, like kubelet does; three times over. */
async function podLife(world: World, kubelet: Kubelet, index: number): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const handle = `pod-${index}-${round}`;
    const wanted = request(handle, { v6: index % 4 === 0 ? 1 : 0 });
    const given = await kubelet.try((ipam) => ipam.assign(wanted));
    if (given !== undefined) {
      told(world, handle, given);
      const again = world.random() < 0.3 ? await kubelet.try((ipam) => ipam.assign(wanted)) : undefined;
      if (again !== undefined) expect(again).toEqual(given);
      await ticks(world, 60);
      expectHeld(world, handle, given);
      for (const { ip } of given) world.live.delete(ip);
    }
    while ((await kubelet.try((ipam) => ipam.release(handle, "DEL"))) === undefined);
  }
}

function told(world: World, handle: string, given: readonly AssignedAddress[]): void {
  world.answered++;
  for (const { ip } of given) {
    expect(world.live.get(ip), `${ip} was given to ${handle}`).toBeUndefined();
    world.live.set(ip, handle);
  }
  expectHeld(world, handle, given);
}

/** The block is the truth: what a pod was told stands there. */
function expectHeld({ cluster }: World, handle: string, given: readonly AssignedAddress[]): void {
  for (const { ip, block } of given) {
    const value = cluster.blocks.get(block)?.value;
    expect(value === undefined ? [] : addressesOf(value, handle)).toContain(ip);
  }
}

/** Gives empty blocks up in upstream's three steps, at any moment and without asking the nodes. */
async function collector(world: World): Promise<void> {
  const store: IpamStore = new FakeIpamStore(world.cluster);
  while (world.pods > 0) {
    await ticks(world, 100);
    for (const { value, revision } of await store.affinities.list()) {
      const { node, cidr } = value.spec;
      const key = { node: node as NodeName, cidr };
      const block = await store.blocks.get(cidr);
      if (block === undefined || countsOf(block.value).used > 0 || world.random() < 0.7) continue;
      const going = { ...value, spec: { ...value.spec, state: "pendingDeletion" as const } };
      const marked = await store.affinities.put(key, going, revision);
      await ticks(world);
      if (marked === "conflict" || (await store.blocks.remove(cidr, block.revision)) === "conflict") continue;
      await store.affinities.remove(key, marked.revision);
    }
  }
}

function expectWhole({
  spec,
}: {
  readonly spec: { readonly allocations: readonly unknown[]; readonly unallocated: readonly number[] };
}): void {
  const used = spec.allocations.flatMap((index, ordinal) => (index === null ? [] : [ordinal]));
  expect([...used, ...spec.unallocated].toSorted((a, b) => a - b)).toEqual([...spec.allocations.keys()]);
}

function expectAllFree({ blocks, handles }: FakeCluster): void {
  expect([...blocks.values()].filter(({ value }) => countsOf(value).used > 0)).toEqual([]);
  expect([...handles.keys()]).toEqual([]);
}

/** Lets others go first, up to `most` times. */
async function ticks(world: World, most = 6): Promise<void> {
  for (let count = Math.floor(world.random() * (most + 1)); count > 0; count--) await undefined;
}

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
