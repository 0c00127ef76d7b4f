import type { PoliciesAnswer } from "../../api/node-query.ts";
import type { QueryResource } from "./query-resource.ts";

/** NodePolicies: which policies a node's kernel has acknowledged, each with the generation of the object that it holds. */
export const nodePolicies: QueryResource<PoliciesAnswer> = {
  name: "nodepolicies",
  kind: "NodePolicies",
  columns: ["Policy", "Tier", "Generation", "Endpoints", "State", "Problems"],
  ask: (agents, node, { signal }) => agents.policiesInForce(node, signal),
  fieldsOf: ({ pending, policies }) => ({ pending, policies }),
  rowsOf: ({ policies }) =>
    policies.map(({ id, tier, generation, endpoints, staged, problems }) => [
      ...[id, tier, generation, endpoints, staged ? "staged" : "enforced"],
      problems.join("; "),
    ]),
};
