import type { EndpointPlan } from "../calc/plan.ts";
import type { Rule } from "./desired-state.ts";
import { type Layout, layoutsOf, type Policies } from "./layouts.ts";
import { endpointChain } from "./names.ts";
import type { RenderOptions } from "./options.ts";
import { remember, rememberPair } from "./remember.ts";
import { type Stage, stageRules } from "./stage-rules.ts";
import { stagesOf } from "./stages.ts";
import type { JudgingChain } from "./table-chains.ts";

/**
 * One endpoint's two chains. A packet of a known connection is accepted on its way in and returns on its way out, for it may
 * be bound for another endpoint here; one that policy allows returns with the accept bit, every other is denied. A closed
 * endpoint denies known connections too, both ways. Both families have the same; the same array while it says the same.
 */
export function endpointChains(
  endpoint: EndpointPlan,
  policies: Policies,
  options: RenderOptions,
): readonly JudgingChain[] {
  const layouts = layoutsOf(endpoint, [endpoint.ingress, endpoint.egress], policies);
  const known = knownChains(options);
  const before = known.get(endpoint);
  // Layouts are their endpoint's own, and another array when they say something else.
  if (before?.layouts === layouts) return before.chains;
  const chains = chainsOf(endpoint, layouts, options);
  known.set(endpoint, { layouts, chains });
  return chains;
}

// --- internal ---

interface KnownChains {
  readonly layouts: readonly Layout[];
  readonly chains: readonly JudgingChain[];
}

const knownChains = remember((_options: RenderOptions) => new WeakMap<EndpointPlan, KnownChains>());

function chainsOf(endpoint: EndpointPlan, layouts: readonly Layout[], options: RenderOptions): readonly JudgingChain[] {
  const { hostInterface, state } = endpoint;
  return directions.flatMap((direction, index): readonly JudgingChain[] => {
    const layout = layouts[index];
    if (layout === undefined) return [];
    const stage = stagesOf({ options }).workload[direction];
    const name = endpointChain(direction, hostInterface);
    if (state === "closed") return [{ name, rules: closedRules(endpoint, stage) }];
    return [{ name, rules: stageRules(layout, stage), asks: { layout, direction } }];
  });
}

const directions = ["ingress", "egress"] as const;

/** An array for each chain: what is printed of it is known by it. */
const closedRules = rememberPair((_endpoint: EndpointPlan, { deny }: Stage): readonly Rule[] => [
  { matches: [], action: { kind: deny }, comment: "Endpoint has no pod" },
]);
