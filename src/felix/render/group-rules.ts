import type { Rule } from "./desired-state.ts";
import type { Step } from "./layouts.ts";
import { anyMarkSet, markClear } from "./marks.ts";
import { type Direction, policyChain } from "./names.ts";
import type { Family } from "./options.ts";
import { rememberPair } from "./remember.ts";

/** A group's chain: it returns as soon as a policy has decided; whether one has is looked at once for several. */
export const groupRules = { ingress: rememberPair(rulesIn("ingress")), egress: rememberPair(rulesIn("egress")) };

// --- internal ---

type Group = Extract<Step, { kind: "group" }>;

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
