/** What of IPAM's records goes with a pool that is deleted, and what stands in the way. */
import type { BlockAffinity } from "../../api/block-affinity.ts";
import type { IpPool } from "../../api/ip-pool.ts";
import { hostAffinity, type IpamBlock, isReserve, reserveNodeOf, windowsReservedHandle } from "../../api/ipam-block.ts";
import type { NodeName } from "../../api/names.ts";
import { type Allocation, allocationsOf, isEmptyBlock } from "../../ipam/block.ts";
import { type Cidr, cidrContains, cidrsOverlap } from "../../net/cidr.ts";

/** What a deleted pool still has. */
export interface Drain {
  /** Nodes' empty blocks, and their claims on blocks that are not there. */
  readonly claims: readonly Claim[];
  /** Empty blocks that are nobody's. */
  readonly orphans: readonly Cidr[];
  /** Blocks with addresses that cool down. */
  readonly cooling: readonly Cidr[];
  /** What its deletion waits for, as a phrase; undefined when it is for nothing but the above. */
  readonly waitsFor: string | undefined;
}

interface Claim {
  readonly cidr: Cidr;
  readonly node: NodeName;
}

/** True for a network that goes with `pool`: it is of it, and of no pool that stays. */
export function goesWith(pool: IpPool, pools: readonly IpPool[]): (network: Cidr) => boolean {
  const staying = pools.filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined && metadata.name !== pool.metadata.name,
  );
  return (network) =>
    cidrsOverlap(pool.spec.cidr, network) && !staying.some(({ spec }) => cidrContains(spec.cidr, network));
}

/** What there is to do by these records, which may be a little old. */
export function planDrain(
  records: { readonly blocks: Iterable<IpamBlock>; readonly affinities: Iterable<BlockAffinity> },
  goes: (network: Cidr) => boolean,
): Drain {
  const blocks = [...records.blocks].filter(({ spec }) => !spec.deleted && goes(spec.cidr));
  const affinities = [...records.affinities].filter(({ spec }) => !spec.deleted && goes(spec.cidr));
  const [empty, full] = [blocks.filter(isEmptyBlock), blocks.filter((block) => !isEmptyBlock(block))];
  const inUse = new Set(full.map(({ spec }) => `${spec.affinity} ${spec.cidr}`));
  const claims = [
    ...empty.flatMap(({ spec }) => claimOf(spec.cidr, spec.affinity)),
    ...affinities
      .filter(({ spec }) => !inUse.has(`${spec.type}:${spec.node} ${spec.cidr}`))
      .flatMap(({ spec }) => claimOf(spec.cidr, `${spec.type}:${spec.node}`)),
  ];
  const foreign = [
    ...empty.flatMap(({ spec }) => (spec.affinity === undefined ? [] : [spec.affinity])),
    ...affinities.map(({ spec }) => `${spec.type}:${spec.node}`),
  ].filter((owner) => !owner.startsWith(host));
  return {
    claims: [...new Map(claims.map((claim) => [`${claim.node} ${claim.cidr}`, claim])).values()],
    orphans: empty.filter(({ spec }) => spec.affinity === undefined).map(({ spec }) => spec.cidr),
    cooling: full.filter((block) => allocationsOf(block).some(isCooling)).map(({ spec }) => spec.cidr),
    waitsFor: obstacle(full.flatMap(allocationsOf), foreign),
  };
}

// --- internal ---

const host = hostAffinity("" as NodeName);

function claimOf(cidr: Cidr, owner: string | undefined): readonly Claim[] {
  return owner?.startsWith(host) ? [{ cidr, node: owner.slice(host.length) as NodeName }] : [];
}

function obstacle(allocations: readonly Allocation[], foreign: readonly string[]): string | undefined {
  const cooling = allocations.filter(isCooling).length;
  const used = allocations.filter((one) => !isCooling(one) && !isWindowsOwn(one));
  // What is held for pods to come goes by itself, within seconds.
  const first = used.find(({ attribute }) => !isReserve(attribute)) ?? used[0];
  if (first !== undefined) {
    const count = used.length === 1 ? "1 address is" : `${used.length} addresses are`;
    return `${count} in use, for example ${first.ip} by ${holderText(first)}`;
  }
  if (cooling > 0) return `${cooling === 1 ? "1 address cools" : `${cooling} addresses cool`} down after use`;
  return foreign.length === 0 ? undefined : `${foreign[0]} has blocks in it`;
}

function isCooling({ attribute }: Allocation): boolean {
  return attribute.releasedAt !== undefined;
}

function isWindowsOwn({ attribute }: Allocation): boolean {
  return attribute.handle_id?.toLowerCase() === windowsReservedHandle;
}

function holderText({ attribute: { secondary = {}, handle_id } }: Allocation): string {
  const { pod, namespace } = secondary;
  if (pod !== undefined) return `pod ${namespace ?? ""}/${pod}`;
  const node = reserveNodeOf({ handle_id });
  if (node !== undefined) return `the reserve of node ${node}`;
  return handle_id === undefined ? "an unknown holder" : `handle ${handle_id}`;
}
