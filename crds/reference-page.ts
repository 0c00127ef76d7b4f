import type { CustomKind } from "../src/api/custom-kind.ts";
import { apiOf } from "../src/api/custom-kinds.ts";
import { type StructuralSchema, structuralSchema } from "./structural-schema.ts";

/** The reference page of `kind` in Markdown. `example` is the YAML text of its example object. */
export function referencePage(kind: CustomKind, example: string): string {
  const spec = structuralSchema(kind.spec);
  const { group, version } = apiOf(kind);
  const names = [kind.plural, kind.singular, ...kind.shortNames].map(code).join(", ");
  const aliases = kind.aliases.length === 0 ? "" : `, and with \`margay\` also ${kind.aliases.map(code).join(", ")}`;
  return [
    `# ${kind.kind}`,
    kind.description,
    `\`${group}/${version}\`, ${kind.namespaced === true ? "namespaced" : "cluster-scoped"}. Names for the command line: ${names}${aliases}.`,
    `\`\`\`yaml\n${example.trimEnd()}\n\`\`\``,
    `## spec\n\n${fieldTable(spec)}`,
    ...(kind.status === undefined ? [] : [`## status\n\n${fieldTable(structuralSchema(kind.status))}`]),
    ...ruleSection([...messagesOf(spec), ...(kind.objectRules ?? []).map(({ message }) => message)]),
  ]
    .join("\n\n")
    .concat("\n");
}

// --- internal ---

function fieldTable(schema: StructuralSchema): string {
  const rows = fieldRows(schema, "");
  return ["| Field | Type | Default | Meaning |", "|---|---|---|---|", ...rows].join("\n");
}

function fieldRows(schema: StructuralSchema, prefix: string): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix + name;
    const required = schema.required?.includes(name) === true;
    const inner = field.items?.properties === undefined ? field : field.items;
    const below = inner === field ? `${path}.` : `${path}[].`;
    return [fieldRow(path, field, required), ...fieldRows(inner, below)];
  });
}

function fieldRow(path: string, field: StructuralSchema, required: boolean): string {
  const preset = field.default === undefined ? "" : code(JSON.stringify(field.default));
  const rules = messagesOf(field).map((text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`);
  const meaning = [field.description ?? "", ...rules].filter((text) => text !== "").join(" ");
  const cells = [code(path), typeText(field), required ? "required" : preset, meaning];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function messagesOf(field: StructuralSchema): readonly string[] {
  return [...new Set((field["x-kubernetes-validations"] ?? []).map(({ message }) => message))];
}

function typeText(field: StructuralSchema): string {
  if (field["x-kubernetes-int-or-string"]) return "integer or string";
  if (field.enum !== undefined) return field.enum.map((value) => code(JSON.stringify(value))).join(", ");
  if (field.items !== undefined) return `list of ${typeText(field.items)}`;
  if (field.additionalProperties !== undefined) return `map to ${typeText(field.additionalProperties)}`;
  const { minimum, maximum, maxLength } = field;
  if (minimum !== undefined && maximum !== undefined) return `${field.type} ${minimum} to ${maximum}`;
  if (maxLength !== undefined) return `${field.type} of at most ${maxLength} characters`;
  const form = field.format === undefined ? "" : ` (${field.format})`;
  return `${field.type ?? "anything"}${form}${field.nullable === true ? " or null" : ""}`;
}

function ruleSection(messages: readonly string[]): readonly string[] {
  if (messages.length === 0) return [];
  return [
    `## Rules\n\nThe API server refuses an object that breaks one:\n\n${messages.map((text) => `- ${text}.`).join("\n")}`,
  ];
}

function code(text: string): string {
  return `\`${text}\``;
}
