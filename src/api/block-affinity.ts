import { z } from "zod";
import type { CustomKind } from "./custom-kind.ts";
import { cidrField } from "./fields.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";

const spec = z.object({
  state: z
    .enum(["", "pending", "confirmed", "pendingDeletion"])
    .describe("pending until the block is written, then confirmed; pendingDeletion while the claim is given up."),
  node: z.string().describe("The name of the node, or of the virtual owner."),
  type: z.string().default("host").describe("host for a node, virtual for another owner such as load-balancer."),
  cidr: cidrField().describe("The addresses of the block as a network."),
  deleted: z
    .boolean()
    .default(false)
    .describe("Set before the claim is deleted, so that a write in between conflicts."),
});

/** A node's claim on a block. */
type BlockAffinitySpec = DeepReadonly<z.output<typeof spec>>;
/** A checked BlockAffinity. */
export type BlockAffinity = Resource<BlockAffinitySpec>;

/** What the BlockAffinity kind is: its schema and names. */
export const blockAffinity: CustomKind<typeof spec> = {
  kind: "BlockAffinity",
  plural: "blockaffinities",
  singular: "blockaffinity",
  shortNames: ["affinity", "affinities"],
  aliases: [],
  description: "A node's claim on a block of addresses. Written by address management; not to be edited.",
  spec,
  columns: [
    { name: "CIDR", path: ".spec.cidr", type: "string", description: "The addresses of the block" },
    { name: "Node", path: ".spec.node", type: "string", description: "Who claims it" },
    { name: "State", path: ".spec.state", type: "string", description: "How far the claim is", wide: true },
  ],
  example: { state: "confirmed", node: "node-1", type: "host", cidr: "192.168.0.0/26" },
};

/** Throws InvalidObjectError. */
export function parseBlockAffinity(json: unknown): BlockAffinity {
  return parseObject(blockAffinity, json);
}
