import { z } from "zod";
import type { CustomKind } from "./custom-kind.ts";
import { cidrField, int64Field, timeField } from "./fields.ts";
import { type NamespacedName, type NodeName, namespacedName } from "./names.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";

const owner = z.record(z.string(), z.string());

const attribute = z.object({
  handle_id: z.string().optional().describe("The handle of the owner."),
  secondary: owner.optional().describe("Who holds the addresses: pod, namespace, node, timestamp and so on."),
  alternateOwnerAttrs: owner.optional().describe("Who is about to take them over, during a live migration."),
  releasedAt: timeField().optional().describe("When the addresses were given back, while they still cool down."),
});

const spec = z.object({
  cidr: cidrField().describe("The addresses of the block as a network."),
  affinity: z
    .string()
    .regex(/^(host|virtual):[a-zA-Z0-9.\-_]+$/)
    .optional()
    .describe("Who the block belongs to: host:NODE or virtual:NAME. Absent: nobody."),
  affinityClaimTime: timeField().optional().describe("When it came to belong there."),
  allocations: z
    .array(z.int().nullable())
    .describe("One entry an address, in order: null when it is free, otherwise the index of its entry in attributes."),
  unallocated: z
    .array(z.int())
    .describe("The ordinals of the free addresses; the first is given out next, and one given back goes to the end."),
  attributes: z.array(attribute).describe("What is known of the owners of the addresses."),
  sequenceNumber: int64Field().prefault(0).describe("Grows with each write of the block."),
  sequenceNumberForAllocation: z
    .record(z.string(), int64Field())
    .default({})
    .describe(
      "By ordinal, the block's sequence number when that address was given out, so that a late release cannot free an " +
        "address that has a new owner.",
    ),
  deleted: z
    .boolean()
    .default(false)
    .describe("Set before the block is deleted, so that a write in between conflicts."),
  strictAffinity: z
    .boolean()
    .default(false)
    .describe(
      "Whether no other node may borrow addresses of the block. Honoured where other products have set it; new blocks " +
        "leave it to IPAMConfiguration.",
    ),
});

/** A block of addresses: ordinal i is the address `cidr` + i. */
export type IpamBlockSpec = DeepReadonly<z.output<typeof spec>>;
/** What is kept beside allocations that share a handle. */
export type AllocationAttribute = IpamBlockSpec["attributes"][number];
/** A checked IPAMBlock. */
export type IpamBlock = Resource<IpamBlockSpec>;

/** What the IPAMBlock kind is: its schema and names. */
export const ipamBlock: CustomKind<typeof spec> = {
  kind: "IPAMBlock",
  plural: "ipamblocks",
  singular: "ipamblock",
  shortNames: [],
  aliases: [],
  description: "A block of addresses of a pool, and who holds each. Written by address management; not to be edited.",
  spec,
  columns: [
    { name: "CIDR", path: ".spec.cidr", type: "string", description: "The addresses of the block" },
    { name: "Affinity", path: ".spec.affinity", type: "string", description: "Who the block belongs to" },
    { name: "ClaimTime", path: ".spec.affinityClaimTime", type: "date", description: "Since when" },
  ],
  example: {
    cidr: "192.168.0.0/30",
    affinity: "host:node-1",
    allocations: [null, 0, null, null],
    unallocated: [2, 3, 0],
    attributes: [
      { handle_id: "k8s-pod-network.0123abcd", secondary: { namespace: "shop", pod: "web-0", node: "node-1" } },
    ],
    sequenceNumber: "1764000000000000001",
    sequenceNumberForAllocation: { "1": "1764000000000000000" },
  },
};

/** The value of a block's `affinity` when a node owns it. */
export function hostAffinity(node: NodeName): string {
  return `host:${node}`;
}

/** The handle of addresses that Windows keeps for itself in each of its blocks, in lower case as upstream compares it. */
export const windowsReservedHandle = "windows-reserved-ipam-handle";

/**
 * The handle of what a node holds for pods to come. No CNI network's name holds a colon, so it is no container's. It has no
 * IPAMHandle, as the one of Windows.
 */
export function reserveHandle(node: NodeName): string {
  return `${reservePrefix}${node}`;
}

/** True for an address that a node holds for pods to come, or has given to one and not yet named it here. */
export function isReserve({ handle_id }: Pick<AllocationAttribute, "handle_id">): boolean {
  return handle_id?.startsWith(reservePrefix) === true;
}

/** The node of which `isReserve` is true; undefined for any other address. */
export function reserveNodeOf({ handle_id }: Pick<AllocationAttribute, "handle_id">): NodeName | undefined {
  return handle_id?.startsWith(reservePrefix) ? (handle_id.slice(reservePrefix.length) as NodeName) : undefined;
}

/** False for a handle that has addresses and no IPAMHandle: a node's for pods to come, and the one of Windows, as upstream. */
export function hasRecord(handle: string): boolean {
  return handle.toLowerCase() !== windowsReservedHandle && !isReserve({ handle_id: handle });
}

const reservePrefix = "margay-reserve:";

/**
 * The pod that holds each address, one entry an address, in order; undefined where no pod does: it is free, it was given
 * back and cools down, or it is held for something else.
 */
export function podHoldersOf({
  spec: { allocations, attributes },
}: IpamBlock): readonly (NamespacedName | undefined)[] {
  const holders = attributes.map(({ secondary, releasedAt }) => {
    const [namespace, pod] = [secondary?.["namespace"], secondary?.["pod"]];
    return namespace && pod && releasedAt === undefined ? namespacedName(namespace, pod) : undefined;
  });
  return allocations.map((index) => (index === null ? undefined : holders[index]));
}

/** Throws InvalidObjectError. */
export function parseIpamBlock(json: unknown): IpamBlock {
  return parseObject(ipamBlock, json);
}
