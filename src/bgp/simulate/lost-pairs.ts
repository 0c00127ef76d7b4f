import type { NodeName } from "../../api/names.ts";
import type { Cidr } from "../../net/cidr.ts";
import type { SimulatedNetwork } from "./simulate.ts";

/** Packets of `from` that do not reach `to`. */
export interface UnreachablePair {
  readonly from: NodeName;
  readonly to: NodeName;
  /** The blocks of `to` that are not reached. */
  readonly networks: readonly Cidr[];
}

/** Every ordered pair of nodes of which the first does not reach every block of the second. */
export function unreachablePairs({ blocks }: Pick<SimulatedNetwork, "blocks">): readonly UnreachablePair[] {
  const pairs = new Map<NodeName, Map<NodeName, Cidr[]>>();
  for (const { owner, network, unreachedFrom } of blocks) {
    for (const from of unreachedFrom) {
      const own = pairs.get(from) ?? new Map<NodeName, Cidr[]>();
      pairs.set(from, own.set(owner, [...(own.get(owner) ?? []), network]));
    }
  }
  return [...pairs].flatMap(([from, others]) => [...others].map(([to, networks]) => ({ from, to, networks })));
}

/**
 * The pairs that do not reach each other after a change although nothing of the kind was so before: what was out of reach
 * before is not the change's doing, and a node that goes away loses nothing.
 */
export function lostPairs(before: SimulatedNetwork, after: SimulatedNetwork): readonly UnreachablePair[] {
  const known = new Map(before.blocks.map((block) => [keyOf(block), new Set(block.unreachedFrom)]));
  const blocks = after.blocks.map((block) => ({
    ...block,
    unreachedFrom: block.unreachedFrom.filter((from) => !known.get(keyOf(block))?.has(from)),
  }));
  return unreachablePairs({ blocks });
}

// --- internal ---

function keyOf({ owner, network }: SimulatedNetwork["blocks"][number]): string {
  return `${owner} ${network}`;
}
