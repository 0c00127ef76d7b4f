/**
 * A node's claims on blocks. A claim is made in two steps, so that a crash leaves something that says whose it was:
 *
 *     affinity "pending"  ->  block created  ->  affinity "confirmed"
 *
 * Only the block's creation decides who owns it. Every function here may be repeated after a crash at any call.
 */
import type { BlockAffinity } from "../api/block-affinity.ts";
import { InvalidObjectError } from "../api/invalid-object-error.ts";
import { hostAffinity, type IpamBlock } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import type { Cidr } from "../net/cidr.ts";
import { type BlockClaim, changedBlock, hasRoom, newBlock, type OrdinalTest } from "./block.ts";
import { affinityName } from "./object-names.ts";
import type { IpamStore, Stored } from "./store.ts";

/** Which block to claim, for whom. */
export interface AffinityClaim extends BlockClaim {
  readonly cidr: Cidr;
}

/** True when the block belongs to the node. */
export function isOwnedBy(block: IpamBlock, node: NodeName): boolean {
  return block.spec.affinity === hostAffinity(node);
}

/** Whether a node may use addresses of the block though it is not its own: another node's or nobody's, never a load balancer's. */
export function mayBorrow({ spec }: IpamBlock, node: NodeName): boolean {
  if (spec.strictAffinity) return false;
  return spec.affinity === undefined || (spec.affinity.startsWith("host:") && spec.affinity !== hostAffinity(node));
}

/** Whether a node finds an address in the block that it may borrow. */
export function isLendable(block: IpamBlock, node: NodeName, isReserved?: OrdinalTest): boolean {
  return mayBorrow(block, node) && hasRoom(block, isReserved);
}

/**
 * The node's blocks as they stand, with claims that a crash left half made finished, or taken back where there is no
 * block. What is about to be given up is left out.
 */
export async function loadOwnBlocks(store: IpamStore, node: NodeName): Promise<readonly Stored<IpamBlock>[]> {
  const affinities = await store.affinitiesOf(node);
  const blocks = await Promise.all(affinities.map((affinity) => loadBlock(store, node, affinity)));
  return blocks.filter((block) => block !== undefined);
}

/**
 * Claims a block that is not there, is nobody's or is this node's already, and answers it once the claim is confirmed;
 * "taken" when it is another node's or being given up, with our claim taken back.
 */
export async function claimBlock(store: IpamStore, claim: AffinityClaim): Promise<Stored<IpamBlock> | "taken"> {
  const { node, cidr } = claim;
  const pending = await markPending(store, claim);
  if (pending === "conflict") return "taken";
  const created = await store.blocks.put(cidr, newBlock(cidr, claim), undefined);
  const block = created === "conflict" ? await adopt(store, claim) : created;
  if (block === undefined || !isOwnedBy(block.value, node)) {
    // A conflict here means that somebody has taken the claim further; then it is theirs to finish.
    await store.affinities.remove({ node, cidr }, pending.revision);
    return "taken";
  }
  return (await confirm(store, pending)) ? block : "taken";
}

/** A block as it is now. One that cannot be read is nobody's to use, and counts as none. */
export async function readBlock(store: IpamStore, cidr: Cidr): Promise<Stored<IpamBlock> | undefined> {
  try {
    return await store.blocks.get(cidr);
  } catch (error) {
    if (error instanceof InvalidObjectError) return undefined;
    throw error;
  }
}

/** A node's claim on a block. */
export function newAffinity({
  node,
  cidr,
  state,
}: Pick<AffinityClaim, "node" | "cidr"> & Pick<BlockAffinity["spec"], "state">): BlockAffinity {
  return {
    metadata: { name: affinityName({ node, cidr }), labels: {}, annotations: {} },
    spec: { state, node, type: "host", cidr, deleted: false },
  };
}

// --- internal ---

/** The block as it is now, made this node's if it is nobody's. */
async function adopt(store: IpamStore, claim: AffinityClaim): Promise<Stored<IpamBlock> | undefined> {
  const block = await readBlock(store, claim.cidr);
  if (block === undefined || block.value.spec.affinity !== undefined) return block;
  const { node, claimedAt: affinityClaimTime } = claim;
  const own = changedBlock(block.value, { affinity: hostAffinity(node), affinityClaimTime });
  const adopted = await store.blocks.put(claim.cidr, own, block.revision);
  return adopted === "conflict" ? readBlock(store, claim.cidr) : adopted;
}

async function loadBlock(
  store: IpamStore,
  node: NodeName,
  affinity: Stored<BlockAffinity>,
): Promise<Stored<IpamBlock> | undefined> {
  const { cidr, state } = affinity.value.spec;
  if (state !== "pending" && state !== "confirmed") return undefined;
  const block = await readBlock(store, cidr);
  if (block !== undefined && isOwnedBy(block.value, node)) {
    return state === "confirmed" || (await confirm(store, affinity)) ? block : undefined;
  }
  if (state === "pending") await store.affinities.remove({ node, cidr }, affinity.revision);
  return undefined;
}

/** Our affinity for the block, new or as it was; never one that is confirmed turned back. */
async function markPending(
  store: IpamStore,
  { node, cidr }: AffinityClaim,
): Promise<Stored<BlockAffinity> | "conflict"> {
  const key = { node, cidr };
  const created = await store.affinities.put(key, newAffinity({ node, cidr, state: "pending" }), undefined);
  if (created !== "conflict") return created;
  const existing = await store.affinities.get(key);
  if (existing === undefined) return "conflict";
  const { state } = existing.value.spec;
  if (state === "pending" || state === "confirmed") return existing;
  return store.affinities.put(key, withState(existing.value, "pending"), existing.revision);
}

/** True when the affinity is confirmed, by us or by another process of this node. */
async function confirm(store: IpamStore, affinity: Stored<BlockAffinity>): Promise<boolean> {
  const { value, revision } = affinity;
  if (value.spec.state === "confirmed") return true;
  const key = { node: value.spec.node as NodeName, cidr: value.spec.cidr };
  if ((await store.affinities.put(key, withState(value, "confirmed"), revision)) !== "conflict") return true;
  return (await store.affinities.get(key))?.value.spec.state === "confirmed";
}

function withState(affinity: BlockAffinity, state: BlockAffinity["spec"]["state"]): BlockAffinity {
  return { ...affinity, spec: { ...affinity.spec, state } };
}
