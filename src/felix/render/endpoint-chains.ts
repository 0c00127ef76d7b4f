import type { EndpointPlan } from "../calc/plan.ts";
import type { Rule } from "./desired-state.ts";
import { layoutsOf, type Policies } from "./layouts.ts";
import { endpointChain } from "./names.ts";
import type { Family } from "./options.ts";
import { rememberPair } from "./remember.ts";
import { type Stage, stageRules } from "./stage-rules.ts";
import { stagesOf } from "./stages.ts";
import type { JudgingChain } from "./table-chains.ts";

/**
 * One endpoint's two chains. A packet of a known connection is accepted on its way in and returns on its way out, for it may
 * be bound for another endpoint here; one that policy allows returns with the accept bit, every other is denied. A closed
 * endpoint denies known connections too, both ways.
 */
export function endpointChains(endpoint: EndpointPlan, policies: Policies, family: Family): readonly JudgingChain[] {
  const { ingress, egress, hostInterface, state } = endpoint;
  const layouts = layoutsOf(endpoint, [ingress, egress], policies);
  return directions.flatMap((direction, index): readonly JudgingChain[] => {
    const layout = layouts[index];
    if (layout === undefined) return [];
    const stage = stagesOf(family).workload[direction];
    const name = endpointChain(direction, hostInterface);
    if (state === "closed") return [{ name, rules: closedRules(endpoint, stage) }];
    return [{ name, rules: stageRules(layout, stage), asks: { layout, direction } }];
  });
}

// --- internal ---

const directions = ["ingress", "egress"] as const;

/** An array for each chain: what is printed of it is known by it. */
const closedRules = rememberPair((_endpoint: EndpointPlan, { deny }: Stage): readonly Rule[] => [
  { matches: [], action: { kind: deny }, comment: "Endpoint has no pod" },
]);
