import { z } from "zod";
import type { IpamConfiguration } from "./ipam-configuration.ts";
import { objectMetaSchema } from "./resource.ts";

/** What a field that is not understood must be taken for. */
const closed = {
  strictAffinity: true,
  maxBlocksPerHost: 1,
  autoAllocateBlocks: false,
  kubeVirtVMAddressPersistence: "Enabled",
  ipCooldownSeconds: 1200,
} as const;

const schema = z.object({
  metadata: objectMetaSchema,
  spec: z
    .object({
      strictAffinity: z.boolean().default(false).catch(closed.strictAffinity),
      // No upper bound: upstream has a higher one than we have.
      maxBlocksPerHost: z.int().min(0).default(0).catch(closed.maxBlocksPerHost),
      autoAllocateBlocks: z.boolean().default(true).catch(closed.autoAllocateBlocks),
      kubeVirtVMAddressPersistence: z
        .enum(["Enabled", "Disabled"])
        .default(closed.kubeVirtVMAddressPersistence)
        .catch(closed.kubeVirtVMAddressPersistence),
      ipCooldownSeconds: z.int().min(0).max(1200).default(0).catch(closed.ipCooldownSeconds),
    })
    .catch(closed),
});

/**
 * What stands for settings that `parseIpamConfiguration` refuses: each field that can be read, and for any other the
 * value by which the fewest addresses are given: no borrowing, one block, none claimed, the longest rest. So pods go on
 * getting addresses of their node's own blocks, and none that the settings may forbid. Undefined when it has no name.
 */
export function closedIpamConfiguration(json: unknown): IpamConfiguration | undefined {
  const { data } = schema.safeParse(json);
  if (data === undefined) return undefined;
  const { metadata, spec } = data;
  // Who claims nothing by itself, and is told no more, must not live on others' blocks.
  return { metadata, spec: { ...spec, strictAffinity: spec.strictAffinity || !spec.autoAllocateBlocks } };
}
