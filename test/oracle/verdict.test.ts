import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodePlan, PolicyPlan, RulePlan, SetPlan } from "../../src/felix/calc/plan.ts";
import { ConnectionJudge } from "../../src/felix/calc/verdict/connection-judge.ts";
import { crossingsOf } from "./crossings.ts";
import { calculate } from "./planners.ts";
import { type Cluster, cluster } from "./random-cluster.ts";
import { hostInterfaces } from "./random-hosts.ts";
import { connectionsOf } from "./random-packets.ts";
import { nodes } from "./random-pods.ts";
import { judge, type Passage } from "./stages.ts";

/** The same each time, so that a fault that is seen stays seen. */
const clusters = fc.sample(cluster, { numRuns: 300, seed: 7 });

test("what a connection's workloads forbid is what the specification says", { timeout: 120_000 }, () => {
  const tally = { allowed: 0, denied: 0 };
  for (const one of clusters) {
    for (const { expected, actual, passage } of trialsOf(one)) {
      expect(actual, JSON.stringify(passage.packet)).toBe(expected);
      tally[expected]++;
    }
  }
  process.stdout.write(`connections judged: ${tally.allowed} allowed, ${tally.denied} denied\n`);
  expect(tally.allowed).toBeGreaterThan(5_000);
  expect(tally.denied).toBeGreaterThan(5_000);
});

const faults: Readonly<Record<string, (plan: NodePlan) => NodePlan>> = {
  "networks of sets": withSets((set) =>
    set.kind === "ports" ? set : { ...set, members: new Set([...set.members].filter((one) => !one.includes("/"))) },
  ),
  "ports of sets": withSets((set) => (set.kind === "ports" ? { ...set, members: new Set<never>() } : set)),
  "staged policies": withPolicies((policy) => ({ ...policy, staged: false })),
  Pass: withRules((rule) => (rule.action === "pass" ? { ...rule, action: "allow" } : rule)),
  "ICMP types": withRules(({ icmp: _, ...rule }) => rule),
  "negated ICMP types": withRules(({ notIcmp: _, ...rule }) => rule),
  "negated protocols": withRules(({ notProtocol: _, ...rule }) => rule),
  "negated networks": withRules((rule) => ({ ...rule, source: { ...rule.source, notNets: [] } })),
  "negated sets": withRules((rule) => ({ ...rule, source: { ...rule.source, notSets: [] } })),
  "negated ports": withRules(({ destination: { notPorts: _, ...destination }, ...rule }) => ({ ...rule, destination })),
  "the end of tiers": (plan) => ({
    ...plan,
    endpoints: new Map(
      [...plan.endpoints].map(([name, endpoint]) => {
        const tiers = endpoint.ingress.tiers.map((tier) => ({ ...tier, endAction: "pass" as const }));
        return [name, { ...endpoint, ingress: { ...endpoint.ingress, tiers } }];
      }),
    ),
  }),
  "closed endpoints": (plan) => ({
    ...plan,
    endpoints: new Map(
      [...plan.endpoints].map(([name, endpoint]) => {
        const open = { tiers: [], profile: "allow" } as const;
        return [
          name,
          endpoint.state === "open" ? endpoint : { ...endpoint, state: "open", ingress: open, egress: open },
        ];
      }),
    ),
  }),
};

test.for(Object.keys(faults))("forgetting is seen: %s", { timeout: 60_000 }, (name) => {
  const spoil = faults[name];
  const disagree = clusters.some((one) =>
    [...trialsOf(one, spoil)].some(({ expected, actual }) => expected !== actual),
  );
  expect(disagree).toBe(true);
});

// --- internal ---

interface Trial {
  readonly passage: Passage;
  readonly expected: "allowed" | "denied";
  readonly actual: "allowed" | "denied";
}

/** Every packet that policy of a workload decides on, as the first of a connection. */
function* trialsOf(one: Cluster, spoil = (plan: NodePlan) => plan): Generator<Trial> {
  const judges = new Map(
    nodes.map((node) => {
      const own = new Set((hostInterfaces.get(node) ?? []).flatMap(({ addresses }) => addresses));
      return [node, new ConnectionJudge(spoil(calculate(one, node)), (ip) => own.has(ip))];
    }),
  );
  for (const connection of connectionsOf(one, 200)) {
    for (const { passage, forbidden, source } of crossingsOf(one, connection)) {
      const judgeHere = judges.get(passage.node);
      if (forbidden !== undefined || source !== undefined || judgeHere === undefined) continue;
      const { allowed, steps } = judge({ ...passage, state: "NEW" });
      const { packet, path } = passage;
      const isNeighbourMessage = path === "to the host" && packet.protocol === 58 && (packet.icmp?.type ?? 0) >= 130;
      // What policy of workloads does not decide: another stage has, or nothing can allow it.
      if (isNeighbourMessage || isTunnel(packet) || (!allowed && !isOfWorkload(steps.at(-1)?.stage ?? ""))) continue;
      const { from, to, protocol, sourcePort, port, icmp } = packet;
      const forbiddenBy = judgeHere.forbiddenBy({
        ...{ source: from.ip, destination: to.ip, protocol },
        ...(sourcePort !== undefined && { sourcePort }),
        ...(port !== undefined && { destinationPort: port }),
        ...(icmp !== undefined && { icmp }),
      });
      const actual = forbiddenBy === undefined ? "allowed" : "denied";
      yield { passage, expected: allowed ? "allowed" : "denied", actual };
    }
  }
}

function isTunnel({ protocol, port }: Passage["packet"]): boolean {
  return protocol === 4 || (protocol === 17 && port === 4789);
}

/** Such as `ns-1/pod-3 egress`. */
function isOfWorkload(stage: string): boolean {
  return /^\S+\/\S+ (in|e)gress$/.test(stage);
}

function withSets(change: (set: SetPlan) => SetPlan) {
  return (plan: NodePlan): NodePlan => ({
    ...plan,
    sets: new Map([...plan.sets].map(([id, set]) => [id, change(set)])),
  });
}

function withPolicies(change: (policy: PolicyPlan) => PolicyPlan) {
  return (plan: NodePlan): NodePlan => ({
    ...plan,
    policies: new Map([...plan.policies].map(([id, policy]) => [id, change(policy)])),
  });
}

function withRules(change: (rule: RulePlan) => RulePlan) {
  return withPolicies((policy) => ({
    ...policy,
    ingress: policy.ingress.map(change),
    egress: policy.egress.map(change),
  }));
}
