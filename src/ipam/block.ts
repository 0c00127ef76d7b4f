/** Arithmetic on one block. The data model is Calico's: an ordinal i stands for the i-th address of the block. */
import { type AllocationAttribute, hostAffinity, type IpamBlock, type IpamBlockSpec } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import { type Cidr, cidrContainsIp, cidrSize, firstIp } from "../net/cidr.ts";
import { type Ip, ipPlus } from "../net/ip.ts";
import { blockName } from "./object-names.ts";

/** Who claims a new block, and from which number its writes count. */
export interface BlockClaim {
  readonly node: NodeName;
  /** RFC 3339. */
  readonly claimedAt: string;
  /** Greater than any number that an earlier block of this CIDR can have had; nanoseconds since 1970 are. */
  readonly sequenceNumber: bigint;
}

/** What to take from a block, and what to keep beside it. */
export interface BlockRequest {
  readonly handle: string;
  readonly count: number;
  readonly attributes: Readonly<Record<string, string>>;
}

/** A block after a change, and the addresses that the change was about. */
export interface BlockChange {
  readonly block: IpamBlock;
  readonly ips: readonly Ip[];
}

/** One address in use. */
export interface Allocation {
  readonly ip: Ip;
  readonly attribute: AllocationAttribute;
}

/** An empty block owned by a node. Every address can be given, the first and the last too: pods have /32 routes. */
export function newBlock(cidr: Cidr, claim: BlockClaim): IpamBlock {
  const size = Number(cidrSize(cidr));
  return {
    metadata: { name: blockName(cidr), labels: {}, annotations: {} },
    spec: {
      cidr,
      affinity: hostAffinity(claim.node),
      affinityClaimTime: claim.claimedAt,
      allocations: new Array<number | null>(size).fill(null),
      unallocated: Array.from({ length: size }, (_, ordinal) => ordinal),
      attributes: [],
      sequenceNumber: claim.sequenceNumber,
      sequenceNumberForAllocation: {},
      deleted: false,
      strictAffinity: false,
    },
  };
}

/**
 * Takes up to `count` free addresses, the longest free first. Fewer are answered when there are no more;
 * the block is the same object when none could be taken.
 */
export function assignFromBlock(block: IpamBlock, request: BlockRequest): BlockChange {
  const { spec } = block;
  const ordinals = spec.unallocated.slice(0, request.count);
  if (ordinals.length === 0) return { block, ips: [] };
  const attribute: AllocationAttribute = { handle_id: request.handle, secondary: request.attributes };
  const known = spec.attributes.findIndex((other) => sameAttribute(other, attribute));
  const attributes = known < 0 ? [...spec.attributes, attribute] : spec.attributes;
  const index = known < 0 ? spec.attributes.length : known;
  const allocations = [...spec.allocations];
  const sequenceNumberForAllocation = { ...spec.sequenceNumberForAllocation };
  for (const ordinal of ordinals) {
    allocations[ordinal] = index;
    sequenceNumberForAllocation[ordinal] = spec.sequenceNumber;
  }
  const unallocated = spec.unallocated.slice(ordinals.length);
  return {
    block: changed(block, { allocations, unallocated, attributes, sequenceNumberForAllocation }),
    ips: ordinals.map((ordinal) => ipOf(spec.cidr, ordinal)),
  };
}

/**
 * Frees what a handle holds; freed addresses go to the end of the queue. What another handle holds stays. The block is
 * the same object when nothing was freed.
 */
export function releaseFromBlock(block: IpamBlock, handle: string): BlockChange {
  const { spec } = block;
  const ordinals = ordinalsOf(spec, handle);
  if (ordinals.length === 0) return { block, ips: [] };
  const freed = new Set(ordinals);
  const sequenceNumberForAllocation = { ...spec.sequenceNumberForAllocation };
  for (const ordinal of ordinals) delete sequenceNumberForAllocation[ordinal];
  const allocations = spec.allocations.map((index, ordinal) => (freed.has(ordinal) ? null : index));
  return {
    block: changed(block, {
      ...withoutUnused(allocations, spec.attributes),
      unallocated: [...spec.unallocated, ...ordinals],
      sequenceNumberForAllocation,
    }),
    ips: ordinals.map((ordinal) => ipOf(spec.cidr, ordinal)),
  };
}

/** The addresses that a handle holds in the block, in order. */
export function addressesOf(block: IpamBlock, handle: string): readonly Ip[] {
  return ordinalsOf(block.spec, handle).map((ordinal) => ipOf(block.spec.cidr, ordinal));
}

/** Every address in use, in order, with who holds it. */
export function allocationsOf(block: IpamBlock): readonly Allocation[] {
  const { spec } = block;
  return spec.allocations.flatMap((index, ordinal) => {
    if (index === null) return [];
    return [{ ip: ipOf(spec.cidr, ordinal), attribute: spec.attributes[index] ?? {} }];
  });
}

/** Who holds `ip`; undefined when it is free or not of this block. */
export function allocationOf(block: IpamBlock, ip: Ip): Allocation | undefined {
  return cidrContainsIp(block.spec.cidr, ip) ? allocationsOf(block).find((one) => one.ip === ip) : undefined;
}

/** How many addresses the block has, and how many of them are in use and free. */
export function countsOf(block: IpamBlock): { readonly total: number; readonly used: number; readonly free: number } {
  const total = block.spec.allocations.length;
  const used = block.spec.allocations.filter((index) => index !== null).length;
  return { total, used, free: block.spec.unallocated.length };
}

// --- internal ---

/** Each change of a block raises its number, so that no two allocations of one address ever share one. */
function changed(block: IpamBlock, change: Partial<IpamBlockSpec>): IpamBlock {
  return { ...block, spec: { ...block.spec, ...change, sequenceNumber: block.spec.sequenceNumber + 1n } };
}

function ipOf(cidr: Cidr, ordinal: number): Ip {
  return ipPlus(firstIp(cidr), ordinal);
}

function ordinalsOf(spec: IpamBlockSpec, handle: string): readonly number[] {
  const held = new Set(spec.attributes.flatMap(({ handle_id }, index) => (handle_id === handle ? [index] : [])));
  if (held.size === 0) return [];
  return spec.allocations.flatMap((index, ordinal) => (index !== null && held.has(index) ? [ordinal] : []));
}

/** Attributes that no allocation points to any more are dropped, and the others numbered anew. */
function withoutUnused(
  allocations: readonly (number | null)[],
  attributes: readonly AllocationAttribute[],
): Pick<IpamBlockSpec, "allocations" | "attributes"> {
  const used = new Set(allocations);
  const kept = attributes.flatMap((_, index) => (used.has(index) ? [index] : []));
  const numbers = new Map(kept.map((index, number) => [index, number]));
  return {
    allocations: allocations.map((index) => (index === null ? null : (numbers.get(index) ?? null))),
    attributes: kept.flatMap((index) => attributes[index] ?? []),
  };
}

function sameAttribute(a: AllocationAttribute, b: AllocationAttribute): boolean {
  return (
    a.handle_id === b.handle_id &&
    a.alternate === undefined &&
    a.releasedAt === undefined &&
    sameRecord(a.secondary ?? {}, b.secondary ?? {})
  );
}

function sameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
