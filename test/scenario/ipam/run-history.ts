import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { type Slot, slotsOf } from "./block-rules.ts";
import { Collector } from "./collector.ts";
import { Kubelets, nodeOfPod } from "./kubelets.ts";
import { isOfReserve } from "./node-disk.ts";
import { type History, type Operation, podCount } from "./operations.ts";
import { changedPools, configured, firstSetting, nodeOf, nodes, reservation } from "./settings.ts";
import { World } from "./world.ts";

/** How much happened in a history. */
export type Figures = Readonly<World["allFigures"]>;

/** The figures of nothing. */
export const noFigures: Figures = {
  ...{ calls: 0, writes: 0, kills: 0, surplus: 0, given: 0, refused: 0, freed: 0 },
  ...{ fromReserve: 0, straysNamed: 0, straysFreed: 0, givenBack: 0 },
};

/** The sum. */
export function addFigures(a: Figures, b: Figures): Figures {
  const names = Object.keys(a) as (keyof Figures)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as Figures;
}

/**
 * Runs a history, lets everybody recover, and has everything given back in the end. Throws at the first breach of a
 * rule, with what happened before it.
 */
export async function runHistory(history: History): Promise<Figures> {
  const world = new World(history);
  const kubelets = new Kubelets(world);
  const collector = new Collector(world, kubelets);
  const actors = { world, kubelets, collector };
  for (const { turns, ...operation } of history.operations) {
    world.trace(`-- ${JSON.stringify(operation)}`);
    happen(operation as Operation, actors);
    await world.run(turns);
  }
  // Not to the end: what is left of an ADD that was cut short can keep a process looking for ever.
  await world.run(2000, 1_000_000);
  await recover(actors);
  expectNothingLeaked(world);
  await empty(actors);
  await fill(actors);
  return world.allFigures;
}

// --- internal ---

interface Actors {
  readonly world: World;
  readonly kubelets: Kubelets;
  readonly collector: Collector;
}

function happen(operation: Operation, { world, kubelets, collector }: Actors): void {
  const node = "node" in operation ? (nodes[operation.node] as NodeName) : ("" as NodeName);
  const { setting } = world;
  switch (operation.op) {
    case "add":
      kubelets.add(operation.pod, operation.want);
      return;
    case "cancel":
      kubelets.cancel(operation.pod);
      return;
    case "remove":
      kubelets.remove(operation.pod);
      return;
    case "vanish":
      kubelets.vanish(operation.pod);
      return;
    case "kill":
      kubelets.kill(node);
      return;
    case "end":
      void kubelets.end(node);
      return;
    case "twin":
      kubelets.twin(node);
      return;
    case "machine":
      kubelets.lose(node);
      return;
    case "collect":
      collector.start(operation.what);
      return;
    case "wait":
      world.schedule.pass(operation.seconds * 1000);
      return;
    case "pool":
      world.set({ pools: changedPools({ ...setting, isLarge: world.isLarge }, operation.pool, operation.change) });
      return;
    case "configure":
      world.set({ configuration: configured(operation.strict, operation.maxBlocks, operation.cooldownS) });
      return;
    case "reserve":
      world.set({ reservations: reservation(operation.cidrs) });
      return;
    case "node": {
      const others = setting.nodes.filter(({ name }) => name !== node);
      const zone = operation.change === "zone a" ? "a" : "b";
      world.set({ nodes: operation.change === "delete" ? others : [...others, nodeOf(node, zone)] });
      return;
    }
  }
}

/** Everybody starts anew, deletions that are owed are repeated, and the collector goes round twice. */
async function recover({ world, kubelets, collector }: Actors): Promise<void> {
  world.trace("-- recovery");
  world.calm();
  collector.kill();
  if (world.schedule.steps % 2 === 0) {
    void kubelets.endAll();
    await world.run(2000, 1_000_000);
  }
  kubelets.killAll();
  await world.run();
  kubelets.beginAll();
  for (let pod = 0; pod < podCount; pod++) {
    if (["asked", "going"].includes(world.ledger.phaseOf(kubelets.handleOf(pod)))) {
      if (kubelets.isGone(nodeOfPod(pod))) kubelets.vanish(pod);
      else kubelets.remove(pod);
    }
  }
  await world.run();
  for (const handle of world.ledger.handles("asked", "going")) {
    world.breach(`${handle} cannot be given back though everything works again`);
  }
  await goRound(world, collector);
  await goRound(world, collector);
}

async function goRound(world: World, collector: Collector): Promise<void> {
  world.schedule.pass(1_300_000);
  for (const what of ["addresses", "handles", "blocks"] as const) {
    collector.start(what);
    await world.run();
  }
}

function expectNothingLeaked(world: World): void {
  const reserved = world.blocks.flatMap(slotsOf).filter(isOfReserve);
  if (reserved.length > 0) world.breach(`held in advance still: ${reserved.map(({ ip }) => ip).join()}`);
  const live = [...world.ledger.live].map(([ip, handle]) => `${ip} ${handle}`).toSorted();
  const slots = world.blocks.flatMap(slotsOf).filter(({ state }) => state !== "free");
  // A holder may have more than it was told, when a write landed late or its record was found late; that goes with it.
  const isSurplus = ({ ip, state, handle = "" }: Slot) =>
    state === "held" && world.ledger.phaseOf(handle) === "live" && world.ledger.holderOf(ip) === undefined;
  world.figures.surplus += slots.filter(isSurplus).length;
  const held = slots.filter((slot) => !isSurplus(slot));
  expectSame(world, "addresses", held.map(({ ip, handle }) => `${ip} ${handle}`).toSorted(), live);
  const records = [...world.cluster.handles.values()].flatMap(({ value: { spec } }) =>
    Object.entries(spec.block).map(([cidr, count]) => `${spec.handleID} ${cidr} ${count}`),
  );
  expectSame(world, "handles", records.toSorted(), recordsOf(world));
  const claims = [...world.cluster.affinities.values()].map(({ value: { spec } }) => `host:${spec.node} ${spec.cidr}`);
  const owned = world.blocks.flatMap(({ spec }) =>
    spec.affinity === undefined ? [] : `${spec.affinity} ${spec.cidr}`,
  );
  expectSame(world, "affinities", claims.toSorted(), owned.toSorted());
  world.check();
}

/** The records that there should be, as the blocks say. */
function recordsOf({ blocks }: World): readonly string[] {
  return blocks.flatMap((block) => {
    const held = slotsOf(block).filter(({ state }) => state === "held");
    const byHandle = Map.groupBy(held, ({ handle }) => handle);
    return [...byHandle].map(([handle, slots]) => `${handle} ${block.spec.cidr} ${slots.length}`);
  });
}

function expectSame(world: World, what: string, actual: readonly string[], expected: readonly string[]): void {
  const surplus = actual.filter((one) => !expected.includes(one));
  const missing = expected.filter((one) => !actual.includes(one));
  if (surplus.length > 0) world.breach(`${what} leaked: ${surplus.join(", ")}`);
  if (missing.length > 0) world.breach(`${what} missing: ${missing.join(", ")}`);
}

/** All pods end; nothing is held any more. */
async function empty({ world, kubelets, collector }: Actors): Promise<void> {
  world.trace("-- the end of all pods");
  world.set(firstSetting(world.isLarge));
  for (let pod = 0; pod < podCount; pod++) kubelets.remove(pod);
  await world.run();
  const still = world.blocks.flatMap(slotsOf).filter(({ state }) => state === "held");
  const lost = still.filter(({ handle = "" }) => world.ledger.phaseOf(handle) !== "live");
  if (lost.length > 0) world.breach(`still held: ${lost.map(({ ip, handle }) => `${ip} ${handle}`).join(", ")}`);
  for (const handle of world.ledger.handles("live")) world.ledger.vanishes(handle);
  await goRound(world, collector);
  if (world.cluster.handles.size > 0) world.breach(`records left: ${[...world.cluster.handles.keys()].join(", ")}`);
  world.check();
}

/** Nothing is lost for ever: whoever is left can have every address of the pools. */
async function fill({ world, kubelets }: Actors): Promise<void> {
  const node = nodes.find((name) => !kubelets.isGone(name));
  if (node === undefined) return;
  world.trace("-- every address is asked for");
  kubelets.killAll();
  const { ipam } = world.start(`${node}#last`, node);
  const count = world.isLarge ? 72 : 24;
  const wanted = Array.from({ length: count }, (_, index) => `last.${index}`);
  const answers = wanted.map((handle, index) =>
    ipam.assign({ handle, v4: 1, v6: 0, attributes: {}, mayBeNamedLater: index % 2 === 0 }),
  );
  const settled = Promise.allSettled(answers);
  await world.run();
  const failed = (await settled).flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []));
  if (failed.length > 0) world.breach(`${failed.length} of ${count} addresses cannot be given: ${failed[0]}`);
  const free = world.blocks.filter(isOfDefaultPools).flatMap(slotsOf);
  if (failed.length === 0 && free.some(({ state }) => state !== "held")) world.breach("an address was given twice");
  world.check();
}

function isOfDefaultPools({ spec }: IpamBlock): boolean {
  return spec.cidr.startsWith("10.0.0.") || spec.cidr.startsWith("10.0.1.");
}
