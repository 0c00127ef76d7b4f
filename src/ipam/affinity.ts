/**
 * A node's claims on blocks. A claim is made in steps, so that a crash leaves something that says whose it was:
 *
 *     affinity "pending"  ->  block created  ->  no other block overlaps it  ->  affinity "confirmed"
 *
 * Only the block's creation decides who owns it, and nobody gives addresses from it before it is confirmed. Every function
 * here may be repeated after a crash at any call.
 */
import type { BlockAffinity } from "../api/block-affinity.ts";
import { InvalidObjectError } from "../api/invalid-object-error.ts";
import { hostAffinity, type IpamBlock } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import { type Cidr, cidrsOverlap } from "../net/cidr.ts";
import { type BlockClaim, changedBlock, hasRoom, isEmptyBlock, newBlock, type OrdinalTest } from "./block.ts";
import { affinityName } from "./object-names.ts";
import type { IpamStore, Stored } from "./store.ts";

/** Which block to claim, for whom. */
export interface AffinityClaim extends BlockClaim {
  readonly cidr: Cidr;
}

const maxAdoptions = 8;

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
 * "taken" when it is another node's or being given up, or another block overlaps it, with our claim taken back.
 */
export async function claimBlock(store: IpamStore, claim: AffinityClaim): Promise<Stored<IpamBlock> | "taken"> {
  const pending = await markPending(store, claim);
  if (pending === "conflict") return "taken";
  const created = await store.blocks.put(claim.cidr, newBlock(claim.cidr, claim), undefined);
  return created === "conflict" ? adoptBlock(store, pending, claim.claimedAt) : settle(store, pending, created);
}

/**
 * Finishes a claim on a block that is there and is nobody's or this node's already; "taken" when it is neither, with the
 * claim taken back, and when somebody else was first. The block is written in any case: whoever was about to give it up as
 * it saw it comes too late. Without `claimedAt` only a block that is this node's already is taken.
 */
export async function adoptBlock(
  store: IpamStore,
  claim: Stored<BlockAffinity>,
  claimedAt?: string,
): Promise<Stored<IpamBlock> | "taken"> {
  const { cidr } = claim.value.spec;
  const node = claim.value.spec.node as NodeName;
  for (let tries = 0; tries < maxAdoptions; tries++) {
    const block = await readBlock(store, cidr);
    const own = block && ownedBlock(block.value, node, claimedAt);
    if (block === undefined || own === undefined) {
      // A conflict here means that somebody has taken the claim further; then it is theirs to finish.
      await store.affinities.remove({ node, cidr }, claim.revision);
      return "taken";
    }
    const written = await store.blocks.put(cidr, own, block.revision);
    if (written !== "conflict") return settle(store, claim, written);
  }
  return "taken";
}

/** Our affinity for the block, new or turned back to what is not confirmed yet. */
export async function markPending(
  store: IpamStore,
  { node, cidr }: Pick<AffinityClaim, "node" | "cidr">,
): Promise<Stored<BlockAffinity> | "conflict"> {
  const key = { node, cidr };
  const created = await store.affinities.put(key, newAffinity({ node, cidr, state: "pending" }), undefined);
  if (created !== "conflict") return created;
  const existing = await store.affinities.get(key);
  if (existing === undefined) return "conflict";
  if (existing.value.spec.state === "pending") return existing;
  return store.affinities.put(key, withState(existing.value, "pending"), existing.revision);
}

/**
 * Whether addresses may be given from a block that was just read: it is nobody's, or its claim is confirmed, and so it has
 * been found not to overlap any other. Asked after the block was read.
 */
export async function isConfirmed(store: IpamStore, { spec }: IpamBlock): Promise<boolean> {
  if (spec.affinity === undefined) return true;
  if (!spec.affinity.startsWith("host:")) return false;
  const node = spec.affinity.slice("host:".length) as NodeName;
  return (await store.affinities.get({ node, cidr: spec.cidr }))?.value.spec.state === "confirmed";
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

/**
 * Confirms the claim on a block that is ours, unless another block overlaps it. Blocks of other sizes have other names, so
 * the API server makes both; but each is made before it is looked for others, so that of two at least one is found.
 */
async function settle(
  store: IpamStore,
  claim: Stored<BlockAffinity>,
  block: Stored<IpamBlock>,
): Promise<Stored<IpamBlock> | "taken"> {
  const { cidr } = block.value.spec;
  const others = (await store.blockNetworks()).filter((other) => other !== cidr && cidrsOverlap(other, cidr));
  if (others.length === 0) return (await confirm(store, claim)) ? block : "taken";
  // One that is in use, or that another process of this node has taken up meanwhile, stays as it is.
  if (isEmptyBlock(block.value) && (await store.blocks.remove(cidr, block.revision)) === "removed") {
    await store.affinities.remove({ node: claim.value.spec.node as NodeName, cidr }, claim.revision);
  }
  return "taken";
}

/** The block as this node's; undefined when it is another's. */
function ownedBlock(block: IpamBlock, node: NodeName, claimedAt: string | undefined): IpamBlock | undefined {
  if (isOwnedBy(block, node)) return changedBlock(block, {});
  if (block.spec.affinity !== undefined || claimedAt === undefined) return undefined;
  return changedBlock(block, { affinity: hostAffinity(node), affinityClaimTime: claimedAt });
}

async function loadBlock(
  store: IpamStore,
  node: NodeName,
  affinity: Stored<BlockAffinity>,
): Promise<Stored<IpamBlock> | undefined> {
  const { cidr, state } = affinity.value.spec;
  if (state === "pending") {
    const block = await adoptBlock(store, affinity);
    return block === "taken" ? undefined : block;
  }
  if (state !== "confirmed") return undefined;
  const block = await readBlock(store, cidr);
  if (block === undefined || !isOwnedBy(block.value, node)) return undefined;
  // Once more, now that it was read: it may have been given up and made again since the claims were listed.
  return (await isConfirmed(store, block.value)) ? block : undefined;
}

/** True when the claim is confirmed, by us or by another process of this node. */
async function confirm(store: IpamStore, { value, revision }: Stored<BlockAffinity>): Promise<boolean> {
  const key = { node: value.spec.node as NodeName, cidr: value.spec.cidr };
  if ((await store.affinities.put(key, withState(value, "confirmed"), revision)) !== "conflict") return true;
  return (await store.affinities.get(key))?.value.spec.state === "confirmed";
}

function withState(affinity: BlockAffinity, state: BlockAffinity["spec"]["state"]): BlockAffinity {
  return { ...affinity, spec: { ...affinity.spec, state } };
}
