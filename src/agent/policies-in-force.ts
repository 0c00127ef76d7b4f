import type { PolicyInForce } from "../api/node-query.ts";
import type { BothDirections, DirectionPlan, NodePlan, PolicyId } from "../felix/calc/plan.ts";

/** The policies of a plan, by id, each with how many of the node's endpoints have it. */
export function policiesInForce(plan: NodePlan): readonly PolicyInForce[] {
  const counts = new Map<PolicyId, number>();
  for (const directions of endpointsOf(plan)) {
    const ids = directions.flatMap(({ tiers }) => tiers).flatMap(({ policies }) => policies);
    for (const id of new Set(ids)) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return [...plan.policies.values()].map(({ id, tier, staged, revision: { uid, generation }, problems }) => ({
    ...{ id, tier, staged, uid, generation, problems },
    endpoints: counts.get(id) ?? 0,
  }));
}

// --- internal ---

/** Each endpoint's directions, at every stage. */
function endpointsOf({ endpoints, hostEndpoints }: NodePlan): readonly (readonly DirectionPlan[])[] {
  const both = ({ ingress, egress }: BothDirections) => [ingress, egress];
  return [
    ...[...endpoints.values()].map(both),
    ...[...hostEndpoints.values()].map(({ untracked, preDnat, forward, normal }) => [
      ...[untracked, forward, normal].flatMap(both),
      preDnat,
    ]),
  ];
}
