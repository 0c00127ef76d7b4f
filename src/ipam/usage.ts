import type { IpPool } from "../api/ip-pool.ts";
import { type IpamBlock, isReserve } from "../api/ipam-block.ts";
import { type Cidr, cidrContains, cidrContainsIp, cidrSize, cidrsOverlap, firstIp } from "../net/cidr.ts";
import { compareIps, type Ip } from "../net/ip.ts";
import { type Allocation, allocationsOf } from "./block.ts";

/** How full a range of addresses is. An address that was given out before it was reserved counts as both. */
export interface Usage {
  readonly cidr: Cidr;
  readonly total: bigint;
  /** Given out, held for pods to come, or given back and cooling down. */
  readonly used: bigint;
  /** Of `used`: what nodes hold for pods to come. */
  readonly held: bigint;
  /** Of an IPReservation. */
  readonly reserved: bigint;
  /** Neither. */
  readonly free: bigint;
}

/** One block, and whose it is. */
export interface BlockUsage extends Usage {
  /** `host:NODE` or `virtual:NAME`; undefined when it is nobody's. */
  readonly affinity: string | undefined;
}

/** A pool and the blocks in it, in order of address. */
export interface PoolUsage extends Usage {
  readonly name: string;
  readonly blocks: readonly BlockUsage[];
}

/** What the cluster says, as far as usage goes. */
export interface UsageFacts {
  readonly pools: readonly IpPool[];
  readonly blocks: readonly IpamBlock[];
  readonly reserved: readonly Cidr[];
}

/** What is in use in each pool, and in the blocks that lie in no pool any more. */
export function usageOf({ pools, blocks, reserved }: UsageFacts): {
  readonly pools: readonly PoolUsage[];
  readonly orphans: readonly BlockUsage[];
} {
  const apart = withoutContained(reserved);
  const inPool = (pool: IpPool) => blocks.filter((block) => cidrContains(pool.spec.cidr, block.spec.cidr));
  const orphans = blocks.filter((block) => !pools.some((pool) => cidrContains(pool.spec.cidr, block.spec.cidr)));
  return {
    pools: pools.map((pool) => poolUsage(pool, inPool(pool), apart)).toSorted(byCidr),
    orphans: orphans.map((block) => blockUsage(block, apart)).toSorted(byCidr),
  };
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

/** Every borrowed address, in order; of those whose allocation names no node nobody can tell: they are counted. */
export function borrowedAddresses(blocks: readonly IpamBlock[]): {
  readonly borrowed: readonly BorrowedAddress[];
  readonly unclassified: number;
} {
  const held = blocks.flatMap(allocationsOf).filter(({ attribute }) => attribute.releasedAt === undefined);
  return {
    borrowed: blocks.flatMap(borrowedFrom).toSorted((a, b) => compareIps(a.ip, b.ip)),
    unclassified: held.filter(({ attribute }) => attribute.secondary?.["node"] === undefined).length,
  };
}

// --- internal ---

function poolUsage(pool: IpPool, blocks: readonly IpamBlock[], reserved: readonly Cidr[]): PoolUsage {
  const usages = blocks.map((block) => blockUsage(block, reserved)).toSorted(byCidr);
  const used = blocks.flatMap(allocationsOf);
  return { name: pool.metadata.name, ...usage(pool.spec.cidr, used, reserved), blocks: usages };
}

function blockUsage(block: IpamBlock, reserved: readonly Cidr[]): BlockUsage {
  return { ...usage(block.spec.cidr, allocationsOf(block), reserved), affinity: block.spec.affinity };
}

function usage(cidr: Cidr, allocations: readonly Allocation[], reservations: readonly Cidr[]): Usage {
  const inside = reservations.filter((one) => cidrsOverlap(cidr, one));
  const total = cidrSize(cidr);
  const reserved = inside.reduce((sum, one) => sum + (cidrContains(one, cidr) ? total : cidrSize(one)), 0n);
  const both = allocations.filter(({ ip }) => inside.some((one) => cidrContainsIp(one, ip))).length;
  const used = BigInt(allocations.length);
  const held = BigInt(allocations.filter(({ attribute }) => isReserve(attribute)).length);
  return { cidr, total, used, held, reserved, free: total - used - reserved + BigInt(both) };
}

/** The same addresses in networks of which none holds another, so that nothing is counted twice. */
function withoutContained(cidrs: readonly Cidr[]): readonly Cidr[] {
  const once = [...new Set(cidrs)];
  return once.filter((inner) => !once.some((outer) => outer !== inner && cidrContains(outer, inner)));
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
    if (borrower === undefined || borrower === owner || attribute.releasedAt !== undefined) return [];
    const pod = said.get("pod");
    const holder = pod === undefined ? "" : `${said.get("namespace") ?? ""}/${pod}`;
    return [{ ip, borrower, block: cidr, owner, type: pod === undefined ? (said.get("type") ?? "") : "pod", holder }];
  });
}
