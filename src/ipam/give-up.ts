/**
 * Giving blocks up, in two steps, so that a crash leaves something that says what was going on:
 *
 *     affinity "pendingDeletion"  ->  block deleted, or made nobody's  ->  affinity deleted
 *
 * Only the block decides whose it is, and every write names the revision that was looked at. Each function answers
 * "conflict" when somebody was first, and may then, or after a crash at any call, be called again.
 */
import type { BlockAffinity } from "../api/block-affinity.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import type { Cidr } from "../net/cidr.ts";
import { adoptBlock, isOwnedBy, markPending, newAffinity } from "./affinity.ts";
import { changedBlock, isEmptyBlock } from "./block.ts";
import { type Cooldown, endCooldownsIn } from "./block-release.ts";
import type { IpamStore, Stored } from "./store.ts";

/** Which block to give up, and when not to. */
export interface GiveUpOptions {
  readonly node: NodeName;
  readonly cidr: Cidr;
  /** Also when addresses are in use: they stay, in a block that is nobody's any more. */
  readonly evenIfUsed: boolean;
  /** Only the block as it was when it had this number; any when undefined. */
  readonly sequenceNumber?: bigint;
  readonly cooldown: Cooldown;
}

/** What became of the block. */
export type GivenUp = "deleted" | "orphaned" | "kept";

/** Ends a node's claim on a block. Rejects as the store does, also when the block cannot be read. */
export async function giveUpBlock(store: IpamStore, options: GiveUpOptions): Promise<GivenUp | "conflict"> {
  const { node, cidr } = options;
  // In this order: a claim that is made meanwhile then has another revision.
  const affinity = await store.affinities.get({ node, cidr });
  const block = await store.blocks.get(cidr);
  const isOwn = block !== undefined && isOwnedBy(block.value, node);
  if (isOwn && mustStay(block.value, options)) return restoreClaim(store, affinity, options);
  // A block that is the node's without a claim gets a marked one, so that the node cannot confirm one meanwhile.
  if (affinity === undefined && !isOwn) return withoutClaim(block);
  const marked = await mark(store, affinity, options);
  if (marked === "conflict") return "conflict";
  if (!isOwn) {
    // A node that was just taking the block may have done so before our mark made its claim void.
    const now = await store.blocks.get(cidr);
    if (now !== undefined && isOwnedBy(now.value, node)) return "conflict";
  }
  const outcome = isOwn ? await endBlock(store, block, options) : withoutClaim(block);
  if (outcome === "conflict") return "conflict";
  // A conflict here means that the node claims anew, what is gone or not.
  await removeAffinity(store, marked);
  return outcome;
}

/** Removes a block that is nobody's and empty. */
export async function deleteOrphanBlock(
  store: IpamStore,
  cidr: Cidr,
  cooldown: Cooldown,
): Promise<"deleted" | "kept" | "conflict"> {
  const block = await store.blocks.get(cidr);
  if (block === undefined) return "deleted";
  if (block.value.spec.affinity !== undefined || !isEmptyBlock(endCooldownsIn(block.value, cooldown))) return "kept";
  return (await store.blocks.remove(cidr, block.revision)) === "conflict" ? "conflict" : "deleted";
}

// --- internal ---

/** What a block is to a node that has no claim on it. */
function withoutClaim(block: Stored<IpamBlock> | undefined): GivenUp {
  if (block === undefined) return "deleted";
  return block.value.spec.affinity === undefined ? "orphaned" : "kept";
}

function mustStay(block: IpamBlock, { evenIfUsed, sequenceNumber, cooldown }: GiveUpOptions): boolean {
  if (sequenceNumber !== undefined && sequenceNumber !== block.spec.sequenceNumber) return true;
  return !evenIfUsed && !isEmptyBlock(endCooldownsIn(block, cooldown));
}

/** Makes the claim on a block that stays say so: an earlier try, or a crash, may have left it half made or half undone. */
async function restoreClaim(
  store: IpamStore,
  affinity: Stored<BlockAffinity> | undefined,
  options: GiveUpOptions,
): Promise<"kept" | "conflict"> {
  if (affinity?.value.spec.state === "confirmed") return "kept";
  const pending = await markPending(store, options);
  if (pending === "conflict" || (await adoptBlock(store, pending)) === "taken") return "conflict";
  return "kept";
}

async function mark(
  store: IpamStore,
  affinity: Stored<BlockAffinity> | undefined,
  { node, cidr }: GiveUpOptions,
): Promise<Stored<BlockAffinity> | "conflict"> {
  const state = "pendingDeletion";
  if (affinity === undefined)
    return store.affinities.put({ node, cidr }, newAffinity({ node, cidr, state }), undefined);
  const { value, revision } = affinity;
  // Also when it is marked already: the node may have claimed anew since it was read.
  return store.affinities.put({ node, cidr }, { ...value, spec: { ...value.spec, state } }, revision);
}

async function endBlock(
  store: IpamStore,
  { value, revision }: Stored<IpamBlock>,
  { cidr, cooldown }: GiveUpOptions,
): Promise<"deleted" | "orphaned" | "conflict"> {
  const rested = endCooldownsIn(value, cooldown);
  if (isEmptyBlock(rested)) {
    return (await store.blocks.remove(cidr, revision)) === "conflict" ? "conflict" : "deleted";
  }
  const orphan = changedBlock(rested, { affinity: undefined, affinityClaimTime: undefined });
  return (await store.blocks.put(cidr, orphan, revision)) === "conflict" ? "conflict" : "orphaned";
}

async function removeAffinity(store: IpamStore, { value, revision }: Stored<BlockAffinity>): Promise<void> {
  const { node, cidr } = value.spec;
  await store.affinities.remove({ node: node as NodeName, cidr }, revision);
}
