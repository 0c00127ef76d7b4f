import type { z } from "zod";
import { InvalidObjectError, type Problem } from "./invalid-object-error.ts";

type Path = readonly PropertyKey[];

/** `json` checked by `schema`. Throws InvalidObjectError with the first problem of each path. */
export function parseWith<S extends z.ZodType>(kind: string, schema: S, json: unknown): z.output<S> {
  const result = schema.safeParse(json, { error: reasonOf });
  if (result.success) return result.data;
  const problems = new Map<string, Problem>();
  for (const issue of result.error.issues) {
    const problem = problemOf(issue, json);
    if (!problems.has(problem.path)) problems.set(problem.path, problem);
  }
  throw new InvalidObjectError(kind, nameOf(json), [...problems.values()]);
}

// --- internal ---

/** `namespace/name` or `name` of anything that may be an API object; empty when it has none. */
function nameOf(json: unknown): string {
  const namespace = at(json, ["metadata", "namespace"]);
  const name = at(json, ["metadata", "name"]);
  if (typeof name !== "string") return "";
  return typeof namespace === "string" && namespace !== "" ? `${namespace}/${name}` : name;
}

function problemOf(issue: z.core.$ZodIssue, json: unknown): Problem {
  return { path: pathText(issue.path), given: givenText(at(json, issue.path)), reason: issue.message };
}

/** For every problem to which the schema gives no sentence of its own. */
function reasonOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `it must be ${typeNames[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `it must be one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "too_small":
      return `it must ${boundVerb(issue.origin)} at least ${issue.minimum}${boundUnit(issue.origin, issue.minimum)}`;
    case "too_big":
      return `it must ${boundVerb(issue.origin)} at most ${issue.maximum}${boundUnit(issue.origin, issue.maximum)}`;
    case "invalid_format":
      return `it must ${issue.pattern === undefined ? `be a ${issue.format}` : `match ${issue.pattern}`}`;
    case "invalid_key":
      return `its key ${JSON.stringify(issue.input)} cannot stand: ${issue.issues[0]?.message}`;
    case "unrecognized_keys":
      return `it has fields that are not known here: ${issue.keys.join(", ")}`;
    default:
      return undefined;
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map of fields",
  record: "a map",
};

function boundVerb(origin: string): string {
  return origin === "string" || origin === "array" ? "have" : "be";
}

function boundUnit(origin: string, count: number | bigint): string {
  const many = count === 1 || count === 1n ? "" : "s";
  if (origin === "string") return ` character${many}`;
  return origin === "array" ? ` item${many}` : "";
}

function at(json: unknown, path: Path): unknown {
  let value = json;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function pathText(path: Path): string {
  return path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`),
    "",
  );
}

const givenLimit = 80;

function givenText(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
  return text.length > givenLimit ? `${text.slice(0, givenLimit)}…` : text;
}
