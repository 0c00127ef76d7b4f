import { z } from "zod";
import { type CustomKind, type Rule, withRules } from "./custom-kind.ts";
import { bpfFields } from "./felix-configuration-bpf.ts";
import { elsewhereFields } from "./felix-configuration-elsewhere.ts";
import { nodeFields } from "./felix-configuration-node.ts";
import { overlayFields } from "./felix-configuration-overlay.ts";
import { ruleFields } from "./felix-configuration-rules.ts";
import { selectorField } from "./fields.ts";
import { InvalidObjectError } from "./invalid-object-error.ts";
import { parseObject } from "./parse-object.ts";
import { parseWith } from "./parse-with.ts";
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
  /** What of its spec is not in `spec`, with the reason: a sentence each, without a full stop. */
  readonly faults: readonly FieldFault[];
}

/** A field of a spec that cannot be used, or is not known. */
interface FieldFault {
  readonly field: string;
  readonly reason: string;
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
  return { ...parseObject(felixConfiguration, json), faults: unknownFields(json) };
}

/**
 * What stands for a FelixConfiguration that cannot be read: every field of it that can, and the others among the faults.
 * Undefined when not even its name can be.
 */
export function restOfFelixConfiguration(json: unknown): FelixConfiguration | undefined {
  const { data } = z.object({ metadata: objectMetaSchema, spec: z.unknown() }).safeParse(json);
  if (data === undefined) return undefined;
  const faults: FieldFault[] = [...unknownFields(json)];
  const entries = Object.entries(specOf(json)).flatMap(([field, value]) => {
    const reason = faultOf(field, value, data.metadata.name);
    if (reason === undefined) return isKnown(field) ? [[field, value]] : [];
    faults.push({ field, reason });
    return [];
  });
  return { metadata: data.metadata, spec: Object.fromEntries(entries), faults };
}

/** True for a name that says whom an object is for: `default`, and `node.` with a node's name. */
export function isForItsName(name: string): boolean {
  return name === "default" || name.startsWith("node.");
}

// --- internal ---

function faultOf(field: string, value: unknown, object: string): string | undefined {
  if (!isKnown(field)) return undefined;
  if (field === "nodeSelector" && isForItsName(object)) return unscoped.message;
  try {
    parseWith("field", felixFields[field], value);
    return undefined;
  } catch (error) {
    if (!(error instanceof InvalidObjectError)) throw error;
    return error.problems.map(({ path, given, reason }) => `${path || "it"} is ${given}: ${reason}`).join("; ");
  }
}

function unknownFields(json: unknown): FieldFault[] {
  const names = Object.keys(specOf(json)).filter((field) => !isKnown(field));
  return names.map((field) => ({ field, reason: "no setting has this name" }));
}

function isKnown(field: string): field is keyof typeof felixFields {
  return Object.hasOwn(felixFields, field);
}

function specOf(json: unknown): object {
  const spec = typeof json === "object" && json !== null && "spec" in json ? json.spec : undefined;
  return typeof spec === "object" && spec !== null && !Array.isArray(spec) ? spec : {};
}
