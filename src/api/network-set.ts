import { z } from "zod";
import type { CustomKind, Rule } from "./custom-kind.ts";
import { netField } from "./fields.ts";
import { namespaceLabel } from "./label-names.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";

const spec = z.object({
  nets: z
    .array(netField())
    .max(100_000)
    .default([])
    .meta({ "x-kubernetes-list-type": "set" })
    .describe("The networks of the set, such as 192.168.1.0/24, or 192.168.1.7 for one address."),
});

type NetworkSetSpec = DeepReadonly<z.output<typeof spec>>;
/** A checked NetworkSet; its own labels are what selectors see, with its namespace's. */
export type NetworkSet = Resource<NetworkSetSpec>;
/** A checked GlobalNetworkSet. */
export type GlobalNetworkSet = Resource<NetworkSetSpec>;

// No CEL: the API server shows a rule no labels. A ValidatingAdmissionPolicy says it there.
const ownLabels: Rule<Resource<unknown>> = {
  message: `a network set may not carry the label ${namespaceLabel}`,
  field: "metadata.labels",
  holds: ({ metadata }) => !Object.hasOwn(metadata.labels, namespaceLabel),
};

const column = {
  name: "Nets",
  path: ".spec.nets",
  type: "string",
  description: "The networks of the set",
  wide: true,
} as const;

/** What the NetworkSet kind is: its schema and names. */
export const networkSet: CustomKind<typeof spec> = {
  kind: "NetworkSet",
  plural: "networksets",
  singular: "networkset",
  shortNames: [],
  aliases: ["netsets"],
  namespaced: true,
  objectRules: [ownLabels],
  description:
    "Networks that policies select by the labels of this object, as if they were endpoints of its namespace: of the " +
    "policies in the same namespace, and of those that select namespaces.",
  spec,
  columns: [column],
  example: { nets: ["198.51.100.0/28", "203.0.113.7", "2001:db8:7::/48"] },
};

/** What the GlobalNetworkSet kind is: its schema and names. */
export const globalNetworkSet: CustomKind<typeof spec> = {
  kind: "GlobalNetworkSet",
  plural: "globalnetworksets",
  singular: "globalnetworkset",
  shortNames: ["gns"],
  aliases: ["gnetsets"],
  objectRules: [ownLabels],
  description:
    "Networks that policies select by the labels of this object. It belongs to no namespace: rules of a namespaced policy " +
    "reach it with the namespaceSelector global().",
  spec,
  columns: [column],
  example: { nets: ["198.51.100.0/28", "203.0.113.7", "2001:db8:7::/48"] },
};

/** Throws InvalidObjectError. */
export function parseNetworkSet(json: unknown): NetworkSet {
  return parseObject(networkSet, json);
}

/** Throws InvalidObjectError. */
export function parseGlobalNetworkSet(json: unknown): GlobalNetworkSet {
  return parseObject(globalNetworkSet, json);
}
