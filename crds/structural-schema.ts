import { z } from "zod";

/** The part of the API server's JSONSchemaProps that our kinds use. */
export interface StructuralSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly required?: readonly string[];
  readonly items?: StructuralSchema;
  readonly additionalProperties?: StructuralSchema;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly nullable?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly "x-kubernetes-int-or-string"?: true;
  readonly "x-kubernetes-validations"?: readonly {
    readonly rule: string;
    readonly message: string;
    readonly fieldPath?: string;
  }[];
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-map-type"?: string;
}

/**
 * What an API server may be given for `schema`: a structural OpenAPI v3 schema of the JSON that it takes in. A field's
 * `openapi` metadata stands in place of what zod would say. Throws for what no structural schema can say.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  return structural(z.toJSONSchema(schema, { io: "input", target: "openapi-3.0", unrepresentable: "any" }), "");
}

// --- internal ---

type Json = Readonly<Record<string, unknown>>;

/** In the order in which a reader wants them. */
const kept = [
  "description",
  "type",
  "format",
  "nullable",
  "default",
  "enum",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "pattern",
  "required",
  "x-kubernetes-int-or-string",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-map-type",
  "x-kubernetes-validations",
] as const;

function structural(json: Json, path: string): StructuralSchema {
  const { openapi, description, default: value } = json;
  const said: Json = isJson(openapi)
    ? { ...openapi, description, ...(value === undefined ? {} : { default: value }) }
    : json;
  for (const key of ["anyOf", "oneOf", "allOf", "$ref", "not"]) {
    if (key in said) throw new Error(`Cannot make a structural schema of ${path || "the object"}: it has ${key}`);
  }
  const plain = Object.fromEntries(kept.filter((key) => tells(key, said[key])).map((key) => [key, said[key]]));
  return { ...plain, ...nested(said, path) };
}

function nested({ properties, items, additionalProperties }: Json, path: string): StructuralSchema {
  return {
    ...(isJson(properties) ? { properties: mapValues(properties, path) } : {}),
    ...(isJson(items) ? { items: structural(items, `${path}[]`) } : {}),
    ...(isJson(additionalProperties)
      ? { additionalProperties: structural(additionalProperties, `${path}.<any>`) }
      : {}),
  };
}

function mapValues(properties: Json, path: string): Readonly<Record<string, StructuralSchema>> {
  const entries = Object.entries(properties).filter((entry): entry is [string, Json] => isJson(entry[1]));
  return Object.fromEntries(entries.map(([name, schema]) => [name, structural(schema, `${path}.${name}`)]));
}

/** zod bounds every whole number by what JavaScript can hold, which tells a person nothing. */
function tells(key: (typeof kept)[number], value: unknown): boolean {
  if (key === "minimum") return value !== undefined && value !== Number.MIN_SAFE_INTEGER;
  if (key === "maximum") return value !== undefined && value !== Number.MAX_SAFE_INTEGER;
  return value !== undefined;
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
