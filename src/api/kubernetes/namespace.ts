import { z } from "zod";
import type { Namespace } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

const schema = z.object({ metadata: objectMetaSchema });

/** A Namespace (v1) as the API server sends it. Throws InvalidObjectError. */
export function parseNamespace(json: unknown): Namespace {
  const { name, labels, annotations } = parseWith("Namespace", schema, json).metadata;
  return { name, labels, annotations };
}
