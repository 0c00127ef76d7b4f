import fc from "fast-check";
import type { Fate } from "./network.ts";

/** One thing that happens to the cluster. What makes no sense at its moment does not happen. */
export type Operation =
  /** A pod asks, for the first time or again. */
  | { readonly op: "add"; readonly pod: number; readonly want: Want }
  | { readonly op: "cancel"; readonly pod: number }
  | { readonly op: "remove"; readonly pod: number }
  /** A pod is gone, and its node forgets it. */
  | { readonly op: "vanish"; readonly pod: number }
  | { readonly op: "kill"; readonly node: number }
  /** A process ends well: the one that was taken over, if there is one. */
  | { readonly op: "end"; readonly node: number }
  /** A second process takes a node over while the first goes on. */
  | { readonly op: "twin"; readonly node: number }
  /** A machine is gone for ever, with all that ran on it. */
  | { readonly op: "machine"; readonly node: number }
  | { readonly op: "node"; readonly node: number; readonly change: "delete" | "zone a" | "zone b" }
  | { readonly op: "collect"; readonly what: Collection }
  | { readonly op: "pool"; readonly pool: number; readonly change: PoolChange }
  | { readonly op: "configure"; readonly strict: boolean; readonly maxBlocks: number; readonly cooldownS: number }
  | { readonly op: "reserve"; readonly cidrs: readonly string[] }
  | { readonly op: "wait"; readonly seconds: number };

/** What a pod asks for: so many of each family, from which pools, and this very address. */
export type Want = "v4" | "v6" | "dual" | "two" | "manual" | "fixed" | "reserved";

/** What one pass of the collector takes up. */
export type Collection = "addresses" | "blocks" | "used blocks" | "handles";

/** What becomes of a pool. */
export type PoolChange = "delete" | "create" | "other size" | "disable" | "enable" | "zone a" | "all nodes";

/** A whole history: what happens, how many steps everybody makes after each, what fails, and who goes first. */
export interface History {
  readonly operations: readonly (Operation & { readonly turns: number })[];
  /** One for each call to the store; those after the last are fine. */
  readonly fates: readonly Fate[];
  readonly choices: readonly number[];
  /** Whether there are more addresses than pods; else nodes are mostly short of them. */
  readonly isLarge: boolean;
}

/** Sizes of the world. */
export const podCount = 12;
export const nodeCount = 3;
const poolCount = 4;

/** Histories of up to so many operations. */
export function histories(longest: number, fate: fc.Arbitrary<Fate> = fates): fc.Arbitrary<History> {
  const operation = fc.tuple(operations, turns).map(([one, count]) => ({ ...one, turns: count }));
  return fc.record({
    operations: fc.array(operation, { minLength: 1, maxLength: longest, size: "max" }),
    fates: fc.array(fate, { maxLength: longest * 8, size: "max" }),
    choices: fc.array(fc.nat({ max: 11 }), { maxLength: longest * 20, size: "max" }),
    isLarge: fc.boolean(),
  });
}

/** Histories of pools whose block size changes, under nodes that hear of it and of each other's blocks late. */
export const sizeHistories: fc.Arbitrary<History> = fc.record({
  operations: fc
    .tuple(
      fc.boolean(),
      fc.array(
        fc.tuple(sizeOperations(), fc.nat({ max: 30 })).map(([one, count]) => ({ ...one, turns: count })),
        { minLength: 20, maxLength: 60, size: "max" },
      ),
    )
    .map(([strict, some]) => [{ op: "configure", strict, maxBlocks: 0, cooldownS: 0, turns: 0 } as const, ...some]),
  fates: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant<Fate>("fine") }, fc.constant<Fate>("old answer")), {
    maxLength: 300,
    size: "max",
  }),
  choices: fc.array(fc.nat({ max: 11 }), { maxLength: 600, size: "max" }),
  isLarge: fc.constant(false),
});

/** Histories of two nodes on which pods come and go in quick turn, so that what is held in advance is used. */
export function busyHistories(fate: fc.Arbitrary<Fate> = fates): fc.Arbitrary<History> {
  const busyPod = fc.constantFrom(0, 1, 3, 4, 6, 7, 9, 10);
  const busyNode = fc.nat({ max: 1 });
  const operation = fc.oneof(
    { weight: 24, arbitrary: fc.record({ op: fc.constant("add" as const), pod: busyPod, want: busyWant }) },
    { weight: 14, arbitrary: fc.record({ op: fc.constant("remove" as const), pod: busyPod }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("vanish" as const, "cancel" as const), pod: busyPod }) },
    {
      weight: 2,
      arbitrary: fc.record({ op: fc.constantFrom("kill" as const, "twin" as const, "end" as const), node: busyNode }),
    },
    { weight: 5, arbitrary: operations },
  );
  const timed = fc.tuple(operation, fc.nat({ max: 50 })).map(([one, count]) => ({ ...one, turns: count }));
  return fc.record({
    operations: fc.array(timed, { minLength: 20, maxLength: 80, size: "max" }),
    fates: fc.array(fate, { maxLength: 640, size: "max" }),
    choices: fc.array(fc.nat({ max: 11 }), { maxLength: 1600, size: "max" }),
    isLarge: fc.constantFrom(true, true, false),
  });
}

/** Calls that all end well. */
export const fine: fc.Arbitrary<Fate> = fc.constant("fine");

// --- internal ---

function sizeOperations(): fc.Arbitrary<Operation> {
  const anyPod = fc.nat({ max: podCount - 1 });
  const what = fc.constantFrom<Collection>("blocks", "used blocks", "addresses");
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ op: fc.constant("add" as const), pod: anyPod, want: fc.constant<Want>("v4") }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ op: fc.constant("add" as const), pod: anyPod, want: fc.constant<Want>("fixed") }),
    },
    { weight: 4, arbitrary: fc.record({ op: fc.constant("remove" as const), pod: anyPod }) },
    {
      weight: 3,
      arbitrary: fc.constant({ op: "pool" as const, pool: 0, change: "other size" as const }),
    },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("collect" as const), what }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("twin" as const), node: fc.nat({ max: nodeCount - 1 }) }) },
  );
}

const pod = fc.nat({ max: podCount - 1 });
const node = fc.nat({ max: nodeCount - 1 });
const turns = fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 8 }) }, { weight: 1, arbitrary: fc.nat({ max: 60 }) });

const fates = fc.oneof(
  { weight: 90, arbitrary: fine },
  { weight: 9, arbitrary: fc.constantFrom<Fate>("lost request", "lost reply", "late effect", "old answer") },
  { weight: 2, arbitrary: fc.constantFrom<Fate>("killed before", "killed after", "killed, late effect") },
);

const busyWant = fc.constantFrom<Want>("v4", "v4", "v4", "dual", "v6", "fixed");

const want = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<Want>("v4", "dual") },
  { weight: 4, arbitrary: fc.constantFrom<Want>("v6", "two", "manual", "fixed", "reserved") },
);

const reservations: readonly (readonly string[])[] = [
  [],
  ["10.0.0.0/31"],
  ["10.0.0.4/30", "2001:db8::4/128"],
  ["10.0.1.0/29"],
];

const settings: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    op: fc.constant("pool" as const),
    pool: fc.nat({ max: poolCount - 1 }),
    change: fc.constantFrom<PoolChange>(
      "delete",
      "create",
      "create",
      "other size",
      "disable",
      "enable",
      "zone a",
      "all nodes",
    ),
  }),
  fc.record({
    op: fc.constant("configure" as const),
    strict: fc.boolean(),
    maxBlocks: fc.constantFrom(0, 0, 1, 2),
    cooldownS: fc.constantFrom(0, 0, 30),
  }),
  fc.record({ op: fc.constant("reserve" as const), cidrs: fc.constantFrom(...reservations) }),
  fc.record({
    op: fc.constant("node" as const),
    node,
    change: fc.constantFrom("delete" as const, "zone a" as const, "zone b" as const),
  }),
);

const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 40, arbitrary: fc.record({ op: fc.constant("add" as const), pod, want }) },
  { weight: 24, arbitrary: fc.record({ op: fc.constantFrom("remove" as const), pod }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constantFrom("vanish" as const, "cancel" as const), pod }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constantFrom("kill" as const, "twin" as const, "end" as const), node }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("machine" as const), node }) },
  {
    weight: 14,
    arbitrary: fc.record({
      op: fc.constant("collect" as const),
      what: fc.constantFrom<Collection>("addresses", "addresses", "blocks", "used blocks", "handles"),
    }),
  },
  { weight: 8, arbitrary: settings },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("wait" as const), seconds: fc.constantFrom(1, 40, 400) }) },
);
