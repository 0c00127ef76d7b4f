/** The chains of one table that judge packets, and those that they jump to. */
import type { PolicyId } from "../calc/plan.ts";
import type { Rule } from "./desired-state.ts";
import type { Layout, Policies, Step } from "./layouts.ts";
import { anyMarkSet, markClear } from "./marks.ts";
import { type Direction, policyChain } from "./names.ts";
import type { Family } from "./options.ts";
import { policyChainOf } from "./policy-chains.ts";
import { rememberPair } from "./remember.ts";
import { stepChain } from "./stage-rules.ts";

/** An endpoint's chain; `asks` is which policies it jumps to. */
export interface JudgingChain {
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly asks?: { readonly layout: Layout; readonly direction: Direction };
}

/** The chains, and of groups and policies those that they use, directly or not, and no other. */
export function withPolicies(
  judging: readonly JudgingChain[],
  policies: Policies,
  family: Family,
): ReadonlyMap<string, readonly Rule[]> {
  const chains = new Map<string, readonly Rule[]>(judging.map(({ name, rules }) => [name, rules]));
  const used: Readonly<Record<Direction, Set<PolicyId>>> = { ingress: new Set(), egress: new Set() };
  for (const { asks } of judging) {
    if (asks === undefined) continue;
    for (const { steps } of asks.layout.tiers) {
      for (const step of steps) {
        if (step.kind === "group") addGroup(step, asks.direction, { chains, family });
        for (const id of idsOf(step)) used[asks.direction].add(id);
      }
    }
  }
  for (const direction of ["ingress", "egress"] as const) {
    for (const id of used[direction]) {
      const policy = policies.get(id);
      if (policy !== undefined) chains.set(...policyChainOf(policy, direction, family));
    }
  }
  return chains;
}

// --- internal ---

type Group = Extract<Step, { kind: "group" }>;

function idsOf(step: Step): readonly PolicyId[] {
  return step.kind === "group" ? step.policies : [step.policy];
}

/** Endpoints share it: the first one's stays while others come. */
function addGroup(
  group: Group,
  direction: Direction,
  { chains, family }: { readonly chains: Map<string, readonly Rule[]>; readonly family: Family },
): void {
  const name = stepChain(group, direction);
  if (!chains.has(name)) chains.set(name, groupRules[direction](group, family));
}

const groupRules = { ingress: rememberPair(rulesIn("ingress")), egress: rememberPair(rulesIn("egress")) };

/** It returns as soon as a policy has decided; whether one has is looked at once for several. */
function rulesIn(direction: Direction): (group: Group, family: Family) => readonly Rule[] {
  return (group, { options: { marks } }) => {
    const verdict = marks.accept | marks.pass;
    return group.policies.flatMap((id, index): readonly Rule[] => {
      const isFirst = index % groupStride === 0;
      const action: Rule["action"] = { kind: "jump", chain: policyChain(direction, id) };
      if (!isFirst) return [{ matches: [markClear(verdict)], action }];
      return index === 0 ? [{ matches: [], action }] : [returnOn(verdict), { matches: [], action }];
    });
  };
}

/** Upstream's. */
const groupStride = 5;

function returnOn(verdict: number): Rule {
  return { matches: [anyMarkSet(verdict)], action: { kind: "return" }, comment: "Return on verdict" };
}
