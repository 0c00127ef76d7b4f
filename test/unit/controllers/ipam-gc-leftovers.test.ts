import { describe, expect, test } from "vitest";
import type { BlockAffinity } from "../../../src/api/block-affinity.ts";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import type { IpamHandle } from "../../../src/api/ipam-handle.ts";
import { type Chore, findLeftovers, type SeenLeftovers } from "../../../src/controllers/ipam-gc/leftovers.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { blockOf, heldBy, nodeName, reserveOf, snapshotOf } from "./ipam-gc-objects.ts";

const graceMs = 60_000;
const states: readonly State[] = ["", "pending", "confirmed", "pendingDeletion"];
const windowsReserved = { handle_id: "Windows-Reserved-IPAM-Handle" };
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

  test("a block with nothing but what is held for pods to come is in use", () => {
    const blocks = [blockOf(one, []), blockOf(two, [reserveOf()])];
    expect(settled({ blocks, affinities: [one, two] })).toEqual([release(one, false)]);
    const gone = { nodes: ["node-2"], affinities: [one] };
    expect(settled({ ...gone, blocks: [blockOf(one, [reserveOf()])] })).toEqual([]);
  });

  test("all stay where a node may not claim another", () => {
    const blocks = [blockOf(one, []), blockOf(two, [])];
    expect(settle(withoutAutoAllocation(viewOf({ blocks, affinities: [one, two] })))).toEqual([]);
  });

  test.each(states)("an affinity that is %j without its block goes", (state) => {
    expect(settled({ affinities: [one], state })).toEqual([release(one, false)]);
  });

  test.each(states)("a block whose affinity is %j is looked at, empty or not, unless that is in order", (state) => {
    const expected = state === "confirmed" ? [] : [release(one, false)];
    for (const block of [blockOf(one, []), blockOf(one, [heldBy("a")])]) {
      expect(settled({ blocks: [block], affinities: [one], state })).toEqual(expected);
      expect(settle(withoutAutoAllocation(viewOf({ blocks: [block], affinities: [one], state })))).toEqual(
        expect.arrayContaining(expected),
      );
    }
  });

  test("a block without its affinity is looked at, empty or not", () => {
    expect(settled({ blocks: [blockOf(one, [])] })).toEqual([release(one, false)]);
    expect(settled({ blocks: [blockOf(one, [heldBy("a")])] })).toEqual([release(one, false)]);
  });

  test("a block in use whose claim is half made is looked at though it is written all the time", () => {
    const written = (sequenceNumber: bigint, ...pods: string[]) => {
      const block = blockOf(
        one,
        pods.map((pod) => heldBy(pod)),
      );
      return viewOf({ blocks: [{ ...block, spec: { ...block.spec, sequenceNumber } }] });
    };
    const used = find(written(7n, "a"), new Map(), 0);
    expect(releases(find(written(8n, "a", "b"), used.seen, graceMs).chores)).toEqual([release(one, false)]);
    // One that came to be empty must stay so.
    const emptied = find(written(8n), used.seen, graceMs);
    expect(releases(emptied.chores)).toEqual([]);
    expect(releases(find(written(9n), emptied.seen, 2 * graceMs).chores)).toEqual([]);
    expect(releases(find(written(8n), emptied.seen, 2 * graceMs).chores)).toEqual([release(one, false)]);
  });

  test("a block whose claim is half made is not the one that the node keeps", () => {
    const blocks = [blockOf(one, []), blockOf(two, [])];
    const half = viewOf({ blocks, affinities: [one], state: "pending" });
    const whole = viewOf({ blocks, affinities: [two] });
    const blockAffinity = new Map([...half.blockAffinity, ...whole.blockAffinity]);
    expect(settle({ ...whole, blockAffinity })).toEqual([release(one, false)]);
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
    ["no record of what is reserved for Windows", [], [blockOf(one, [windowsReserved])], []],
    ["no record of what is held for pods to come", [], [blockOf(one, [reserveOf(), reserveOf()])], []],
    [
      "a record of what is held for pods to come",
      [handle("margay-reserve:node-1", { [one]: 1 })],
      [blockOf(one, [reserveOf()])],
      ["margay-reserve:node-1"],
    ],
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

type State = BlockAffinity["spec"]["state"];

interface World {
  readonly blocks?: readonly IpamBlock[];
  /** Of node-1. */
  readonly affinities?: readonly string[];
  readonly revision?: string;
  /** Of all affinities. */
  readonly state?: State;
  readonly handles?: readonly IpamHandle[];
  readonly nodes?: readonly string[];
}

function viewOf({ blocks = [], affinities = [], revision = "1", state = "confirmed", ...rest }: World) {
  const { handles = [], nodes = ["node-1"] } = rest;
  return {
    ...snapshotOf({ blocks, nodes }),
    blockAffinity: new Map(affinities.map((cidr) => [cidr, affinity(cidr, revision, state)])),
    ipamHandle: new Map(handles.map((one) => [one.metadata.name, one])),
  };
}

function withoutAutoAllocation(view: ReturnType<typeof viewOf>): ReturnType<typeof viewOf> {
  const spec = { autoAllocateBlocks: false, strictAffinity: false, maxBlocksPerHost: 0 };
  const configuration = { metadata: { name: "default", labels: {}, annotations: {} }, spec };
  return {
    ...view,
    ipamConfiguration: new Map([["default", configuration]]) as unknown as typeof view.ipamConfiguration,
  };
}

function affinity(cidr: string, resourceVersion: string, state: State): BlockAffinity {
  return {
    metadata: { name: cidr, labels: {}, annotations: {}, resourceVersion },
    spec: { state, node: "node-1", type: "host", cidr: parseCidr(cidr), deleted: false },
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

function releases(chores: readonly Chore[]): readonly Chore[] {
  return chores.filter(({ kind }) => kind === "release-block");
}

function release(cidr: string, gone: boolean): Chore {
  return { kind: "release-block", cidr: parseCidr(cidr), node: nodeName("node-1"), gone };
}
