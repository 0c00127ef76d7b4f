import { z } from "zod";
import { type CustomKind, withRules } from "./custom-kind.ts";
import { parseObject } from "./parse-object.ts";
import { globalPolicyName, namespacedPolicyName } from "./policy-names.ts";
import type { GlobalPolicySpec, PolicySpec, StagedAction } from "./policy-rule.ts";
import {
  globalPolicyFields,
  globalPolicyRules,
  policyColumns,
  policyFields,
  policyRules,
  policySpecOf,
} from "./policy-spec.ts";
import type { Resource } from "./resource.ts";
import { deleteStandsAlone, stagedActionField } from "./staged-action.ts";

type Staged<Spec> = Spec & { readonly stagedAction: StagedAction };

const lists = ["selector", "serviceAccountSelector", "types", "ingress", "egress", "performanceHints"] as const;
const order = ["order"] as const;
const globalLists = [...lists, "namespaceSelector"] as const;
const flags = ["doNotTrack", "preDNAT", "applyOnForward"] as const;

const spec = withRules(z.strictObject({ stagedAction: stagedActionField(), ...policyFields(false) }), [
  ...policyRules,
  deleteStandsAlone({ lists, flags: [], others: order }),
]).transform((fields): Staged<PolicySpec> => policySpecOf(fields));

const globalSpec = withRules(z.strictObject({ stagedAction: stagedActionField(), ...globalPolicyFields() }), [
  ...globalPolicyRules,
  deleteStandsAlone({ lists: globalLists, flags, others: order }),
]).transform((fields): Staged<GlobalPolicySpec> => policySpecOf(fields));

/** A checked StagedNetworkPolicy. */
export type StagedNetworkPolicy = Resource<Staged<PolicySpec>>;
/** A checked StagedGlobalNetworkPolicy. */
export type StagedGlobalNetworkPolicy = Resource<Staged<GlobalPolicySpec>>;

/** What the StagedNetworkPolicy kind is: its schema, names and rules. */
export const stagedNetworkPolicy: CustomKind<typeof spec> = {
  kind: "StagedNetworkPolicy",
  plural: "stagednetworkpolicies",
  singular: "stagednetworkpolicy",
  shortNames: ["snp"],
  aliases: ["snps", "spol", "spols", "stagedpolicy", "stagedpolicies"],
  namespaced: true,
  selectableFields: [".spec.tier"],
  objectRules: [namespacedPolicyName],
  description: "A NetworkPolicy that is tried out: what its rules match is counted, and it decides nothing.",
  spec,
  columns: policyColumns,
  example: { selector: "app == 'web'", ingress: [{ action: "Allow", source: { selector: "app == 'shop'" } }] },
};

/** What the StagedGlobalNetworkPolicy kind is: its schema, names and rules. */
export const stagedGlobalNetworkPolicy: CustomKind<typeof globalSpec> = {
  kind: "StagedGlobalNetworkPolicy",
  plural: "stagedglobalnetworkpolicies",
  singular: "stagedglobalnetworkpolicy",
  shortNames: ["sgnp"],
  aliases: ["sgnps"],
  selectableFields: [".spec.tier"],
  objectRules: [globalPolicyName],
  description: "A GlobalNetworkPolicy that is tried out: what its rules match is counted, and it decides nothing.",
  spec: globalSpec,
  columns: policyColumns,
  example: {
    selector: "app == 'web'",
    types: ["Egress"],
    egress: [{ action: "Deny", destination: { nets: ["10.0.0.0/8"] } }],
  },
};

/** Throws InvalidObjectError. */
export function parseStagedNetworkPolicy(json: unknown): StagedNetworkPolicy {
  return parseObject(stagedNetworkPolicy, json);
}

/** Throws InvalidObjectError. */
export function parseStagedGlobalNetworkPolicy(json: unknown): StagedGlobalNetworkPolicy {
  return parseObject(stagedGlobalNetworkPolicy, json);
}
