/** Giving addresses of one block back: at once, or after a rest during which nobody gets them. */
import type { AllocationAttribute, IpamBlock, IpamBlockSpec } from "../api/ipam-block.ts";
import type { Ip } from "../net/ip.ts";
import {
  type Allocation,
  allocationOf,
  attributesOf,
  type BlockChange,
  type BlockRequest,
  changedBlock,
  ipOf,
  isHeldAs,
  ordinalOf,
  ordinalsOf,
} from "./block.ts";
import type { AddressRelease, ReleaseAnswer } from "./reclaimer.ts";
import { releaseRecord, withReleases } from "./release-journal.ts";
import { msOfTimestamp, timestampOf } from "./timestamp.ts";

/** The time, and for how long addresses rest. */
export interface Cooldown {
  /** Since 1970. */
  readonly nowMs: number;
  /** 0: they are free at once. */
  readonly cooldownSeconds: number;
}

/** Asks something of an address that a handle holds. */
export type AllocationTest = (allocation: Allocation) => boolean;

/** Why a handle gives back, and what: what `only` says, or everything when that is undefined. */
export interface ReleaseCause extends Cooldown {
  readonly why: string;
  readonly only?: AllocationTest | undefined;
}

/**
 * Gives back what a handle holds. What another handle holds stays. `why` goes into the block's journal. The block is the
 * same object when the handle holds nothing.
 */
export function releaseFromBlock(
  block: IpamBlock,
  handle: string,
  { why, only, ...cooldown }: ReleaseCause,
): BlockChange {
  const held = ordinalsOf(block.spec, handle);
  const { cidr } = block.spec;
  const isWanted = (ordinal: number) => {
    const allocation = allocationOf(block, ipOf(cidr, ordinal));
    return only === undefined || (allocation !== undefined && only(allocation));
  };
  const wanted = held.filter(isWanted);
  const freed = wanted.map((ordinal) => ({ ordinal, why }));
  return { block: giveBack(block, freed, cooldown), ips: freed.map(({ ordinal }) => ipOf(block.spec.cidr, ordinal)) };
}

/** Gives back those of these addresses that still are what was looked at. Each gets its answer, in the same order. */
export function releaseAddressesFromBlock(
  block: IpamBlock,
  releases: readonly AddressRelease[],
  cooldown: Cooldown,
): { readonly block: IpamBlock; readonly answers: readonly ReleaseAnswer[] } {
  const freed = new Map<number, { readonly ordinal: number; readonly why: string }>();
  const answers = releases.map((release): ReleaseAnswer => {
    const { ip, why } = release;
    const outcome = outcomeOf(block, release);
    const ordinal = ordinalOf(block.spec, ip);
    if (outcome === "released" && ordinal !== undefined) freed.set(ordinal, { ordinal, why });
    return { ip, outcome };
  });
  return { block: giveBack(block, [...freed.values()], cooldown), answers };
}

/** Frees those of `ips` that `handle` holds, at once and without a record: nobody has had them. */
export function giveBackUnused(block: IpamBlock, ips: readonly Ip[], handle: string): IpamBlock {
  const isGone = new Set(ips);
  const ordinals = ordinalsOf(block.spec, handle).filter((ordinal) => isGone.has(ipOf(block.spec.cidr, ordinal)));
  return ordinals.length === 0 ? block : changedBlock(block, freedSpec(block.spec, ordinals));
}

/**
 * Makes an address that `from` holds `to`'s, under a number of its own, so that a late release by the one cannot free it from the
 * other. Undefined when `from` does not hold it.
 */
export function handOver(
  block: IpamBlock,
  ip: Ip,
  { from, to }: { readonly from: string; readonly to: Pick<BlockRequest, "handle" | "attributes"> },
): IpamBlock | undefined {
  const ordinal = ordinalOf(block.spec, ip);
  if (ordinal === undefined || !ordinalsOf(block.spec, from).includes(ordinal)) return undefined;
  const { spec } = block;
  const attributes = [...attributesOf(spec), { handle_id: to.handle, secondary: to.attributes }];
  const allocations = spec.allocations.map((index, at) => (at === ordinal ? attributes.length - 1 : index));
  return changedBlock(block, {
    ...withoutUnused(allocations, attributes),
    sequenceNumberForAllocation: { ...spec.sequenceNumberForAllocation, [ordinal]: spec.sequenceNumber },
  });
}

/**
 * Frees the addresses whose rest is over, the longest rested first. A time that no rest can still reach, which some clock
 * that is far ahead must have written, counts as now. The block is the same object when nothing changes.
 */
export function endCooldownsIn(block: IpamBlock, cooldown: Cooldown): IpamBlock {
  const { spec } = block;
  if (spec.attributes.every(({ releasedAt }) => releasedAt === undefined)) return block;
  const attributes = spec.attributes.map((attribute) => restampedIfFuture(attribute, cooldown));
  const over = new Map(
    attributes.flatMap(({ releasedAt }, index) => {
      const at = releasedAt === undefined ? undefined : msOfTimestamp(releasedAt);
      return at !== undefined && isOver(at, cooldown) ? [[index, at] as const] : [];
    }),
  );
  const free = spec.allocations
    .flatMap((index, ordinal) => (index !== null && over.has(index) ? [{ ordinal, at: over.get(index) ?? 0 }] : []))
    .toSorted((a, b) => a.at - b.at)
    .map(({ ordinal }) => ordinal);
  if (free.length > 0) return changedBlock(block, freedSpec({ ...spec, attributes }, free));
  return attributes.some((attribute, index) => attribute !== spec.attributes[index])
    ? changedBlock(block, { attributes })
    : block;
}

// --- internal ---

function outcomeOf(block: IpamBlock, release: AddressRelease): ReleaseAnswer["outcome"] {
  const found = allocationOf(block, release.ip);
  if (found === undefined || found.attribute.releasedAt !== undefined) return "free";
  return isHeldAs(block, release.ip, release) ? "released" : "changed";
}

function giveBack(
  block: IpamBlock,
  freed: readonly { readonly ordinal: number; readonly why: string }[],
  cooldown: Cooldown,
): IpamBlock {
  if (freed.length === 0) return block;
  const { spec } = block;
  const at = timestampOf(cooldown.nowMs);
  const records = freed.map(({ ordinal, why }) =>
    releaseRecord(ipOf(spec.cidr, ordinal), attributeAt(spec, ordinal), { why, at }),
  );
  const ordinals = freed.map(({ ordinal }) => ordinal);
  const change = cooldown.cooldownSeconds > 0 ? restingSpec(spec, ordinals, at) : freedSpec(spec, ordinals);
  return withReleases(changedBlock(block, change), records);
}

function attributeAt({ allocations, attributes }: IpamBlockSpec, ordinal: number): AllocationAttribute {
  const index = allocations[ordinal];
  return index === null || index === undefined ? {} : (attributes[index] ?? {});
}

/** A freed address goes to the end of the queue. */
function freedSpec(spec: IpamBlockSpec, ordinals: readonly number[]): Partial<IpamBlockSpec> {
  const freed = new Set(ordinals);
  const sequenceNumberForAllocation = { ...spec.sequenceNumberForAllocation };
  for (const ordinal of ordinals) delete sequenceNumberForAllocation[ordinal];
  const allocations = spec.allocations.map((index, ordinal) => (freed.has(ordinal) ? null : index));
  return {
    ...withoutUnused(allocations, attributesOf(spec)),
    unallocated: [...spec.unallocated.filter((ordinal) => !freed.has(ordinal)), ...ordinals],
    sequenceNumberForAllocation,
  };
}

/** As upstream: an address at rest belongs to an attribute that says when it was given back, and nothing else. */
function restingSpec(spec: IpamBlockSpec, ordinals: readonly number[], releasedAt: string): Partial<IpamBlockSpec> {
  const all = attributesOf(spec);
  const known = all.findIndex(
    (one) => one.releasedAt === releasedAt && one.handle_id === undefined && one.secondary === undefined,
  );
  const index = known < 0 ? all.length : known;
  const resting = new Set(ordinals);
  const sequenceNumberForAllocation = { ...spec.sequenceNumberForAllocation };
  for (const ordinal of ordinals) sequenceNumberForAllocation[ordinal] = spec.sequenceNumber;
  const allocations = spec.allocations.map((old, ordinal) => (resting.has(ordinal) ? index : old));
  const attributes = known < 0 ? [...all, { releasedAt }] : all;
  return { ...withoutUnused(allocations, attributes), sequenceNumberForAllocation };
}

/** The time written is cut to the second. */
function isOver(releasedMs: number, { nowMs, cooldownSeconds }: Cooldown): boolean {
  return cooldownSeconds === 0 || nowMs >= releasedMs + (cooldownSeconds + 1) * 1000;
}

function restampedIfFuture(attribute: AllocationAttribute, { nowMs, cooldownSeconds }: Cooldown): AllocationAttribute {
  if (attribute.releasedAt === undefined) return attribute;
  const at = msOfTimestamp(attribute.releasedAt);
  const isSane = at !== undefined && at <= nowMs + cooldownSeconds * 1000;
  return isSane || cooldownSeconds === 0 ? attribute : { ...attribute, releasedAt: timestampOf(nowMs) };
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
