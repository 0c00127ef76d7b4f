import { z } from "zod";
import { type CustomKind, withRules } from "./custom-kind.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";

const fields = z.object({
  strictAffinity: z
    .boolean()
    .default(false)
    .describe("Whether a node may take addresses only from its own blocks, and never borrow one of another node's."),
  maxBlocksPerHost: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe(
      "How many blocks one node may have, counted over the pools of one family that serve the pod. 0: the built-in " +
        "limit, 20. A node that has so many borrows from others' blocks, unless strictAffinity is true.",
    ),
  autoAllocateBlocks: z
    .boolean()
    .default(true)
    .describe("Whether a node takes a further block by itself when its own are full."),
  kubeVirtVMAddressPersistence: z
    .enum(["Enabled", "Disabled"])
    .default("Enabled")
    .describe(
      "Whether a KubeVirt virtual machine keeps its address over restarts and live migrations. Accepted, but without " +
        "effect: each of its pods gets an address of its own.",
    ),
  ipCooldownSeconds: z
    .int()
    .min(0)
    .max(1200)
    .default(0)
    .describe(
      "For how many seconds an address that was given back is not given out again. 0: it only goes to the end of its " +
        "block's queue.",
    ),
});

const spec = withRules(fields, [
  {
    cel: "self.strictAffinity || self.autoAllocateBlocks",
    message: "autoAllocateBlocks can be false only when strictAffinity is true",
    field: "autoAllocateBlocks",
    holds: ({ strictAffinity, autoAllocateBlocks }) => strictAffinity || autoAllocateBlocks,
  },
]);

/** Settings of address management for the whole cluster; the object is called `default`. */
type IpamConfigurationSpec = DeepReadonly<z.output<typeof spec>>;
/** A checked IPAMConfiguration. */
export type IpamConfiguration = Resource<IpamConfigurationSpec>;

/** What the IPAMConfiguration kind is: its schema, names and rules. */
export const ipamConfiguration: CustomKind<typeof spec> = {
  kind: "IPAMConfiguration",
  plural: "ipamconfigurations",
  singular: "ipamconfiguration",
  shortNames: ["ipamconfig", "ipamconfigs"],
  aliases: [],
  description: "Settings of address management for the whole cluster. There is one, called default.",
  spec,
  columns: [
    { name: "StrictAffinity", path: ".spec.strictAffinity", type: "boolean", description: "No borrowing" },
    { name: "AutoAllocateBlocks", path: ".spec.autoAllocateBlocks", type: "boolean", description: "Blocks as needed" },
    {
      name: "MaxBlocksPerHost",
      path: ".spec.maxBlocksPerHost",
      type: "integer",
      description: "Most blocks of a node",
      wide: true,
    },
  ],
  example: { strictAffinity: true, maxBlocksPerHost: 4 },
};

/** Throws InvalidObjectError. */
export function parseIpamConfiguration(json: unknown): IpamConfiguration {
  return parseObject(ipamConfiguration, json);
}
