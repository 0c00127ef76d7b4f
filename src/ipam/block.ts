/** Arithmetic on one block. The data model is Calico's: an ordinal i stands for the i-th address of the block. */
import {
  type AllocationAttribute,
  hostAffinity,
  type IpamBlock,
  type IpamBlockSpec,
  windowsReservedHandle,
} from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import { type Cidr, cidrContainsIp, cidrSize, firstIp } from "../net/cidr.ts";
import { type Ip, ipPlus, ipToNumber } from "../net/ip.ts";
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
  /** Addresses, by ordinal, that are not given unless they are asked for. */
  readonly isReserved?: OrdinalTest | undefined;
}

/** Asks something of an address of a block. */
export type OrdinalTest = (ordinal: number) => boolean;

/** A block after a change, and the addresses that the change was about. */
export interface BlockChange {
  readonly block: IpamBlock;
  readonly ips: readonly Ip[];
}

/** One address that is not free. */
export interface Allocation {
  readonly ip: Ip;
  readonly attribute: AllocationAttribute;
  /** The block's number when the address was given out; undefined when the block does not say. */
  readonly sequenceNumber: bigint | undefined;
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
  const ordinals = new Set<number>();
  for (const ordinal of openOrdinals(block, request.isReserved)) {
    if (ordinals.size === request.count) break;
    ordinals.add(ordinal);
  }
  return take(block, [...ordinals], request);
}

/** Takes this very address, reserved or not; undefined when it is not free or not of this block. */
export function assignAddress(
  block: IpamBlock,
  ip: Ip,
  request: Pick<BlockRequest, "handle" | "attributes">,
): IpamBlock | undefined {
  const ordinal = ordinalOf(block.spec, ip);
  return ordinal !== undefined && isFree(block.spec, ordinal) ? take(block, [ordinal], request).block : undefined;
}

/** The addresses that a handle holds in the block, in order. */
export function addressesOf(block: IpamBlock, handle: string): readonly Ip[] {
  return ordinalsOf(block.spec, handle).map((ordinal) => ipOf(block.spec.cidr, ordinal));
}

/** Every address that is not free, in order, with who holds it; also those that were given back and still cool down. */
export function allocationsOf({ spec }: IpamBlock): readonly Allocation[] {
  return spec.allocations.flatMap((index, ordinal) => (index === null ? [] : [allocationAt(spec, ordinal, index)]));
}

/** Who holds `ip`; undefined when it is free or not of this block. */
export function allocationOf({ spec }: IpamBlock, ip: Ip): Allocation | undefined {
  const ordinal = ordinalOf(spec, ip);
  const index = ordinal === undefined ? null : (spec.allocations[ordinal] ?? null);
  return ordinal === undefined || index === null ? undefined : allocationAt(spec, ordinal, index);
}

/** Whether somebody has the address by this handle and number, or without where these are undefined. */
export function isHeldAs(
  block: IpamBlock,
  ip: Ip,
  { handle, sequenceNumber }: { readonly handle: string | undefined; readonly sequenceNumber: bigint | undefined },
): boolean {
  const found = allocationOf(block, ip);
  return found !== undefined && found.attribute.handle_id === handle && found.sequenceNumber === sequenceNumber;
}

/** How many addresses the block has; and how many are held, were given back and cool down, and are free. */
export function countsOf({ spec }: IpamBlock): {
  readonly total: number;
  readonly used: number;
  readonly cooling: number;
  readonly free: number;
} {
  const taken = spec.allocations.filter((index) => index !== null);
  const cooling = taken.filter((index) => spec.attributes[index]?.releasedAt !== undefined).length;
  const total = spec.allocations.length;
  return { total, used: taken.length - cooling, cooling, free: spec.unallocated.length };
}

/** True when nobody holds an address of the block and none cools down; what Windows keeps for itself does not count. */
export function isEmptyBlock({ spec }: IpamBlock): boolean {
  return spec.allocations.every(
    (index) => index === null || spec.attributes[index]?.handle_id?.toLowerCase() === windowsReservedHandle,
  );
}

/** True when `assignFromBlock` would find an address. */
export function hasRoom(block: IpamBlock, isReserved?: OrdinalTest): boolean {
  return openOrdinals(block, isReserved).some(() => true);
}

/** How many `assignFromBlock` would find. */
export function openOf(block: IpamBlock, isReserved?: OrdinalTest): number {
  return new Set(openOrdinals(block, isReserved)).size;
}

/** The address that an ordinal of a block stands for. */
export function ipOf(cidr: Cidr, ordinal: number): Ip {
  return ipPlus(firstIp(cidr), ordinal);
}

/** The ordinal of an address; undefined when it is not of this block. */
export function ordinalOf({ cidr }: Pick<IpamBlockSpec, "cidr">, ip: Ip): number | undefined {
  return cidrContainsIp(cidr, ip) ? Number(ipToNumber(ip) - ipToNumber(firstIp(cidr))) : undefined;
}

/** The ordinals of what a handle holds. */
export function ordinalsOf(spec: IpamBlockSpec, handle: string): readonly number[] {
  const held = new Set(
    spec.attributes.flatMap(({ handle_id, releasedAt }, index) =>
      handle_id === handle && releasedAt === undefined ? [index] : [],
    ),
  );
  if (held.size === 0) return [];
  return spec.allocations.flatMap((index, ordinal) => (index !== null && held.has(index) ? [ordinal] : []));
}

/** The attributes, with an empty one for each that an allocation points to and that is not there: somebody holds it. */
export function attributesOf({ allocations, attributes }: IpamBlockSpec): readonly AllocationAttribute[] {
  const needed = allocations.reduce<number>((most, index) => Math.max(most, (index ?? -1) + 1), attributes.length);
  return needed === attributes.length ? attributes : [...attributes, ...Array(needed - attributes.length).fill({})];
}

/** The block with a change. Each raises its number, so that no two allocations of one address ever share one. */
export function changedBlock(block: IpamBlock, change: Partial<IpamBlockSpec>): IpamBlock {
  return { ...block, spec: { ...block.spec, ...change, sequenceNumber: block.spec.sequenceNumber + 1n } };
}

/** True when two records have the same texts. */
export function sameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

// --- internal ---

/** The longest free first; one that is listed twice, as others may have written it, comes twice. */
function openOrdinals({ spec }: IpamBlock, isReserved?: OrdinalTest): IteratorObject<number> {
  return spec.unallocated.values().filter((ordinal) => isFree(spec, ordinal) && !isReserved?.(ordinal));
}

/** Whoever wrote the queue: an address that somebody holds is never taken from it. */
function isFree({ allocations }: IpamBlockSpec, ordinal: number): boolean {
  return allocations[ordinal] === null;
}

function take(
  block: IpamBlock,
  ordinals: readonly number[],
  { handle, attributes: secondary }: Pick<BlockRequest, "handle" | "attributes">,
): BlockChange {
  if (ordinals.length === 0) return { block, ips: [] };
  const { spec } = block;
  const attribute: AllocationAttribute = { handle_id: handle, secondary };
  const attributes = attributesOf(spec);
  const known = attributes.findIndex((other) => sameAttribute(other, attribute));
  const index = known < 0 ? attributes.length : known;
  const allocations = [...spec.allocations];
  const sequenceNumberForAllocation = { ...spec.sequenceNumberForAllocation };
  for (const ordinal of ordinals) {
    allocations[ordinal] = index;
    sequenceNumberForAllocation[ordinal] = spec.sequenceNumber;
  }
  const taken = new Set(ordinals);
  return {
    block: changedBlock(block, {
      allocations,
      unallocated: spec.unallocated.filter((ordinal) => !taken.has(ordinal)),
      attributes: known < 0 ? [...attributes, attribute] : attributes,
      sequenceNumberForAllocation,
    }),
    ips: ordinals.map((ordinal) => ipOf(spec.cidr, ordinal)),
  };
}

function allocationAt(spec: IpamBlockSpec, ordinal: number, index: number): Allocation {
  return {
    ip: ipOf(spec.cidr, ordinal),
    attribute: spec.attributes[index] ?? {},
    sequenceNumber: spec.sequenceNumberForAllocation[ordinal],
  };
}

function sameAttribute(a: AllocationAttribute, b: AllocationAttribute): boolean {
  return (
    a.handle_id === b.handle_id &&
    a.alternateOwnerAttrs === undefined &&
    a.releasedAt === undefined &&
    sameRecord(a.secondary ?? {}, b.secondary ?? {})
  );
}
