import type { PolicyPlan, RulePlan } from "../calc/plan.ts";
import type { Rule } from "./desired-state.ts";
import { type Direction, policyChain } from "./names.ts";
import type { Family, Marks } from "./options.ts";
import { rememberPair } from "./remember.ts";
import { expandRule, markSet } from "./rule-matches.ts";

/**
 * One policy's two chains. They return with the accept bit when a rule allows, with the pass bit when one passes,
 * drop when one denies, and return with neither when none matches.
 */
export const policyChains = rememberPair((policy: PolicyPlan, family: Family): readonly [string, readonly Rule[]][] =>
  (["ingress", "egress"] as const).map((direction) => [
    policyChain(direction, policy.id),
    policy[direction].flatMap((rule, index) => ruleLines(rule, commentOf(policy, direction, index), family)),
  ]),
);

// --- internal ---

function commentOf(policy: PolicyPlan, direction: Direction, index: number): string {
  return `${policy.id} ${direction} rule ${index}`;
}

function ruleLines(rule: RulePlan, comment: string, family: Family): readonly Rule[] {
  const expanded = expandRule(rule, family);
  const verdict = verdictOf(rule.action, family.options.marks);
  if (expanded === undefined || verdict === undefined) return [];
  const { preparation, matches } = expanded;
  const lines: Rule[] = [...preparation, { matches, action: verdict.action, comment }];
  if (verdict.bit !== undefined) lines.push({ matches: [markSet(verdict.bit)], action: { kind: "return" } });
  return lines;
}

/** What to do when the rule matches; `bit` is what the chain then returns with. Undefined: a log rule decides nothing. */
function verdictOf(
  action: RulePlan["action"],
  marks: Marks,
): { readonly action: Rule["action"]; readonly bit?: number } | undefined {
  switch (action) {
    case "deny":
      return { action: { kind: "drop" } };
    case "allow":
      return { action: { kind: "set-mark", value: marks.accept, mask: marks.accept }, bit: marks.accept };
    case "pass":
      return { action: { kind: "set-mark", value: marks.pass, mask: marks.pass }, bit: marks.pass };
    case "log":
      return undefined;
  }
}
