/** The OpenAPI schemas that the API server checks objects by. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parse } from "yaml";
import { kindOfObject } from "../../../src/api/kinds.ts";
import type { KubeClient } from "../../../src/kube/client.ts";
import { type Json, nothing, type Path } from "./json-path.ts";
import type { Sample } from "./samples.ts";

/** As much of a schema as mutations are drawn from. */
export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly "x-kubernetes-int-or-string"?: true;
}

/** One value of an object, and what its schema says of it. */
export interface Place {
  readonly path: Path;
  readonly schema: Schema;
  /** `nothing` where the schema has a field that the object has not. */
  readonly value: Json | typeof nothing;
  readonly required: boolean;
}

/** The schema of the spec of such objects: of our own kinds as their CRD has it, of Kubernetes' own as `client`'s server serves it. */
export async function specSchema(client: KubeClient, { apiVersion, kind }: Sample): Promise<Schema> {
  const known = kindOfObject(apiVersion, kind);
  if (known === undefined) throw new Error(`Cannot find a schema: there is no kind ${apiVersion} ${kind}`);
  if (known.group === "networking.k8s.io") return servedSchema(client, apiVersion, kind);
  const file = resolve(import.meta.dirname, `../../../crds/${known.group}_${known.plural}.yaml`);
  return parse(await readFile(file, "utf8")).spec.versions[0].schema.openAPIV3Schema.properties.spec;
}

/** Every value of `json`, itself included, and every field that the schema knows and it has not. */
export function* placesOf(schema: Schema, json: Json, path: Path = ["spec"], required = true): Generator<Place> {
  yield { path, schema, value: json, required };
  if (Array.isArray(json)) {
    for (const [index, item] of json.entries()) yield* placesOf(schema.items ?? {}, item, [...path, index], false);
  } else if (typeof json === "object" && json !== null) {
    yield* placesInMap(schema, json, path);
  }
}

// --- internal ---

function* placesInMap(schema: Schema, map: object, path: Path): Generator<Place> {
  const { properties = {}, required = [], additionalProperties } = schema;
  for (const [name, value] of Object.entries(map)) {
    const inner = properties[name] ?? additionalProperties ?? {};
    yield* placesOf(inner, value, [...path, name], required.includes(name));
  }
  for (const [name, inner] of Object.entries(properties)) {
    if (!Object.hasOwn(map, name)) yield { path: [...path, name], schema: inner, value: nothing, required: false };
  }
}

/** With every reference put in; OpenAPI v3 has one in an `allOf` where it says more of the field. */
async function servedSchema(client: KubeClient, apiVersion: string, kind: string): Promise<Schema> {
  const { components } = await client.request<{ components: { schemas: Record<string, Schema> } }>(
    "GET",
    `/openapi/v3/apis/${apiVersion}`,
  );
  const resolved = (json: Json): Json => {
    if (typeof json !== "object" || json === null) return json;
    if (Array.isArray(json)) return json.map(resolved);
    const { $ref, allOf, ...rest } = json as { $ref?: string; allOf?: readonly object[] };
    const named = $ref === undefined ? undefined : components.schemas[$ref.replace("#/components/schemas/", "")];
    const parts = [...(allOf ?? []), ...(named === undefined ? [] : [named])].map(resolved);
    const own = Object.entries(rest).map(([name, value]) => [name, resolved(value)]);
    return isIntOrString($ref) ? intOrString : Object.assign({}, ...parts, Object.fromEntries(own));
  };
  const all = Object.entries(components.schemas).find(([name]) => name.endsWith(`.${kind}`));
  return (resolved(all?.[1]) as Schema).properties?.["spec"] ?? {};
}

const intOrString: Schema = { "x-kubernetes-int-or-string": true };

function isIntOrString(reference: string | undefined): boolean {
  return reference?.endsWith(".IntOrString") ?? false;
}
