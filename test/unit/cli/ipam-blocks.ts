import { type AllocationAttribute, type IpamBlock, reserveHandle } from "../../../src/api/ipam-block.ts";
import { assignFromBlock, newBlock } from "../../../src/ipam/block.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { node } from "../ipam/samples.ts";

/** A block of `node` whose first addresses are held by pods of namespace `default` on these nodes, in order. */
export function blockOf(cidr: string, holders: readonly (readonly [pod: string, node: string])[]): IpamBlock {
  const empty = newBlock(parseCidr(cidr), { node, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 7n });
  return holders.reduce((now, [pod, holder]) => {
    const attributes = { pod, namespace: "default", node: holder };
    return assignFromBlock(now, { handle: `k8s-pod-network.${pod}`, count: 1, attributes }).block;
  }, empty);
}

/** What stands beside an address that `node` holds for pods to come. */
export const reserve: AllocationAttribute = { handle_id: reserveHandle(node), secondary: { node } };

/** The block with the attribute of its first address replaced. */
export function withFirstAttribute(block: IpamBlock, attribute: AllocationAttribute): IpamBlock {
  return { ...block, spec: { ...block.spec, attributes: [attribute, ...block.spec.attributes.slice(1)] } };
}

/** The block, nobody's any more. */
export function ownerless(block: IpamBlock): IpamBlock {
  const { affinity: _, ...spec } = block.spec;
  return { ...block, spec };
}
