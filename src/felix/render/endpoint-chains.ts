import type { DirectionPlan, EndpointPlan, TierPlan } from "../calc/plan.ts";
import type { Action, Rule } from "./desired-state.ts";
import { type Direction, endpointChain, policyChain } from "./names.ts";
import type { Family, Marks } from "./options.ts";
import { rememberPair } from "./remember.ts";
import { markClear, markSet } from "./rule-matches.ts";

/**
 * One endpoint's two chains. A packet of a known connection is accepted on its way in and returns on its way out, for it may
 * be bound for another endpoint here; one that policy allows returns with the accept bit, every other is dropped. A closed
 * endpoint drops known connections too, both ways.
 */
export const endpointChains = rememberPair(
  (endpoint: EndpointPlan, family: Family): readonly [string, readonly Rule[]][] =>
    (["ingress", "egress"] as const).map((direction) => [
      endpointChain(direction, endpoint.hostInterface),
      endpoint.state === "closed"
        ? [{ matches: [], action: { kind: "drop" }, comment: "Endpoint has no pod" }]
        : openChain(endpoint[direction], direction, family.options.marks),
    ]),
);

// --- internal ---

function openChain(plan: DirectionPlan, direction: Direction, marks: Marks): readonly Rule[] {
  const known: Action = { kind: direction === "ingress" ? "accept" : "return" };
  return [
    { matches: [{ kind: "connection", states: ["RELATED", "ESTABLISHED"] }], action: known },
    { matches: [{ kind: "connection", states: ["INVALID"] }], action: { kind: "drop" } },
    // On its way to a second local endpoint a packet bears the first one's verdict.
    { matches: [], action: { kind: "set-mark", value: 0, mask: marks.accept } },
    ...plan.tiers.flatMap((tier) => tierRules(tier, direction, marks)),
    ...profileRules(plan.profile, marks),
  ];
}

function tierRules(tier: TierPlan, direction: Direction, marks: Marks): readonly Rule[] {
  const undecided = markClear(marks.pass);
  const rules: Rule[] = [
    { matches: [], action: { kind: "set-mark", value: 0, mask: marks.pass }, comment: `Start of tier ${tier.name}` },
  ];
  for (const policy of tier.policies) {
    rules.push({ matches: [undecided], action: { kind: "jump", chain: policyChain(direction, policy) } });
    rules.push({ matches: [markSet(marks.accept)], action: { kind: "return" }, comment: "Return if policy accepted" });
  }
  if (tier.endAction === "deny") {
    rules.push({
      matches: [undecided],
      action: { kind: "drop" },
      comment: `End of tier ${tier.name}. Drop if no policies passed packet`,
    });
  }
  return rules;
}

function profileRules(profile: DirectionPlan["profile"], { accept }: Marks): readonly Rule[] {
  if (profile === "deny") {
    return [{ matches: [], action: { kind: "drop" }, comment: "Drop if no profiles matched" }];
  }
  return [
    { matches: [], action: { kind: "set-mark", value: accept, mask: accept }, comment: "Profile allows" },
    { matches: [], action: { kind: "return" } },
  ];
}
