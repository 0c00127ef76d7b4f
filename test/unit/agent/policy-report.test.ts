import { pino } from "pino";
import { expect, test } from "vitest";
import { PolicyReport } from "../../../src/agent/policy-report.ts";
import type { NodePlan, PolicyId, PolicyPlan } from "../../../src/felix/calc/plan.ts";
import { withinBudget } from "../../../src/felix/calc/plan-budget.ts";
import { policyOf, ruleOf, smallPlan } from "../felix/small-plan.ts";

test("a closed policy is an error, told once for each version; what else is not enforced is a warning", () => {
  const { report, told } = reporting();
  const rules = Array.from({ length: 9 }, () => ruleOf("allow"));
  const large = (generation: number) =>
    policyOf(id("np/a/large"), { ingress: rules, revision: { uid: "u", generation } });
  const http = policyOf(id("gnp/http"), { problems: ["one"] });
  const look = (...policies: readonly PolicyPlan[]) =>
    report.look(withinBudget(planOf(policies), { lines: 9, sets: 9 }).policies);
  look(large(1), http);
  look(large(1), http, policyOf(id("np/a/other")));
  look(large(2), http);
  expect(told).toEqual(["error np/a/large 1", "warn gnp/http 1", "error np/a/large 2"]);
  expect(report.count).toBe(2);
});

test("problems are told again when they are others or come back, and counted while they are there", () => {
  const { report, told } = reporting();
  const look = (...problems: readonly string[]) => report.look(planOf([policyOf(id("gnp/a"), { problems })]).policies);
  const counts = [["one"], ["one"], ["two"], [], ["two"]].map((problems) => {
    look(...problems);
    return report.count;
  });
  report.look(new Map());
  expect(told).toHaveLength(3);
  expect([...counts, report.count]).toEqual([1, 1, 1, 0, 1, 0]);
});

// --- internal ---

const id = (text: string) => text as PolicyId;

function reporting(): { readonly report: PolicyReport; readonly told: readonly string[] } {
  const told: string[] = [];
  const write = (line: string) => {
    const { level, policy, generation } = JSON.parse(line);
    told.push(`${level === 50 ? "error" : "warn"} ${policy} ${generation}`);
  };
  return { report: new PolicyReport(pino({}, { write })), told };
}

function planOf(policies: readonly PolicyPlan[]): NodePlan {
  return { ...smallPlan, policies: new Map(policies.map((one) => [one.id, one])) };
}
