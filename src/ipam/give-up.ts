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
import { isOwnedBy, newAffinity } from "./affinity.ts";
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
  const [affinity, block] = await Promise.all([store.affinities.get({ node, cidr }), store.blocks.get(cidr)]);
  if (block !== undefined && !isOwnedBy(block.value, node)) {
    if ((await removeAffinity(store, affinity)) === "conflict") return "conflict";
    return block.value.spec.affinity === undefined ? "orphaned" : "kept";
  }
  if (block !== undefined && mustStay(block.value, options)) return restoreClaim(store, affinity, options);
  const marked = affinity && (await mark(store, affinity));
  if (marked === "conflict") return "conflict";
  if (marked !== affinity && block === undefined) {
    // A node that was just making the block may have done so before our mark made its claim void.
    if ((await store.blocks.get(cidr)) !== undefined) return "conflict";
  }
  const outcome = block === undefined ? "deleted" : await endBlock(store, block, options);
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

function mustStay(block: IpamBlock, { evenIfUsed, sequenceNumber, cooldown }: GiveUpOptions): boolean {
  if (sequenceNumber !== undefined && sequenceNumber !== block.spec.sequenceNumber) return true;
  return !evenIfUsed && !isEmptyBlock(endCooldownsIn(block, cooldown));
}

/** Makes the claim on a block that stays say so: an earlier try, or a crash, may have marked it or taken it away. */
async function restoreClaim(
  store: IpamStore,
  affinity: Stored<BlockAffinity> | undefined,
  { node, cidr }: GiveUpOptions,
): Promise<"kept" | "conflict"> {
  if (affinity !== undefined && affinity.value.spec.state !== "pendingDeletion") return "kept";
  const restored =
    affinity === undefined
      ? await store.affinities.put({ node, cidr }, newAffinity({ node, cidr, state: "confirmed" }), undefined)
      : await putState(store, affinity, "confirmed");
  return restored === "conflict" ? "conflict" : "kept";
}

async function mark(store: IpamStore, affinity: Stored<BlockAffinity>): Promise<Stored<BlockAffinity> | "conflict"> {
  return affinity.value.spec.state === "pendingDeletion" ? affinity : putState(store, affinity, "pendingDeletion");
}

function putState(store: IpamStore, { value, revision }: Stored<BlockAffinity>, state: BlockAffinity["spec"]["state"]) {
  const key = { node: value.spec.node as NodeName, cidr: value.spec.cidr };
  return store.affinities.put(key, { ...value, spec: { ...value.spec, state } }, revision);
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

async function removeAffinity(
  store: IpamStore,
  affinity: Stored<BlockAffinity> | undefined,
): Promise<"removed" | "conflict"> {
  if (affinity === undefined) return "removed";
  const { node, cidr } = affinity.value.spec;
  return store.affinities.remove({ node: node as NodeName, cidr }, affinity.revision);
}
