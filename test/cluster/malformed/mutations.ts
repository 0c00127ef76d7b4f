/** What can be done to one value of an object so that its schema, or what the field means, no longer allows it. */
import { bad, deep, hostileTexts } from "./bad-values.ts";
import { type Json, nothing, type Path } from "./json-path.ts";
import type { Place, Schema } from "./schema.ts";

/** One change of one value. */
export interface Mutation {
  /** What sort of change, for counting. */
  readonly sort: string;
  readonly path: Path;
  /** What comes in place of what is there; `nothing`: it goes. */
  readonly value: Json | typeof nothing;
}

/** Everything that can be done at `place`. */
export function mutationsAt(place: Place): readonly Mutation[] {
  const { path, value } = place;
  const some = Object.entries(sorts).flatMap(([sort, values]) => {
    return values(place).map((one): Mutation => ({ sort, path, value: one }));
  });
  return value === nothing ? some : [...some, ...keysAt(place), ...itemsAt(place)];
}

// --- internal ---

type Values = (place: Place) => readonly (Json | typeof nothing)[];

const sorts: Readonly<Record<string, Values>> = {
  "wrong type": ({ schema, value }) => {
    const types = [null, 7, "text", true, [7], { a: "b" }];
    return types.filter((one) => !hasType(schema, one) && typeOf(one) !== typeOf(value));
  },
  "missing required": ({ required, path }) => (required && path.length > 1 ? [nothing] : []),
  "bad enum": ({ schema, value }) =>
    schema.enum !== undefined && typeof value === "string"
      ? ["Bogus", value.toLowerCase(), value.toUpperCase(), `${value} `].filter((one) => !schema.enum?.includes(one))
      : [],
  "out of limit": beyondLimits,
  "empty text": ({ value }) => (typeof value === "string" ? [""] : []),
  "hostile text": ({ value }) =>
    typeof value === "string" ? [...hostileTexts, ...hostileTexts.map((text) => value + text)] : [],
  "number as text": ({ value }) => {
    if (typeof value === "number") return [`${value}`, ` ${value}`, `0x${value.toString(16)}`, `${value}.0`, "NaN"];
    return typeof value === "string" && /^[0-9]+$/.test(value) ? [`+${value}`, `0${value}`, Number(value) / 3] : [];
  },
  "deep nesting": ({ schema }) => (hasType(schema, {}) || hasType(schema, []) ? [deep("map"), deep("list")] : []),
  "huge list": ({ value }) => (Array.isArray(value) && value.length > 0 ? [Array(5_000).fill(value[0])] : []),
  "bad selector": (place) => (isSelector(place) ? bad.selectors : []),
  "bad network": (place) => (isNetwork(place) ? bad.networks : []),
  "mixed families": ({ path, value }) =>
    netLists.has(String(path.at(-1))) && Array.isArray(value) ? [[...value, "2001:db8:1::/48", "10.9.0.0/16"]] : [],
  "reversed range": ({ path, value }) => reversed(path, value),
};

const netLists = new Set(["nets", "notNets", "except"]);

function isSelector({ path, value }: Place): boolean {
  return /[sS]elector$/.test(String(path.at(-1))) && typeof value === "string";
}

function isNetwork({ path, value }: Place): boolean {
  const [list, last] = [String(path.at(-2)), String(path.at(-1))];
  if (typeof value !== "string") return false;
  return last === "cidr" || ["nets", "notNets", "except", "networks", "expectedIPs"].includes(list);
}

/** Whether the schema lets a value of such a type stand there. */
function hasType({ type, "x-kubernetes-int-or-string": either, additionalProperties }: Schema, json: Json): boolean {
  const given = typeOf(json);
  if (either === true) return given === "string" || given === "number";
  if (type === undefined) return additionalProperties !== undefined && given === "object";
  return type === given || (given === "number" && type === "integer");
}

function typeOf(json: Json): string {
  return json === null ? "null" : Array.isArray(json) ? "array" : typeof json;
}

function beyondLimits({ schema, value }: Place): readonly Json[] {
  const { minimum, maximum, maxLength, maxItems, minItems = 0, type } = schema;
  const numbers = [
    ...(minimum === undefined ? [] : [minimum - 1]),
    ...(maximum === undefined ? [] : [maximum + 1]),
    ...(type === "integer" ? [1.5, -1, 2 ** 31, 2 ** 53] : []),
  ];
  const isList = Array.isArray(value) && value.length > 0;
  return [
    ...(typeof value === "number" ? [...numbers, -2, 65_536, 1e300] : []),
    ...(typeof value === "string" ? ["x".repeat((maxLength ?? 4096) + 1)] : []),
    ...(isList ? [Array((maxItems ?? 4096) + 1).fill(value[0])] : []),
    ...(isList && minItems > 0 ? [[]] : []),
  ];
}

/** Fields that no schema knows, and names that every JavaScript object answers to. */
function keysAt({ path, value, schema }: Place): readonly Mutation[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const inMap = schema.additionalProperties !== undefined;
  const add = (sort: string, name: string, inner: Json) => ({ sort, path: [...path, name], value: inner });
  return [
    ...(inMap ? [] : ["surprise", "namespaceSelector2", "Spec", ""].map((name) => add("unknown field", name, "x"))),
    ...["__proto__", "constructor", "toString"].map((name) => add("prototype key", name, inMap ? "x" : { a: "x" })),
    { sort: inMap ? "prototype key alone" : "prototype key", path, value: JSON.parse('{"__proto__":"x"}') },
    ...(inMap ? hostileTexts.map((text) => add("hostile text", text, "x")) : []),
  ];
}

function itemsAt({ path, value }: Place): readonly Mutation[] {
  if (!Array.isArray(value)) return [];
  return [
    { sort: "null in a list", path: [...path, value.length], value: null },
    { sort: "null in a list", path, value: [null, ...value] },
  ];
}

function reversed(path: Path, value: Json): readonly Json[] {
  const last = path.at(-1);
  if (last === "ports" || last === "notPorts") {
    return Array.isArray(value) && typeof value[0] !== "object" ? [["90:80"], [80, "65535:1"]] : [];
  }
  if (last === "endPort" && typeof value === "number") return [1, 7999];
  if (last === "end" && typeof value === "number") return [4999, 1, 5000];
  return [];
}
