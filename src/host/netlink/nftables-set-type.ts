import type { NftSetKey } from "./nftables.ts";
import { encodeByteOrder } from "./nftables-user-data.ts";

/** A type of keys as nft(8) numbers it (the kernel does not look at the number), and how long such a key is. */
export interface SetType {
  readonly number: number;
  readonly bytes: number;
  readonly userData: Uint8Array;
}

/** Throws for `other`, which only stands for what was read. */
export function setTypeOf(key: NftSetKey): SetType {
  if (key === "other") throw new Error("Cannot make a set of a type that is not known");
  return types[key];
}

/** Inverse of `setTypeOf`. */
export function setKeyOf(number: number): NftSetKey {
  for (const [key, type] of entries) if (type.number === number) return key;
  return "other";
}

// --- internal ---

const network = encodeByteOrder("network");
const host = encodeByteOrder("host");

/** A concatenation's number is those of its parts, 6 bits each (TYPE_BITS). */
const types: Readonly<Record<Exclude<NftSetKey, "other">, SetType>> = {
  ipv4_addr: { number: 7, bytes: 4, userData: network },
  ipv6_addr: { number: 8, bytes: 16, userData: network },
  inet_service: { number: 13, bytes: 2, userData: network },
  ifname: { number: 41, bytes: 16, userData: host },
  "ipv4_addr . inet_proto . inet_service": { number: (7 << 12) | (12 << 6) | 13, bytes: 12, userData: network },
  "ipv6_addr . inet_proto . inet_service": { number: (8 << 12) | (12 << 6) | 13, bytes: 24, userData: network },
};

const entries = Object.entries(types) as unknown as readonly (readonly [NftSetKey, SetType])[];
