import { z } from "zod";
import { type CustomKind, type Rule, withRules } from "./custom-kind.ts";
import { bpfFields } from "./felix-configuration-bpf.ts";
import { elsewhereFields } from "./felix-configuration-elsewhere.ts";
import { nodeFields } from "./felix-configuration-node.ts";
import { overlayFields } from "./felix-configuration-overlay.ts";
import { ruleFields } from "./felix-configuration-rules.ts";
import { type FieldFault, readableFields, unknownFields } from "./field-faults.ts";
import { selectorField } from "./fields.ts";
import { parseObject } from "./parse-object.ts";
import { type DeepReadonly, objectMetaSchema, type Resource } from "./resource.ts";

/** Every field of the spec, by name, with its check. */
export const felixFields = {
  nodeSelector: selectorField()
    .optional()
    .describe(
      "The nodes that this object is for, by their labels. Objects called default or node.NAME have none. Of several " +
        "objects that select a node, the oldest counts.",
    ),
  ...ruleFields,
  ...nodeFields,
  ...overlayFields,
  ...elsewhereFields,
  ...bpfFields,
};

const oneRange: Rule<{ readonly routeTableRange?: unknown; readonly routeTableRanges?: unknown }> = {
  cel: "!has(self.routeTableRange) || !has(self.routeTableRanges)",
  message: "routeTableRange and routeTableRanges cannot both be set",
  field: "",
  holds: ({ routeTableRange, routeTableRanges }) => routeTableRange === undefined || routeTableRanges === undefined,
};

const spec = withRules(z.object(felixFields), [oneRange]);

/** What a FelixConfiguration says; a field that is absent is not set, and the next source's counts. */
type FelixConfigurationSpec = DeepReadonly<z.output<typeof spec>>;

/** A FelixConfiguration as far as it can be read. */
export interface FelixConfiguration extends Resource<FelixConfigurationSpec> {
  /** What of its spec is not in `spec`, with the reason. */
  readonly faults: readonly FieldFault[];
}

const unscoped: Rule<Resource<FelixConfigurationSpec>> = {
  cel:
    "self.metadata.name == 'default' || self.metadata.name.startsWith('node.') ? " +
    "!has(self.spec.nodeSelector) : true",
  message: "nodeSelector must not be set on the 'default' or per-node ('node.*') FelixConfiguration",
  field: "spec.nodeSelector",
  holds: ({ metadata: { name }, spec: { nodeSelector } }) => nodeSelector === undefined || !isForItsName(name),
};

/** What the FelixConfiguration kind is: its schema and names. */
export const felixConfiguration: CustomKind<typeof spec> = {
  kind: "FelixConfiguration",
  plural: "felixconfigurations",
  singular: "felixconfiguration",
  shortNames: ["felixconfig", "felixconfigs"],
  aliases: [],
  description:
    "Settings of the nodes' agents. The object default is for every node, node.NAME for one, and any other for the nodes " +
    "that its nodeSelector selects. A node takes each value from the first that has it: its environment, its file, " +
    "node.NAME, the one that selects it, default.",
  spec,
  objectRules: [unscoped],
  columns: [
    {
      name: "LogSeverity",
      path: ".spec.logSeverityScreen",
      type: "string",
      description: "The least severe messages",
      wide: true,
    },
    {
      name: "NodeSelector",
      path: ".spec.nodeSelector",
      type: "string",
      description: "The nodes that it is for",
      wide: true,
    },
  ],
  example: { logSeverityScreen: "Info", floatingIPs: "Enabled", routeRefreshInterval: "60s" },
};

/** Throws InvalidObjectError when any known field cannot be used; those that are not known are among the faults. */
export function parseFelixConfiguration(json: unknown): FelixConfiguration {
  return { ...parseObject(felixConfiguration, json), faults: unknownFields(felixFields, json) };
}

/**
 * What stands for a FelixConfiguration that cannot be read: every field of it that can, and the others among the faults.
 * Undefined when not even its name can be.
 */
export function restOfFelixConfiguration(json: unknown): FelixConfiguration | undefined {
  const { data } = z.object({ metadata: objectMetaSchema, spec: z.unknown() }).safeParse(json);
  if (data === undefined) return undefined;
  const { metadata } = data;
  const refusal = (field: string) =>
    field === "nodeSelector" && isForItsName(metadata.name) ? unscoped.message : undefined;
  return { metadata, ...readableFields(felixFields, json, refusal) };
}

/** True for a name that says whom an object is for: `default`, and `node.` with a node's name. */
export function isForItsName(name: string): boolean {
  return name === "default" || name.startsWith("node.");
}
