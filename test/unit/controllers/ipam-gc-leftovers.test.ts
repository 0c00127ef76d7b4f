import { describe, expect, test } from "vitest";
import type { BlockAffinity } from "../../../src/api/block-affinity.ts";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import type { IpamHandle } from "../../../src/api/ipam-handle.ts";
import { type Chore, findLeftovers, type SeenLeftovers } from "../../../src/controllers/ipam-gc/leftovers.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { blockOf, heldBy, nodeName, snapshotOf } from "./ipam-gc-objects.ts";

const graceMs = 60_000;
const [one, two] = ["10.0.0.0/30", "10.0.0.4/30"];

describe("blocks and affinities", () => {
  test("of an empty block too many the node keeps one, of each family", () => {
    const blocks = [blockOf(one, []), blockOf(two, []), blockOf("fd00::/126", [])];
    expect(settled({ blocks, affinities: blocks.map((block) => block.spec.cidr) })).toEqual([release(two, false)]);
  });

  test("a full block counts as the one to keep", () => {
    const blocks = [blockOf(one, []), blockOf(two, [heldBy("a")])];
    expect(settled({ blocks, affinities: [one, two] })).toEqual([release(one, false)]);
  });

  test("all stay where a node may not claim another", () => {
    const blocks = [blockOf(one, []), blockOf(two, [])];
    const spec = { autoAllocateBlocks: false, strictAffinity: false, maxBlocksPerHost: 0 };
    const configuration = { metadata: { name: "default", labels: {}, annotations: {} }, spec };
    const view = viewOf({ blocks, affinities: [one, two] });
    const ipamConfiguration = new Map([["default", configuration]]) as unknown as typeof view.ipamConfiguration;
    expect(settle({ ...view, ipamConfiguration })).toEqual([]);
  });

  test("an affinity without its block goes, a block without its affinity too once it is empty", () => {
    expect(settled({ affinities: [one] })).toEqual([release(one, false)]);
    expect(settled({ blocks: [blockOf(one, [])] })).toEqual([release(one, false)]);
    expect(settled({ blocks: [blockOf(one, [heldBy("a")])] })).toEqual([]);
  });

  test("nobody's block goes once it is empty", () => {
    expect(settled({ blocks: [blockOf(one, [], "")] })).toEqual([{ kind: "delete-orphan", cidr: one }]);
    expect(settled({ blocks: [blockOf(one, [heldBy("a")], "")] })).toEqual([]);
  });

  test("a load balancer's block stays", () => {
    expect(settled({ blocks: [blockOf(one, [], "virtual:load-balancer")] })).toEqual([]);
  });

  test("a node gone leaves its blocks when its own addresses have left them, borrowers' or not", () => {
    const gone = { nodes: ["node-2"], affinities: [one] };
    expect(settled({ ...gone, blocks: [blockOf(one, [heldBy("a", "node-2")])] })).toEqual([release(one, true)]);
    expect(settled({ ...gone, blocks: [blockOf(one, [heldBy("a", "node-1")])] })).toEqual([]);
    expect(settled({ ...gone, blocks: [blockOf(one, [])] }, graceMs - 1)).toEqual([]);
  });

  test("nothing is done at first sight, within the grace period, or after a change", () => {
    const view = viewOf({ affinities: [one] });
    const first = find(view, new Map(), 0);
    expect(first.chores).toEqual([]);
    expect(find(view, first.seen, graceMs - 1).chores).toEqual([]);
    const changed = viewOf({ affinities: [one], revision: "2" });
    const second = find(changed, first.seen, graceMs);
    expect(second.chores).toEqual([]);
    expect(find(changed, second.seen, 2 * graceMs).chores).toEqual([release(one, false)]);
  });

  test("an empty block that was used in between begins anew", () => {
    const block = blockOf(one, [], "");
    const first = find(viewOf({ blocks: [block] }), new Map(), 0);
    const used = { ...block, spec: { ...block.spec, sequenceNumber: 9n } };
    expect(find(viewOf({ blocks: [used] }), first.seen, graceMs).chores).toEqual([]);
  });

  test("without a grace period no block is given up", () => {
    const view = viewOf({ affinities: [one], blocks: [blockOf(two, [], "")] });
    const options = { graceMs: 0, nowMs: 0, silentMs: () => 9e9 };
    const { seen } = findLeftovers(view, new Map(), options);
    expect(findLeftovers(view, seen, { ...options, nowMs: 9e9 }).chores).toEqual([]);
  });
});

describe("handles and cooldowns", () => {
  test.each<[string, readonly IpamHandle[], readonly IpamBlock[], readonly string[]]>([
    ["a record of nothing", [handle("h", { [one]: 1 })], [], ["h"]],
    ["an empty record", [handle("h", {})], [], ["h"]],
    ["no record", [], [blockOf(one, [heldBy("a", "node-1", "h")])], ["h"]],
    ["a wrong count", [handle("h", { [one]: 2 })], [blockOf(one, [heldBy("a", "node-1", "h")])], ["h"]],
    ["a right record", [handle("h", { [one]: 1 })], [blockOf(one, [heldBy("a", "node-1", "h")])], []],
  ])("%s", (_, handles, blocks, repaired) => {
    const chores = settled({ handles, blocks, affinities: blocks.map((block) => block.spec.cidr) });
    expect(chores).toEqual(repaired.map((name) => ({ kind: "repair-handle", handle: name })));
  });

  test("a block in which something cools down is looked at each time", () => {
    const block = blockOf(one, [{ ...heldBy("a"), releasedAt: "2026-11-21T10:00:00Z" }]);
    const view = viewOf({ blocks: [block], affinities: [one] });
    expect(find(view, new Map(), 0).chores).toEqual([{ kind: "end-cooldowns", cidr: one }]);
  });
});

// --- internal ---

interface World {
  readonly blocks?: readonly IpamBlock[];
  /** Of node-1. */
  readonly affinities?: readonly string[];
  readonly revision?: string;
  readonly handles?: readonly IpamHandle[];
  readonly nodes?: readonly string[];
}

function viewOf({ blocks = [], affinities = [], revision = "1", handles = [], nodes = ["node-1"] }: World) {
  return {
    ...snapshotOf({ blocks, nodes }),
    blockAffinity: new Map(affinities.map((cidr) => [cidr, affinity(cidr, revision)])),
    ipamHandle: new Map(handles.map((one) => [one.metadata.name, one])),
  };
}

function affinity(cidr: string, resourceVersion: string): BlockAffinity {
  return {
    metadata: { name: cidr, labels: {}, annotations: {}, resourceVersion },
    spec: { state: "pending", node: "node-1", type: "host", cidr: parseCidr(cidr), deleted: false },
  };
}

function handle(name: string, block: Readonly<Record<string, number>>): IpamHandle {
  return {
    metadata: { name, labels: {}, annotations: {}, resourceVersion: "1" },
    spec: { handleID: name, block, deleted: false },
  };
}

function find(view: Parameters<typeof findLeftovers>[0], known: SeenLeftovers, nowMs: number, silence = graceMs) {
  return findLeftovers(view, known, { graceMs, nowMs, silentMs: () => silence });
}

/** What is to be done when everything has stayed as it is for long. */
function settle(view: Parameters<typeof findLeftovers>[0], silence = graceMs): readonly Chore[] {
  return find(view, find(view, new Map(), 0, silence).seen, graceMs, silence).chores;
}

function settled(world: World, silence?: number): readonly Chore[] {
  return settle(viewOf(world), silence).filter(({ kind }) => kind !== "repair-handle" || world.handles !== undefined);
}

function release(cidr: string, gone: boolean): Chore {
  return { kind: "release-block", cidr: parseCidr(cidr), node: nodeName("node-1"), gone };
}
