import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodePlan, PolicyPlan } from "../../../../src/felix/calc/plan.ts";
import { costOf } from "../../../../src/felix/calc/policy-cost.ts";
import { policyChain } from "../../../../src/felix/render/names.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { calculate } from "../../../oracle/planners.ts";
import { cluster } from "../../../oracle/random-cluster.ts";
import { planOf, plans, portSet, set } from "../render/random-rules.ts";
import { policyOf, ruleOf } from "../small-plan.ts";

test("no policy has more rules than its cost says, nor many fewer", { timeout: 60_000 }, () => {
  const all = [...fc.sample(plans, { numRuns: 1000, seed: 1 }).map((one) => planOf(one)), ...clusterPlans()];
  const compared = all.flatMap((plan) => {
    const lines = linesByChain(plan);
    return [...plan.policies.values()].map((policy) => ({ cost: costOf(policy).lines, real: linesOf(policy, lines) }));
  });
  expect(compared.filter(({ cost, real }) => real > cost)).toEqual([]);
  const total = (which: "cost" | "real") => compared.reduce((sum, one) => sum + one[which], 0);
  process.stdout.write(`${compared.length} policies: ${total("real")} rules, taken for ${total("cost")}\n`);
  expect(total("real")).toBeGreaterThan(10_000);
  expect(total("cost")).toBeLessThan(2 * total("real"));
});

test("sets are counted wherever a rule names them, and each once", () => {
  const ports = { ranges: [], sets: [portSet] };
  for (const match of [{ sets: [set] }, { notSets: [set] }]) {
    expect([...costOf(policyOf("np/a/b" as never, { ingress: [ruleOf("deny", { source: match })] })).sets]).toEqual([
      set,
    ]);
  }
  for (const match of [{ portSets: [portSet] }, { ports }, { notPorts: ports }, { ports, notPorts: ports }]) {
    const rule = ruleOf("deny", { destination: match });
    expect([...costOf(policyOf("np/a/b" as never, { egress: [rule, rule] })).sets]).toEqual([portSet]);
  }
});

test("the same policy is looked at once", () => {
  const policy = policyOf("np/a/b" as never, { ingress: [ruleOf("deny")] });
  expect(costOf(policy)).toBe(costOf(policy));
});

// --- internal ---

/** Of policies as users write them, on both nodes. */
function clusterPlans(): readonly NodePlan[] {
  const clusters = fc.sample(cluster, { numRuns: 100, seed: 1 });
  return clusters.flatMap((one) => [...one.snapshot.node.keys()].map((node) => calculate(one, node)));
}

/** How many rules each family's chain of a name has, in whichever table. */
function linesByChain(plan: NodePlan): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  for (const { version, chains } of render(plan, defaultRenderOptions).tables.values()) {
    for (const [chain, rules] of chains) lines.set(`${version} ${chain}`, rules.length);
  }
  return lines;
}

function linesOf({ id }: PolicyPlan, lines: ReadonlyMap<string, number>): number {
  const chains = (["ingress", "egress"] as const).map((direction) => policyChain(direction, id));
  return chains.reduce((sum, one) => sum + (lines.get(`4 ${one}`) ?? 0) + (lines.get(`6 ${one}`) ?? 0), 0);
}
