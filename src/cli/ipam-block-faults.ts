import type { IpamBlockSpec } from "../api/ipam-block.ts";
import { msOfTimestamp } from "../ipam/timestamp.ts";
import { cidrSize } from "../net/cidr.ts";

/** What is wrong with a block in itself, as sentences that its name begins; nothing when it is sound. */
export function blockFaults(spec: IpamBlockSpec, nowMs: number): readonly string[] {
  const { cidr, allocations, attributes, unallocated } = spec;
  const given = new Set(allocations.flatMap((index, ordinal) => (index === null ? [] : [ordinal])));
  const used = new Set(allocations.filter((index) => index !== null));
  const free = new Set(unallocated);
  return [
    ...(BigInt(allocations.length) === cidrSize(cidr)
      ? []
      : [`has ${allocations.length} entries for ${cidrSize(cidr)} addresses`]),
    ...[...used].filter((index) => attributes[index] === undefined).map((index) => `has no attribute ${index}`),
    ...attributes.flatMap((_, index) => (used.has(index) ? [] : [`has attribute ${index}, which no address has`])),
    ...attributes.flatMap(({ releasedAt }) => laterThan(releasedAt, nowMs)),
    ...(free.size === unallocated.length ? [] : ["lists a free address twice"]),
    ...[...free]
      .filter((ordinal) => given.has(ordinal))
      .map((ordinal) => `has address ${ordinal} both given out and free`),
    ...[...free]
      .filter((ordinal) => ordinal < 0 || ordinal >= allocations.length)
      .map((one) => `has no address ${one}`),
    ...missing(allocations.length, given, free),
  ];
}

// --- internal ---

function laterThan(releasedAt: string | undefined, nowMs: number): readonly string[] {
  const ms = releasedAt === undefined ? undefined : msOfTimestamp(releasedAt);
  // Clocks of two machines may differ a little.
  return ms === undefined || ms <= nowMs + 60_000 ? [] : [`has an address given back in the future, at ${releasedAt}`];
}

function missing(size: number, given: ReadonlySet<number>, free: ReadonlySet<number>): readonly string[] {
  const lost = Array.from({ length: size }, (_, ordinal) => ordinal).filter((one) => !given.has(one) && !free.has(one));
  return lost.length === 0 ? [] : [`has addresses that are neither given out nor free: ${lost.join(", ")}`];
}
