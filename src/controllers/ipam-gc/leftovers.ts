/** What crashes, and nodes that went, leave behind of blocks, affinities and handles: what to tidy up, in the order to do it. */
import type { BlockAffinity } from "../../api/block-affinity.ts";
import { hostAffinity, type IpamBlock } from "../../api/ipam-block.ts";
import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, cidrVersion } from "../../net/cidr.ts";
import { silenceNeededMs } from "./agent-sightings.ts";
import { holdingsOf } from "./candidates.ts";
import { handleFaults } from "./handle-faults.ts";

/** One thing to do; each is checked once more against the present by whoever does it. */
export type Chore =
  | { readonly kind: "end-cooldowns"; readonly cidr: Cidr }
  | { readonly kind: "repair-handle"; readonly handle: string }
  | { readonly kind: "delete-orphan"; readonly cidr: Cidr }
  /**
   * `gone`: only if the Node object is gone, and then though other nodes' addresses are in the block. Otherwise only if the
   * block is empty; one in use stays, and its claim is made whole.
   */
  | { readonly kind: "release-block"; readonly cidr: Cidr; readonly node: NodeName; readonly gone: boolean };

/** What looked left over, and since when without a change, in milliseconds of the caller's monotonic clock. */
export type SeenLeftovers = ReadonlyMap<string, number>;

/** As much of a snapshot as it takes. */
export type LeftoversView = Pick<Snapshot, "ipamBlock" | "blockAffinity" | "ipamHandle" | "ipamConfiguration" | "node">;

/** What is left over now, and what of it is to be done: it was there at an earlier pass, as it is now, and that long ago. */
export function findLeftovers(
  view: LeftoversView,
  known: SeenLeftovers,
  { graceMs, nowMs, silentMs }: { graceMs: number; nowMs: number; silentMs: (node: NodeName) => number },
): { readonly seen: SeenLeftovers; readonly chores: readonly Chore[] } {
  const found = graceMs > 0 ? [...blockLeftovers(view), ...handleLeftovers(view)] : handleLeftovers(view);
  const seen = new Map(found.map(({ key }) => [key, known.get(key) ?? nowMs]));
  const due = found.filter(({ key, chore }) => {
    const since = known.get(key);
    if (since === undefined) return false;
    if (chore.kind === "repair-handle") return nowMs - since >= handleRestMs;
    return (
      nowMs - since >= graceMs &&
      (chore.kind !== "release-block" || !chore.gone || silentMs(chore.node) >= silenceNeededMs(graceMs))
    );
  });
  return { seen, chores: [...cooling(view), ...due.map(({ chore }) => chore)] };
}

/** Every node that a block or an affinity belongs to. */
export function ownersOf(view: Pick<Snapshot, "ipamBlock" | "blockAffinity">): ReadonlySet<NodeName> {
  return new Set(claimsOf(view).map(({ node }) => node));
}

// --- internal ---

/** The record of a handle follows its block's write, or goes with it: between the two there is no fault. */
const handleRestMs = 60_000;

interface Leftover {
  /** Names this state of the thing: another when it has changed. */
  readonly key: string;
  readonly chore: Chore;
}

/** A node's claim: an affinity, a block that says that it is the node's, or both. */
interface Claim {
  readonly node: NodeName;
  readonly cidr: Cidr;
  /** The block, when it is this node's. */
  readonly block: IpamBlock | undefined;
  /** The revision of the affinity. */
  readonly affinity: string | undefined;
  readonly state: BlockAffinity["spec"]["state"] | undefined;
}

function cooling({ ipamBlock }: LeftoversView): readonly Chore[] {
  const cools = ({ spec }: IpamBlock) => spec.attributes.some(({ releasedAt }) => releasedAt !== undefined);
  return [...ipamBlock.values()].filter(cools).map(({ spec }) => ({ kind: "end-cooldowns", cidr: spec.cidr }));
}

function handleLeftovers(view: LeftoversView): readonly Leftover[] {
  return handleFaults(view).map(({ handle, state }) => ({
    key: JSON.stringify(["handle", handle, state]),
    chore: { kind: "repair-handle", handle },
  }));
}

function blockLeftovers(view: LeftoversView): readonly Leftover[] {
  const claims = claimsOf(view);
  const spare = spareBlocks(view, claims);
  return [
    ...[...view.ipamBlock.values()].filter(isOrphan).map((block): Leftover => {
      const { cidr, sequenceNumber } = block.spec;
      return { key: keyOf("orphan", cidr, sequenceNumber), chore: { kind: "delete-orphan", cidr } };
    }),
    ...claims.flatMap((claim) => {
      const { node, cidr, block, affinity } = claim;
      const gone = !view.node.has(node);
      if (gone ? holdsOwn(claim) : isWhole(claim) && !spare.has(claim)) return [];
      // An empty block must stay as it is; in one that is in use, only the claim is looked at.
      const contents = gone ? undefined : isEmpty(block) ? block?.spec.sequenceNumber : block && "used";
      const key = keyOf("claim", node, cidr, gone, affinity, contents);
      return [{ key, chore: { kind: "release-block", cidr, node, gone } as const }];
    }),
  ];
}

function claimsOf({ ipamBlock, blockAffinity }: Pick<Snapshot, "ipamBlock" | "blockAffinity">): readonly Claim[] {
  const claims = new Map<string, Claim>();
  const owned = new Map<string, IpamBlock>();
  for (const block of ipamBlock.values()) {
    const { affinity, cidr } = block.spec;
    if (block.spec.deleted || !affinity?.startsWith(host)) continue;
    const node = affinity.slice(host.length) as NodeName;
    owned.set(`${node} ${cidr}`, block);
    claims.set(`${node} ${cidr}`, { node, cidr, block, affinity: undefined, state: undefined });
  }
  for (const { metadata, spec } of blockAffinity.values()) {
    if (spec.deleted || spec.type !== "host") continue;
    const [node, cidr, key] = [spec.node as NodeName, spec.cidr, `${spec.node} ${spec.cidr}`];
    const affinity = metadata.resourceVersion ?? "";
    claims.set(key, { node, cidr, block: owned.get(key), affinity, state: spec.state });
  }
  return [...claims.values()];
}

/**
 * The empty blocks that their nodes can do without. A node keeps one block of each family, full or empty; and all of
 * them when it may not claim another.
 */
function spareBlocks({ ipamConfiguration }: LeftoversView, claims: readonly Claim[]): ReadonlySet<Claim> {
  if (ipamConfiguration.get("default")?.spec.autoAllocateBlocks === false) return new Set();
  const byNode = Map.groupBy(claims.filter(isWhole), ({ node, cidr }) => `${node} ${cidrVersion(cidr)}`);
  const kept = [...byNode.values()].map((own) => own.find(({ block }) => !isEmpty(block)) ?? own[0]);
  return new Set(claims.filter((claim) => isEmpty(claim.block) && !kept.includes(claim)));
}

/** Whether both records say so: nothing of a claim, or of its end, is half done. */
function isWhole({ block, state }: Claim): boolean {
  return block !== undefined && state === "confirmed";
}

function isOrphan(block: IpamBlock): boolean {
  return !block.spec.deleted && block.spec.affinity === undefined && isEmpty(block);
}

function isEmpty(block: IpamBlock | undefined): boolean {
  return block?.spec.allocations.every((index) => index === null) ?? false;
}

/** Whether the node's own addresses are still in its block: they go first, each by its own evidence. */
function holdsOwn({ node, block }: Claim): boolean {
  return block !== undefined && holdingsOf([block]).some((one) => one.node === node);
}

function keyOf(...parts: readonly (string | bigint | boolean | undefined)[]): string {
  return JSON.stringify(parts.map(String));
}

const host = hostAffinity("" as NodeName);
