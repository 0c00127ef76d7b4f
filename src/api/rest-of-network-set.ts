import { z } from "zod";
import { looseCidrField } from "./fields.ts";
import { namespaceLabel } from "./label-names.ts";
import type { NetworkSet } from "./network-set.ts";
import { objectMetaSchema } from "./resource.ts";

const schema = z.object({
  metadata: objectMetaSchema,
  spec: z.object({ nets: z.array(looseCidrField().optional().catch(undefined)).default([]) }),
});

/**
 * What stands for a network set of either kind that cannot be read: every network in it that can, without the label that
 * it may not carry. A set that shrank to nothing would open what a rule denies by it. Undefined when not even its list
 * can be read.
 */
export function restOfNetworkSet(json: unknown): NetworkSet | undefined {
  const { data } = schema.safeParse(json);
  if (data === undefined) return undefined;
  const labels = Object.entries(data.metadata.labels).filter(([name]) => name !== namespaceLabel);
  return {
    metadata: { ...data.metadata, labels: Object.fromEntries(labels) },
    spec: { nets: data.spec.nets.filter((one) => one !== undefined) },
  };
}
