import { z } from "zod";
import { type CustomKind, withRules } from "./custom-kind.ts";
import { parseObject } from "./parse-object.ts";
import { namespacedPolicyName } from "./policy-names.ts";
import type { PolicySpec } from "./policy-rule.ts";
import { policyColumns, policyFields, policyRules, policySpecOf } from "./policy-spec.ts";
import type { Resource } from "./resource.ts";

// Policies are strict from the spec down: a restriction that is not understood must not be left out.
const spec = withRules(z.strictObject(policyFields(false)), policyRules).transform(
  (fields): PolicySpec => policySpecOf(fields),
);

/** A checked NetworkPolicy of `projectcalico.org/v3`. */
export type CalicoNetworkPolicy = Resource<PolicySpec>;

/** What the NetworkPolicy kind of `projectcalico.org/v3` is: its schema, names and rules. */
export const calicoNetworkPolicy: CustomKind<typeof spec> = {
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  singular: "networkpolicy",
  shortNames: ["cnp", "caliconetworkpolicy"],
  aliases: ["np", "nps", "policy", "policies", "pol", "pols"],
  namespaced: true,
  selectableFields: [".spec.tier"],
  objectRules: [namespacedPolicyName],
  description: "In order, what pods of its namespace may receive and send, in one tier.",
  spec,
  columns: policyColumns,
  example: {
    tier: "default",
    order: 100,
    selector: "app == 'web'",
    types: ["Ingress", "Egress"],
    ingress: [
      {
        action: "Allow",
        protocol: "TCP",
        source: { selector: "app == 'shop'", namespaceSelector: "team == 'sales'" },
        destination: { ports: [80, "8000:8099", "metrics"] },
      },
    ],
    egress: [{ action: "Allow", destination: { services: { name: "db" } } }],
  },
};

/** Throws InvalidObjectError. */
export function parseCalicoNetworkPolicy(json: unknown): CalicoNetworkPolicy {
  return parseObject(calicoNetworkPolicy, json);
}
