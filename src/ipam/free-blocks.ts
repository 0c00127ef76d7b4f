/** Which blocks a node may make its own, as values; nothing here reads or writes. */
import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import { type Cidr, cidrsOverlap, prefixLength } from "../net/cidr.ts";
import { isOwnedBy } from "./affinity.ts";
import { hasRoom, isEmptyBlock } from "./block.ts";
import { blockCount, blockOrder, shuffled } from "./block-order.ts";
import { endCooldownsIn } from "./block-release.ts";
import type { NodeContext } from "./node-context.ts";
import { allocatability } from "./pool-allocatability.ts";
import { poolOfBlock, selectsNode } from "./pools.ts";
import { msOfTimestamp } from "./timestamp.ts";

/** What is known of the cluster's blocks: maybe a little old, and those that this node works with. */
export interface KnownBlocks {
  readonly blocks: readonly IpamBlock[];
  readonly mine: ReadonlyMap<Cidr, unknown>;
}

/** An empty block of another node. */
export interface ReclaimableBlock {
  readonly node: NodeName;
  readonly cidr: Cidr;
  /** What the block's number was when it was seen to be empty. */
  readonly sequenceNumber: bigint;
}

/** First what is ours already but was never confirmed, then what nobody has. Wholly reserved blocks are left out. */
export function* claimableBlocks(
  pools: readonly IpPool[],
  { blocks, mine }: KnownBlocks,
  context: NodeContext,
): Generator<Cidr> {
  for (const block of blocks) {
    const { cidr } = block.spec;
    const isLost = isOwnedBy(block, context.node) && !mine.has(cidr) && poolOfBlock(pools, cidr) !== undefined;
    if (isLost && canGive(block, context)) yield cidr;
  }
  const cidrs = [...blocks.map(({ spec }) => spec.cidr), ...mine.keys()] as readonly Cidr[];
  for (const pool of pools) yield* freeBlocks(pool, cidrs, context);
  for (const block of blocks) {
    const isNobodys = block.spec.affinity === undefined && poolOfBlock(pools, block.spec.cidr) !== undefined;
    if (isNobodys && isEmptyBlock(rested(block, context)) && canGive(block, context)) yield block.spec.cidr;
  }
}

/** Whether a node could claim a block in this pool. */
export function hasFreeBlock(pool: IpPool, blocks: readonly IpamBlock[], context: NodeContext): boolean {
  return (
    claimableBlocks([pool], { blocks, mine: new Map() }, { ...context, node: "" as NodeName }).next().done !== true
  );
}

/**
 * Blocks that other nodes hold without need, in an order of this node's own. One that was claimed within the last minute
 * is left alone, or two nodes could take it from each other before either has used it.
 */
export function reclaimableBlocks(
  pools: readonly IpPool[],
  { blocks, mine }: KnownBlocks,
  context: NodeContext,
): readonly ReclaimableBlock[] {
  const found = blocks.flatMap((block): ReclaimableBlock[] => {
    const { cidr, affinity = "", sequenceNumber } = block.spec;
    if (!affinity.startsWith("host:") || isOwnedBy(block, context.node)) return [];
    if (mine.has(cidr) && hasRoom(block)) return [];
    if (poolOfBlock(pools, cidr) === undefined || !isEmptyBlock(rested(block, context))) return [];
    if (!isOld(block, context) || !canGive(block, context)) return [];
    return [{ node: affinity.slice("host:".length) as NodeName, cidr, sequenceNumber }];
  });
  return shuffled(found, context.node, ({ cidr }) => cidr);
}

/** The node's empty blocks in pools that give addresses, but not to this node any more. */
export function unselectedBlocks(own: readonly IpamBlock[], context: NodeContext): readonly Cidr[] {
  return own.flatMap((block) => {
    const pools = context.pools.filter((pool) => allocatability(pool, context.pools).status === "True");
    const pool = poolOfBlock(pools, block.spec.cidr);
    if (pool === undefined || selectsNode(pool, context.nodeLabels) || !isOld(block, context)) return [];
    return isEmptyBlock(rested(block, context)) ? [block.spec.cidr] : [];
  });
}

// --- internal ---

const minAgeMs = 60_000;

/** A block that does not say since when it is somebody's is of an old version of upstream's, and old. */
function isOld({ spec }: IpamBlock, { nowMs }: NodeContext): boolean {
  const claimedMs = spec.affinityClaimTime === undefined ? undefined : msOfTimestamp(spec.affinityClaimTime);
  return claimedMs === undefined || nowMs - claimedMs >= minAgeMs;
}

function rested(block: IpamBlock, { nowMs, limits }: NodeContext): IpamBlock {
  return endCooldownsIn(block, { nowMs, cooldownSeconds: limits.cooldownSeconds });
}

function canGive(block: IpamBlock, context: NodeContext): boolean {
  return hasRoom(rested(block, context), context.reservations.ofBlock(block.spec.cidr)?.isReserved);
}

function* freeBlocks(pool: IpPool, cidrs: readonly Cidr[], { node, reservations }: NodeContext): Generator<Cidr> {
  const { cidr, blockSize } = pool.spec;
  const open = reservations.openIn(cidr);
  const inside = cidrs.filter((block) => cidrsOverlap(cidr, block));
  const taken = new Set(inside.filter((block) => prefixLength(block) === blockSize));
  const others = inside.filter((block) => prefixLength(block) !== blockSize);
  if (open === undefined && BigInt(taken.size) === blockCount(pool)) return;
  for (const block of blockOrder(pool, node, open)) {
    if (!taken.has(block) && !others.some((other) => cidrsOverlap(block, other))) yield block;
  }
}
