import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseAllDocuments } from "yaml";
import { customKindOf } from "../api/custom-kinds.ts";
import { type Kind, kindOfObject } from "../api/kinds.ts";
import { parseKubeNetworkPolicy } from "../api/kubernetes/network-policy.ts";
import { parseObject } from "../api/parse-object.ts";
import { messageOf } from "../net/message-of.ts";
import type { ApiObject } from "./api-object.ts";

/** One object of a file, as it stands there. */
export interface ObjectInFile {
  readonly kind: Kind;
  readonly name: string;
  /** Undefined for a cluster-scoped kind; `default` where the file does not say. */
  readonly namespace: string | undefined;
  readonly json: ApiObject;
}

/**
 * The objects of a YAML or JSON file, of the .yaml, .yml and .json files right inside a folder in order of name, or of
 * standard input for `-`. A List counts as its items. Throws one Error with a sentence for everything that is wrong.
 */
export async function readObjects(path: string): Promise<readonly ObjectInFile[]> {
  const problems: string[] = [];
  const objects: ObjectInFile[] = [];
  for (const { place, content } of await readFiles(path)) {
    for (const { where, json } of documentsOf(place, content, problems)) {
      const object = objectOf(json);
      if (typeof object === "string") problems.push(`Cannot read ${where}: ${object}`);
      else objects.push(object);
    }
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  if (objects.length === 0) throw new Error(`Cannot find any object in ${path}`);
  return objects;
}

/** Checks the object as our own code will read it. Throws an InvalidObjectError with each path and what must hold there. */
export function checkObject({ kind, json }: ObjectInFile): void {
  const custom = customKindOf(kind);
  if (custom !== undefined) parseObject(custom, json);
  else if (kind.kind === "NetworkPolicy") parseKubeNetworkPolicy(json);
}

// --- internal ---

async function readFiles(path: string) {
  if (path === "-") return [{ place: "standard input", content: await text(process.stdin) }];
  try {
    const names = (await stat(path)).isDirectory()
      ? (await readdir(path)).filter((one) => /\.(ya?ml|json)$/.test(one))
      : undefined;
    const files = names === undefined ? [path] : names.sort().map((name) => join(path, name));
    return await Promise.all(files.map(async (place) => ({ place, content: await readFile(place, "utf8") })));
  } catch (cause) {
    throw new Error(`Cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

function documentsOf(place: string, content: string, problems: string[]) {
  const documents = parseAllDocuments(content, { intAsBigInt: true });
  return ("empty" in documents ? [] : documents).flatMap((document, index) => {
    const where = documents.length > 1 ? `${place}, document ${index + 1}` : place;
    const [error] = document.errors;
    if (error !== undefined) {
      problems.push(`Cannot read ${where} as YAML: ${error.message.trim()}`);
      return [];
    }
    return itemsOf(document.toJS({ reviver: exactInteger })).map((json) => ({ where, json }));
  });
}

/** As in JSON that comes from the API server: a bigint only where a number would lose digits. */
function exactInteger(_key: unknown, value: unknown): unknown {
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function itemsOf(json: unknown): readonly unknown[] {
  if (json === null) return [];
  const { kind, items } = json as { readonly kind?: unknown; readonly items?: unknown };
  return typeof kind === "string" && kind.endsWith("List") && Array.isArray(items) ? items : [json];
}

/** The object, or what is wrong with it. */
function objectOf(json: unknown): ObjectInFile | string {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return "it is no object";
  const { apiVersion, kind, metadata } = json as { readonly [key: string]: unknown };
  if (typeof apiVersion !== "string" || typeof kind !== "string") return "apiVersion and kind must be given";
  const known = kindOfObject(apiVersion, kind);
  if (known === undefined) return `margay does not know the kind ${kind} of ${apiVersion}`;
  const { name, namespace: given } = (metadata ?? {}) as { readonly [key: string]: unknown };
  if (typeof name !== "string" || name === "") return `${kind} has no metadata.name`;
  const object = json as ApiObject;
  if (!known.namespaced) return { kind: known, name, namespace: undefined, json: object };
  const namespace = typeof given === "string" && given !== "" ? given : "default";
  return { kind: known, name, namespace, json: { ...object, metadata: { ...object.metadata, namespace } } };
}
