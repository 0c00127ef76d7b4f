import { z } from "zod";
import type { ServiceAccount } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

const schema = z.object({ metadata: objectMetaSchema.extend({ namespace: z.string().min(1) }) });

/** A ServiceAccount (v1) as the API server sends it. Throws InvalidObjectError. */
export function parseServiceAccount(json: unknown): ServiceAccount {
  const { namespace, name, labels } = parseWith("ServiceAccount", schema, json).metadata;
  return { namespace, name, labels };
}
