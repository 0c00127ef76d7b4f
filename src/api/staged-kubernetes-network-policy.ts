import { z } from "zod";
import { type CustomKind, type Rule, withRules } from "./custom-kind.ts";
import { networkPolicyFields, networkPolicySpecOf } from "./kubernetes/network-policy-spec.ts";
import type { KubeNetworkPolicy } from "./objects.ts";
import { parseObject } from "./parse-object.ts";
import type { StagedAction } from "./policy-rule.ts";
import { revisionOf } from "./resource.ts";
import { stagedActionField } from "./staged-action.ts";

const fields = z.strictObject({ stagedAction: stagedActionField(), ...networkPolicyFields });

const lists = ["policyTypes", "ingress", "egress"] as const;
const selectors = ["matchLabels", "matchExpressions"] as const;

const deleteStandsAlone: Rule<z.output<typeof fields>> = {
  cel:
    `self.stagedAction != 'Delete' || ${lists.map((field) => celEmpty(`self.${field}`)).join(" && ")} && ` +
    `(!has(self.podSelector) || ${selectors.map((field) => celEmpty(`self.podSelector.${field}`)).join(" && ")})`,
  message: "a policy staged for deletion has no other fields",
  field: "stagedAction",
  holds: ({ stagedAction, podSelector, ...spec }) =>
    stagedAction !== "Delete" ||
    (lists.every((field) => (spec[field] ?? []).length === 0) &&
      Object.keys(podSelector?.matchLabels ?? {}).length + (podSelector?.matchExpressions ?? []).length === 0),
};

const spec = withRules(fields, [deleteStandsAlone]).transform(({ stagedAction, ...rest }) => ({
  stagedAction,
  ...networkPolicySpecOf(rest),
}));

/** A checked StagedKubernetesNetworkPolicy: a Kubernetes NetworkPolicy that is not enforced. */
export interface StagedKubernetesNetworkPolicy extends KubeNetworkPolicy {
  readonly stagedAction: StagedAction;
}

/** What the StagedKubernetesNetworkPolicy kind is: its schema, names and rules. */
export const stagedKubernetesNetworkPolicy: CustomKind<typeof spec> = {
  kind: "StagedKubernetesNetworkPolicy",
  plural: "stagedkubernetesnetworkpolicies",
  singular: "stagedkubernetesnetworkpolicy",
  shortNames: ["sknp"],
  aliases: ["sknps", "skpol", "skpols", "stagedkubernetespolicy", "stagedkubernetespolicies"],
  namespaced: true,
  description: "A Kubernetes NetworkPolicy that is tried out: what its rules match is counted, and it decides nothing.",
  spec,
  columns: [],
  example: {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "shop" } } }], ports: [{ protocol: "TCP", port: 80 }] }],
  },
};

/** Throws InvalidObjectError. */
export function parseStagedKubernetesNetworkPolicy(json: unknown): StagedKubernetesNetworkPolicy {
  const { metadata, spec } = parseObject(stagedKubernetesNetworkPolicy, json);
  const { name, namespace = "" } = metadata;
  return { namespace, name, revision: revisionOf(metadata), ...spec };
}

// --- internal ---

function celEmpty(field: string): string {
  return `(!has(${field}) || size(${field}) == 0)`;
}
