import { z } from "zod";
import type { Lease } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";

const schema = z.object({
  metadata: objectMetaSchema.extend({ namespace: z.string().min(1) }),
  spec: z.object({ holderIdentity: z.string().nullish(), renewTime: z.string().nullish() }).default({}),
});

/** A Lease (coordination.k8s.io/v1) as the API server sends it. Throws InvalidObjectError. */
export function parseLease(json: unknown): Lease {
  const { metadata, spec } = parseWith("Lease", schema, json);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    annotations: metadata.annotations,
    holder: spec.holderIdentity || undefined,
    renewTime: spec.renewTime || undefined,
  };
}
