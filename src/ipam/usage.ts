import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import { type Cidr, cidrContains, cidrSize, firstIp } from "../net/cidr.ts";
import { compareIps, type Ip } from "../net/ip.ts";
import { allocationsOf, countsOf } from "./block.ts";

/** How full a range of addresses is. */
export interface Usage {
  readonly cidr: Cidr;
  readonly total: bigint;
  readonly used: bigint;
  readonly free: bigint;
}

/** A pool and the blocks in it, in order of address. */
export interface PoolUsage extends Usage {
  readonly blocks: readonly Usage[];
}

/** What is in use in each pool, and in the blocks that lie in no pool any more. */
export function usageOf(
  pools: readonly IpPool[],
  blocks: readonly IpamBlock[],
): { readonly pools: readonly PoolUsage[]; readonly orphans: readonly Usage[] } {
  const inPool = (pool: IpPool) => blocks.filter((block) => cidrContains(pool.spec.cidr, block.spec.cidr));
  const orphans = blocks.filter((block) => !pools.some((pool) => cidrContains(pool.spec.cidr, block.spec.cidr)));
  return { pools: pools.map((pool) => poolUsage(pool, inPool(pool))).toSorted(byCidr), orphans: blockUsages(orphans) };
}

/** An address that a pod of one node holds in a block of another, or of nobody. */
export interface BorrowedAddress {
  readonly ip: Ip;
  readonly borrower: string;
  readonly block: Cidr;
  /** Empty when the block is nobody's. */
  readonly owner: string;
  /** `pod`, or what the allocation says of itself. */
  readonly type: string;
  /** `namespace/pod`; empty for what is not a pod's. */
  readonly holder: string;
}

/** Every borrowed address, in order; one whose allocation names no node is left out, as nobody can tell. */
export function borrowedAddresses(blocks: readonly IpamBlock[]): readonly BorrowedAddress[] {
  return blocks.flatMap(borrowedFrom).toSorted((a, b) => compareIps(a.ip, b.ip));
}

// --- internal ---

function poolUsage(pool: IpPool, blocks: readonly IpamBlock[]): PoolUsage {
  const { cidr } = pool.spec;
  const usages = blockUsages(blocks);
  const total = cidrSize(cidr);
  const used = usages.reduce((sum, block) => sum + block.used, 0n);
  return { cidr, total, used, free: total - used, blocks: usages };
}

function blockUsages(blocks: readonly IpamBlock[]): readonly Usage[] {
  const usages = blocks.map((block) => {
    const { total, used, free } = countsOf(block);
    return { cidr: block.spec.cidr, total: BigInt(total), used: BigInt(used), free: BigInt(free) };
  });
  return usages.toSorted(byCidr);
}

function byCidr(a: Usage, b: Usage): number {
  return compareIps(firstIp(a.cidr), firstIp(b.cidr));
}

function borrowedFrom(block: IpamBlock): readonly BorrowedAddress[] {
  const { cidr, affinity = "" } = block.spec;
  const owner = affinity.slice(affinity.indexOf(":") + 1);
  return allocationsOf(block).flatMap(({ ip, attribute }) => {
    const said = new Map(Object.entries(attribute.secondary ?? {}));
    const borrower = said.get("node");
    if (borrower === undefined || borrower === owner) return [];
    const pod = said.get("pod");
    const holder = pod === undefined ? "" : `${said.get("namespace") ?? ""}/${pod}`;
    return [{ ip, borrower, block: cidr, owner, type: pod === undefined ? (said.get("type") ?? "") : "pod", holder }];
  });
}
