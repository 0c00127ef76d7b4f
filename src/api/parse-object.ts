import { z } from "zod";
import { type CustomKind, withRules } from "./custom-kind.ts";
import { parseWith } from "./parse-with.ts";
import { type DeepReadonly, objectMetaSchema, type Resource } from "./resource.ts";

/**
 * Checks `json` as an object of `kind`, its `objectRules` included, and fills in defaults. An object of a namespaced kind
 * has a namespace. Throws InvalidObjectError.
 */
export function parseObject<S extends z.ZodType>(
  kind: CustomKind<S>,
  json: unknown,
): Resource<DeepReadonly<z.output<S>>> {
  return parseWith(kind.kind, schemaOf(kind), json) as Resource<DeepReadonly<z.output<S>>>;
}

// --- internal ---

/** A schema is costly to build and the same for every object. */
const schemas = new WeakMap<object, z.ZodType>();

function schemaOf<S extends z.ZodType>(kind: CustomKind<S>): z.ZodType {
  const known = schemas.get(kind);
  if (known !== undefined) return known;
  const metadata = kind.namespaced === true ? namespacedMeta : objectMetaSchema;
  const schema: z.ZodType = z.object({ metadata, spec: kind.spec });
  const checked = kind.objectRules === undefined ? schema : withRules(schema, kind.objectRules);
  schemas.set(kind, checked);
  return checked;
}

const namespacedMeta = objectMetaSchema.extend({ namespace: z.string().min(1) });
