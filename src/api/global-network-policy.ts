import { z } from "zod";
import { type CustomKind, withRules } from "./custom-kind.ts";
import { parseObject } from "./parse-object.ts";
import { globalPolicyName } from "./policy-names.ts";
import type { GlobalPolicySpec } from "./policy-rule.ts";
import { globalPolicyFields, globalPolicyRules, policyColumns, policySpecOf } from "./policy-spec.ts";
import type { Resource } from "./resource.ts";

const spec = withRules(z.strictObject(globalPolicyFields()), globalPolicyRules).transform(
  (fields): GlobalPolicySpec => policySpecOf(fields),
);

/** A checked GlobalNetworkPolicy. */
export type GlobalNetworkPolicy = Resource<GlobalPolicySpec>;

/** What the GlobalNetworkPolicy kind is: its schema, names and rules. */
export const globalNetworkPolicy: CustomKind<typeof spec> = {
  kind: "GlobalNetworkPolicy",
  plural: "globalnetworkpolicies",
  singular: "globalnetworkpolicy",
  shortNames: ["gnp", "cgnp"],
  aliases: ["gnps"],
  selectableFields: [".spec.tier"],
  objectRules: [globalPolicyName],
  description: "In order, what pods of all namespaces and host endpoints may receive and send, in one tier.",
  spec,
  columns: policyColumns,
  example: {
    tier: "default",
    order: 10,
    namespaceSelector: "projectcalico.org/name != 'kube-system'",
    types: ["Egress"],
    egress: [
      { action: "Deny", destination: { nets: ["169.254.169.254/32"] }, metadata: { annotations: { why: "metadata" } } },
      { action: "Pass" },
    ],
  },
};

/** Throws InvalidObjectError. */
export function parseGlobalNetworkPolicy(json: unknown): GlobalNetworkPolicy {
  return parseObject(globalNetworkPolicy, json);
}
