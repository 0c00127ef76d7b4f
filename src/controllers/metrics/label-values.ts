/** What stands in labels: names of objects that there are, and upstream's words for none, so that their number is bounded. */
import { hostAffinity } from "../../api/ipam-block.ts";
import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { addressRange } from "../../ipam/block-order.ts";
import { type Cidr, cidrVersion } from "../../net/cidr.ts";

export const unknownNode = "unknown_node";
export const noAffinity = "no_affinity";
export const noPool = "no_ippool";

/** The Nodes, and those deleted ones that own blocks still; any other name is `unknownNode`: a record may say anything. */
export function nodeLabels({
  node,
  ipamBlock,
}: Pick<Snapshot, "node" | "ipamBlock">): (name: string | undefined) => string {
  const owners = [...ipamBlock.values()].map(({ spec }) => ownerOf(spec.affinity));
  const known = new Set<string | undefined>([...node.keys(), ...owners]);
  return (name) => (name !== undefined && known.has(name) ? name : unknownNode);
}

/** The pool that a block lies in, by name. */
export function poolLabels({ ipPool }: Pick<Snapshot, "ipPool">): (block: Cidr) => string {
  const pools = [...ipPool.values()].map(({ metadata: { name }, spec: { cidr } }) => {
    return { name, version: cidrVersion(cidr), ...addressRange(cidr) };
  });
  return (block) => {
    const [version, { first, end }] = [cidrVersion(block), addressRange(block)];
    const found = pools.find((pool) => pool.version === version && pool.first <= first && end <= pool.end);
    return found?.name ?? noPool;
  };
}

/** The node that a block belongs to. */
export function ownerOf(affinity: string | undefined): string | undefined {
  return affinity?.startsWith(host) ? affinity.slice(host.length) : undefined;
}

// --- internal ---

const host = hostAffinity("" as NodeName);
