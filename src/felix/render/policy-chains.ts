import type { PolicyPlan, RulePlan } from "../calc/plan.ts";
import type { Rule } from "./desired-state.ts";
import { logPrefixOf } from "./log-prefix.ts";
import { markSet } from "./marks.ts";
import { type Direction, policyChain } from "./names.ts";
import type { Family, RenderOptions } from "./options.ts";
import { rememberPair } from "./remember.ts";
import { expandRule } from "./rule-matches.ts";

/**
 * One policy's chain of a direction, by its name. It returns with the accept bit when a rule allows, with the pass bit when one passes,
 * denies when one does, and returns with neither when none matches. A staged one returns with neither whatever matches: its
 * rules are there to be counted.
 */
export function policyChainOf(policy: PolicyPlan, direction: Direction, family: Family): NamedChain {
  return chainOf[direction](policy, family);
}

// --- internal ---

type NamedChain = readonly [string, readonly Rule[]];

const chainOf = { ingress: rememberPair(chainIn("ingress")), egress: rememberPair(chainIn("egress")) };

function chainIn(direction: Direction): (policy: PolicyPlan, family: Family) => NamedChain {
  return (policy, family) => [policyChain(direction, policy.id), linesOf(policy, direction, family)];
}

function linesOf(policy: PolicyPlan, direction: Direction, family: Family): readonly Rule[] {
  return policy[direction].flatMap((rule) => {
    const verdict = policy.staged ? stagedVerdict(rule) : verdictOf(rule, policy, family.options);
    return verdict === undefined ? [] : ruleLines(rule, verdict, commentOf(policy, direction, rule), family);
  });
}

function commentOf({ id }: PolicyPlan, direction: Direction, { origin, name }: RulePlan): string {
  return `${id} ${direction} rule ${origin}${name === undefined ? "" : ` (${name})`}`;
}

function ruleLines(rule: RulePlan, verdict: Verdict, comment: string, family: Family): readonly Rule[] {
  const expanded = expandRule(rule, family);
  if (expanded === undefined) return [];
  const { logLimit } = family.options;
  const isLimited = verdict.action.kind === "log" && logLimit !== undefined;
  const matches = isLimited ? [...expanded.matches, { kind: "limit", ...logLimit } as const] : expanded.matches;
  const lines: Rule[] = [...expanded.preparation, { matches, action: verdict.action, comment }];
  if (verdict.bit !== undefined) lines.push({ matches: [markSet(verdict.bit)], action: { kind: "return" } });
  return lines;
}

/** What to do when the rule matches; `bit` is what the chain then returns with. */
interface Verdict {
  readonly action: Rule["action"];
  readonly bit?: number;
}

/** Undefined: the rule does nothing. */
function verdictOf(rule: RulePlan, policy: PolicyPlan, options: RenderOptions): Verdict | undefined {
  const { marks, denyAction } = options;
  switch (rule.action) {
    case "deny":
      return { action: { kind: denyAction } };
    case "allow":
      return isUnseen(rule) ? undefined : marking(marks.accept);
    case "pass":
      return isUnseen(rule) ? undefined : marking(marks.pass);
    case "log":
      return { action: { kind: "log", prefix: logPrefixOf(policy, options) } };
  }
}

/** A log rule decides nothing, so there is nothing to count, and what is staged writes nothing either. */
function stagedVerdict(rule: RulePlan): Verdict | undefined {
  return rule.action === "log" || isUnseen(rule) ? undefined : { action: { kind: "return" } };
}

/** Nothing here can look into requests, so it lets none through. */
function isUnseen({ http }: RulePlan): boolean {
  return http !== undefined;
}

function marking(bit: number): Verdict {
  return { action: { kind: "set-mark", value: bit, mask: bit }, bit };
}
