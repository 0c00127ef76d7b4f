import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AllocationAttribute } from "../../../src/api/ipam-block.ts";
import type { AddressUse } from "../../../src/api/node-query.ts";
import type { Pod } from "../../../src/api/objects.ts";
import type { Snapshot } from "../../../src/api/snapshot.ts";
import {
  sightAgain,
  sightAgents,
  silenceNeededMs,
  silentMs,
} from "../../../src/controllers/ipam-gc/agent-sightings.ts";
import { type Candidate, findCandidates, mayBeSecondary, ripe } from "../../../src/controllers/ipam-gc/candidates.ts";
import { type Evidence, judge } from "../../../src/controllers/ipam-gc/verdicts.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { aLease, aPod, blockOf, heldBy, nodeName, podName, reserveOf, snapshotOf } from "./ipam-gc-objects.ts";

const nodes = ["node-1", "node-2"];
const graceMs = 60_000;
const gateway = { handle_id: "bridged:node-1:10.0.0.0", secondary: { node: "node-1", note: "a gateway" } };
const tunnel = { handle_id: "ipip-tunnel-addr-node-1", secondary: { node: "node-1", type: "ipipTunnelAddress" } };

describe("findCandidates", () => {
  test.each<[string, AllocationAttribute, { pods?: readonly Pod[]; nodes?: readonly string[] }, string | undefined]>([
    ["no such pod", heldBy("a"), {}, "pod gone"],
    ["the pod's own address", heldBy("a"), { pods: [aPod("a", { ips: ["10.0.0.0"] })] }, undefined],
    ["a pod that has no address yet", heldBy("a"), { pods: [aPod("a")] }, undefined],
    ["a pod that waits for a node", heldBy("a"), { pods: [aPod("a", { node: "" })] }, undefined],
    ["the pod has another address", heldBy("a"), { pods: [aPod("a", { ips: ["10.0.0.9"] })] }, "container replaced"],
    ["another of two addresses", heldBy("a"), { pods: [aPod("a", { ips: ["fd00::1", "10.0.0.0"] })] }, undefined],
    ["the pod is elsewhere", heldBy("a"), { pods: [aPod("a", { node: "node-2" })] }, "pod moved to node node-2"],
    [
      "the pod is elsewhere, and has this very address",
      heldBy("a"),
      { pods: [aPod("a", { node: "node-2", ips: ["10.0.0.0"] })] },
      undefined,
    ],
    ["the pod has finished", heldBy("a"), { pods: [aPod("a", { ips: ["10.0.0.0"], finished: true })] }, "pod finished"],
    [
      "the pod is now on the host's network",
      heldBy("a"),
      { pods: [aPod("a", { ips: ["192.0.2.1"], hostNetwork: true })] },
      "pod is on the host's network",
    ],
    ["neither pod nor node", heldBy("a"), { nodes: ["node-2"] }, "node gone"],
    ["no node, but the pod says so", heldBy("a"), { nodes: [], pods: [aPod("a", { ips: ["10.0.0.0"] })] }, undefined],
    ["a tunnel of a node", tunnel, {}, undefined],
    ["a tunnel of a node gone", tunnel, { nodes: ["node-2"] }, "tunnel address of a node gone"],
    ["a network's own, of a node", gateway, {}, undefined],
    ["a network's own, of a node gone", gateway, { nodes: ["node-2"] }, "network's address of a node gone"],
    ["held for pods to come", reserveOf(), {}, undefined],
    [
      "held for pods to come, and given to one that reports it already",
      reserveOf(),
      { pods: [aPod("a", { ips: ["10.0.0.0"] })] },
      undefined,
    ],
    [
      "held for pods to come by a node gone",
      reserveOf(),
      { nodes: ["node-2"] },
      "held for pods to come by a node gone",
    ],
    ["as a network's own, but of a pod", { ...heldBy("a"), handle_id: gateway.handle_id }, {}, "pod gone"],
    [
      "as a network's own, of another address",
      { ...gateway, handle_id: "n:node-1:10.0.0.1" },
      { nodes: [] },
      undefined,
    ],
    ["as a network's own, of another node", { ...gateway, handle_id: "n:node-2:10.0.0.0" }, { nodes: [] }, undefined],
    ["as a network's own, of no network", { ...gateway, handle_id: ":node-1:10.0.0.0" }, { nodes: [] }, undefined],
    ["of no pod", { handle_id: "x", secondary: { node: "node-1" } }, {}, undefined],
    ["of no node", { handle_id: "x", secondary: { pod: "a", namespace: "shop" } }, {}, undefined],
    ["of no namespace", { handle_id: "x", secondary: { pod: "a", node: "node-1" } }, {}, undefined],
    ["nothing is known", {}, {}, undefined],
    ["reserved for Windows", { ...heldBy("a"), handle_id: "windows-reserved-ipam-handle" }, {}, undefined],
    ["so in other letters", { ...heldBy("a"), handle_id: "Windows-Reserved-IPAM-handle" }, {}, undefined],
    ["it cools down", { ...heldBy("a"), releasedAt: "2026-11-21T10:00:00Z" }, {}, undefined],
    ["a migration's other owner", { ...heldBy("a"), alternateOwnerAttrs: { pod: "b" } }, {}, undefined],
    [
      "of a virtual machine",
      { handle_id: "vm", secondary: { ...heldBy("a").secondary, "vmi-name": "vm" } },
      {},
      undefined,
    ],
  ])("%s", (_, attribute, { pods, nodes: there = nodes }, reason) => {
    const view = snapshotOf({ blocks: [blockOf("10.0.0.0/30", [attribute])], nodes: there, pods: pods ?? [] });
    expect(findCandidates(view, [], 7).map((one) => [one.ip, one.reason, one.sinceMs])).toEqual(
      reason === undefined ? [] : [["10.0.0.0", reason, 7]],
    );
  });

  test("one address in order keeps the whole handle", () => {
    const pods = [aPod("a", { ips: ["10.0.0.0"] })];
    const blocks = [blockOf("10.0.0.0/30", [heldBy("a"), heldBy("b")]), blockOf("fd00::/126", [heldBy("a")])];
    expect(findCandidates(snapshotOf({ blocks, nodes, pods }), [], 0).map(({ ip }) => ip)).toEqual(["10.0.0.1"]);
  });

  test("what a node holds for pods to come speaks neither for nor against a pod's handle beside it", () => {
    const blocks = [blockOf("10.0.0.0/29", [reserveOf(), heldBy("a"), reserveOf(), heldBy("b")])];
    const pods = [aPod("b", { ips: ["10.0.0.3"] })];
    expect(findCandidates(snapshotOf({ blocks, nodes, pods }), [], 0).map(({ ip }) => ip)).toEqual(["10.0.0.1"]);
  });

  test("the time counts from the first look, and anew for another allocation or after a good look", () => {
    const block = blockOf("10.0.0.0/30", [heldBy("a")]);
    const first = findCandidates(snapshotOf({ blocks: [block], nodes }), [], 0);
    expect(findCandidates(snapshotOf({ blocks: [block], nodes }), first, 500)[0]?.sinceMs).toBe(0);
    const again = { ...block, spec: { ...block.spec, sequenceNumberForAllocation: { "0": 9n } } };
    expect(findCandidates(snapshotOf({ blocks: [again], nodes }), first, 500)[0]?.sinceMs).toBe(500);
    const well = findCandidates(snapshotOf({ blocks: [block], nodes, pods: [aPod("a")] }), first, 500);
    expect(findCandidates(snapshotOf({ blocks: [block], nodes }), well, 600)[0]?.sinceMs).toBe(600);
  });

  test("a handle is ripe when all of it is", () => {
    const [a, b, c] = candidates(heldBy("a"), heldBy("a"), heldBy("c"));
    const late = (one: Candidate | undefined, sinceMs: number) => ({ ...(one as Candidate), sinceMs });
    const ripeOnes = ripe([late(a, 0), late(b, 1), late(c, 0)], graceMs, graceMs);
    expect(ripeOnes.map(({ ip }) => ip)).toEqual(["10.0.0.2"]);
  });
});

describe("mayBeSecondary", () => {
  const [holding] = candidates(heldBy("a"));
  test.each<[string, Pod | undefined, boolean]>([
    ["its pod lives there, with another address", aPod("a", { ips: ["10.0.0.9"] }), true],
    ["its pod has it as its own", aPod("a", { ips: ["10.0.0.0"] }), false],
    ["its pod has no address yet", aPod("a"), false],
    ["its pod is elsewhere", aPod("a", { node: "node-2", ips: ["10.0.0.9"] }), false],
    ["its pod has finished", aPod("a", { ips: ["10.0.0.9"], finished: true }), false],
    ["its pod is on the host's network", aPod("a", { ips: ["10.0.0.9"], hostNetwork: true }), false],
    ["its pod is gone", undefined, false],
  ])("%s", (_, pod, expected) => {
    expect(mayBeSecondary(holding as Candidate, pod)).toBe(expected);
  });
});

describe("judge", () => {
  const leaked: Evidence = {
    pods: new Map([[podName("a"), undefined]]),
    nodeExists: new Map([[nodeName("node-1"), true]]),
    silentMs: new Map(),
    uses: new Map([[nodeName("node-1"), []]]),
    elsewhere: new Map(),
  };
  const gone = { ...leaked, nodeExists: new Map([[nodeName("node-1"), false]]), uses: new Map() };
  const silent = (ms: number) => new Map([[nodeName("node-1"), ms]]);

  test.each<[string, Evidence, string, string | RegExp]>([
    ["leaked", leaked, "free", "pod gone"],
    ["no answer from its node", { ...leaked, uses: new Map([[nodeName("node-2"), []]]) }, "unknown", /no answer/],
    [
      "no answer from its node, but one that was asked about others",
      { ...leaked, uses: new Map(), elsewhere: leaked.uses },
      "unknown",
      /no answer/,
    ],
    ["in use on its node", { ...leaked, uses: new Map([[nodeName("node-1"), [use("10.0.0.0")]]]) }, "alive", /in use/],
    [
      "in use on another node",
      { ...leaked, elsewhere: new Map([[nodeName("node-2"), [use("10.0.0.0")]]]) },
      "alive",
      /in use on node node-2/,
    ],
    ["another address in use", { ...leaked, uses: new Map([[nodeName("node-1"), [use("10.0.0.1")]]]) }, "free", /pod/],
    ["the pod lives", { ...leaked, pods: new Map([[podName("a"), aPod("a")]]) }, "alive", /rightly held/],
    ["nothing known of the pod", { ...leaked, pods: new Map() }, "unknown", /did not say/],
    ["nothing known of the node", { ...leaked, nodeExists: new Map() }, "unknown", /did not say/],
    ["the node is gone, its agent was never looked at", gone, "unknown", /silent/],
    ["the node is gone, its agent lives", { ...gone, silentMs: silent(graceMs - 1) }, "unknown", /silent/],
    ["the node is gone, its agent too", { ...gone, silentMs: silent(graceMs) }, "free", "node gone"],
    [
      "the node is gone, its agent too, but another node uses it",
      { ...gone, silentMs: silent(graceMs), elsewhere: new Map([[nodeName("node-2"), [use("10.0.0.0")]]]) },
      "alive",
      /in use/,
    ],
    [
      "the silent agent's node is there after all",
      { ...leaked, uses: new Map(), silentMs: silent(9e9) },
      "unknown",
      /no/,
    ],
  ])("%s", (_, evidence, outcome, because) => {
    const [verdict] = judge(candidates(heldBy("a")), evidence, graceMs);
    expect(verdict).toMatchObject({ outcome, because: expect.stringMatching(because) });
  });

  test.each([tunnel, gateway, reserveOf()])("$handle_id goes only with its node", (attribute) => {
    const view = snapshotOf({ blocks: [blockOf("10.0.0.0/30", [attribute])] });
    const found = findCandidates(view, [], 0);
    expect(judge(found, { ...gone, pods: new Map(), silentMs: silent(graceMs) }, graceMs)[0]?.outcome).toBe("free");
    expect(judge(found, { ...leaked, pods: new Map() }, graceMs)[0]?.outcome).toBe("alive");
    const lives = { ...gone, pods: new Map(), silentMs: silent(graceMs - 1) };
    expect(judge(found, lives, graceMs)[0]?.outcome).toBe("unknown");
  });

  test("what a pod of a node gone has got already keeps all that the node held for pods to come", () => {
    const view = snapshotOf({ blocks: [blockOf("10.0.0.0/30", [reserveOf(), reserveOf()])] });
    const elsewhere = new Map([[nodeName("node-1"), [use("10.0.0.1")]]]);
    const evidence = { ...gone, silentMs: silent(graceMs), elsewhere };
    const outcomes = judge(findCandidates(view, [], 0), evidence, graceMs).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(["alive", "alive"]);
  });

  test("one address kept keeps its handle", () => {
    const found = candidates(heldBy("a"), heldBy("a"), heldBy("b"));
    const pods = new Map([podName("a"), podName("b")].map((pod) => [pod, undefined] as const));
    const uses = new Map([[nodeName("node-1"), [use("10.0.0.1")]]]);
    const outcomes = judge(found, { ...leaked, pods, uses }, graceMs).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(["alive", "alive", "free"]);
  });

  test("whatever is found out: nothing that may be alive is freed", () => {
    fc.assert(
      fc.property(worlds, ({ cached, ...found }) => {
        const attributes = ["a", "b", "a"].map((pod, index) => heldBy(pod, nodes[index % 2]));
        const view = snapshotOf({ blocks: [blockOf("10.0.0.0/30", attributes)], ...cached });
        const evidence = evidenceOf(found);
        const verdicts = judge(findCandidates(view, [], 0), evidence, graceMs);
        for (const { candidate, outcome } of verdicts) {
          if (outcome !== "free") continue;
          const { ip, node, pod } = candidate;
          const uses = [...evidence.uses.values(), ...evidence.elsewhere.values()];
          expect(uses.flat().map((one) => one.ip)).not.toContain(ip);
          const found = pod === undefined ? undefined : evidence.pods.get(pod);
          expect(pod !== undefined && evidence.pods.has(pod)).toBe(true);
          expect(found !== undefined && !found.finished && found.ips.includes(ip)).toBe(false);
          const asked = evidence.nodeExists.get(node) === true && evidence.uses.has(node);
          const silentEnough = evidence.nodeExists.get(node) === false && (evidence.silentMs.get(node) ?? 0) >= graceMs;
          expect(asked || silentEnough).toBe(true);
          expect(verdicts.filter((one) => one.candidate.handle === candidate.handle).map((one) => one.outcome)).toEqual(
            expect.not.arrayContaining(["alive"]),
          );
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("sightings", () => {
  const node = nodeName("node-1");
  const look = (known: ReturnType<typeof sightAgents>, view: Snapshot, nowMs: number) =>
    sightAgents(known, [node], view, nowMs);

  test("silence is measured from the first look, and from each renewal that is seen", () => {
    const renewed = (at: string) => snapshotOf({ leases: [aLease("node-1", at)] });
    const first = look(new Map(), renewed("2020-01-01T00:00:00.000000Z"), 100);
    expect(silentMs(first, node, 100)).toBe(0);
    const second = look(first, renewed("2020-01-01T00:00:00.000000Z"), 400);
    expect(silentMs(second, node, 400)).toBe(300);
    // Whichever way the agent's clock was set.
    const third = look(second, renewed("2019-01-01T00:00:00.000000Z"), 500);
    expect(silentMs(third, node, 600)).toBe(100);
  });

  test("a Lease that goes away is no renewal; a Node that is there is a sign of life", () => {
    const first = look(new Map(), snapshotOf({ leases: [aLease("node-1", "2020-01-01T00:00:00.000000Z")] }), 0);
    expect(silentMs(look(first, snapshotOf({}), 300), node, 300)).toBe(300);
    expect(silentMs(look(first, snapshotOf({ nodes: ["node-1"] }), 300), node, 300)).toBe(0);
  });

  test("a renewal that only a look past the cache shows counts", () => {
    const first = look(new Map(), snapshotOf({ leases: [aLease("node-1", "2020-01-01T00:00:00.000000Z")] }), 0);
    const lease = aLease("node-1", "2020-01-01T00:00:10.000000Z");
    expect(silentMs(sightAgain(first, node, { lease, exists: false }, 300), node, 300)).toBe(0);
    expect(silentMs(sightAgain(first, node, { lease: undefined, exists: false }, 300), node, 300)).toBe(300);
  });

  test("a short grace period does not shorten what an agent's Lease lasts", () => {
    expect([silenceNeededMs(1000), silenceNeededMs(60_000)]).toEqual([40_000, 60_000]);
  });

  test("of a node never looked at nothing is said", () => {
    expect(silentMs(new Map(), node, 9e9)).toBe(0);
  });
});

// --- internal ---

function candidates(...attributes: readonly AllocationAttribute[]): readonly Candidate[] {
  return findCandidates(snapshotOf({ blocks: [blockOf("10.0.0.0/30", attributes)], nodes }), [], 0);
}

function use(ip: string): AddressUse {
  return { ip: parseIp(ip), kind: "interface", interface: "eth0", namespace: "/run/netns/x" };
}

const podStates = fc.constantFrom("unknown", "gone", "same", "other", "no address", "finished", "elsewhere");
type PodState = typeof podStates extends fc.Arbitrary<infer T> ? T : never;
const maybe = fc.constantFrom(true, false, undefined);

const answer = fc.option(fc.subarray(["10.0.0.0", "10.0.0.1", "10.0.0.2"]), { nil: undefined });
const answers = fc.record({ "node-1": answer, "node-2": answer });

const worlds = fc.record({
  cached: fc.record({
    nodes: fc.subarray([...nodes]),
    pods: fc.subarray([aPod("a", { ips: ["10.0.0.0"] }), aPod("b", { node: "node-2", ips: ["10.0.0.1"] })]),
  }),
  pods: fc.record({ a: podStates, b: podStates }),
  exists: fc.record({ "node-1": maybe, "node-2": maybe }),
  silence: fc.record({
    "node-1": fc.constantFrom(0, graceMs - 1, graceMs),
    "node-2": fc.constantFrom(0, graceMs - 1, graceMs),
  }),
  answers,
  elsewhere: answers,
});
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

function evidenceOf({ pods, exists, silence, answers, elsewhere }: Omit<World, "cached">): Evidence {
  const known = <T>(values: Readonly<Record<string, T | undefined>>) =>
    Object.entries(values).flatMap(([node, value]) => (value === undefined ? [] : [[nodeName(node), value] as const]));
  const usesOf = (said: World["answers"]) => new Map(known<string[]>(said).map(([node, ips]) => [node, ips.map(use)]));
  return {
    pods: new Map(
      Object.entries(pods).flatMap(([name, state]) =>
        state === "unknown" ? [] : [[podName(name), podIn(name, state)] as const],
      ),
    ),
    nodeExists: new Map(known<boolean>(exists)),
    silentMs: new Map(known<number>(silence)),
    uses: usesOf(answers),
    elsewhere: usesOf(elsewhere),
  };
}

function podIn(name: string, state: PodState): Pod | undefined {
  const ips = name === "a" ? ["10.0.0.0", "10.0.0.2"] : ["10.0.0.1"];
  switch (state) {
    case "same":
      return aPod(name, { node: name === "a" ? "node-1" : "node-2", ips });
    case "other":
      return aPod(name, { ips: ["10.0.0.3"] });
    case "no address":
      return aPod(name, { node: name === "a" ? "node-1" : "node-2" });
    case "finished":
      return aPod(name, { ips, finished: true });
    case "elsewhere":
      return aPod(name, { node: "node-3" });
    default:
      return undefined;
  }
}
