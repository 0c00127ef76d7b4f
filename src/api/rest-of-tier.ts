import { z } from "zod";
import { objectMetaSchema } from "./resource.ts";
import type { Tier } from "./tier.ts";

const schema = z.object({
  metadata: objectMetaSchema,
  spec: z
    .object({
      order: z.number().optional().catch(undefined),
      defaultAction: z.enum(["Deny", "Pass"]).catch("Deny"),
    })
    .catch({ order: undefined, defaultAction: "Deny" }),
});

/**
 * What stands for a tier that cannot be read: its order, if that can, and an end that denies unless it clearly passes. Were
 * it absent, its policies would come after all others' and could come too late to deny. Undefined when its metadata cannot
 * be read.
 */
export function restOfTier(json: unknown): Tier | undefined {
  return schema.safeParse(json).data;
}
