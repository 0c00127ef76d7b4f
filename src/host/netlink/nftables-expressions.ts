/**
 * Expressions of nf_tables (linux/netfilter/nf_tables.h), as `nft --debug=netlink` prints them. What one loads into register 1 the
 * next looks at. Numbers in registers are as the kernel has them: those of packets in network order, marks and states in the
 * machine's.
 */
import { attribute, nestedAttribute, textAttribute } from "./attribute.ts";
import type { NftElement, NftExpression } from "./nftables.ts";
import { dataAttribute, verdictCode } from "./nftables-constants.ts";

/** Registers by their first 4 bytes (NFT_REG32_*): those of 16 bytes that nft(8) numbers 1, 2 and 3. */
export const register = { first: 8, second: 12, third: 16 } as const;

/** Where in a packet: behind the header of which layer. */
export type PayloadBase = keyof typeof payloadBases;

/** What is known of a packet beyond its bytes, by NFT_META_*. */
export type MetaKey = keyof typeof metaKeys;

/** `meta load KEY`. */
export function loadMeta(key: MetaKey, to: number = register.first): NftExpression {
  return { name: "meta", data: Buffer.concat([number(1, to), number(2, metaKeys[key])]) };
}

/** `meta set mark` from register 1. */
export function storeMark(): NftExpression {
  return { name: "meta", data: Buffer.concat([number(2, metaKeys.mark), number(3, register.first)]) };
}

/** `ct load state` or `status`. */
export function loadConnection(key: "state" | "status"): NftExpression {
  return { name: "ct", data: Buffer.concat([number(1, register.first), number(2, key === "state" ? 0 : 2)]) };
}

/** So many bytes of the packet. It does not match when the packet is too short, or a later fragment and `base` transport. */
export function loadPayload(
  base: PayloadBase,
  offset: number,
  length: number,
  to: number = register.first,
): NftExpression {
  return {
    name: "payload",
    data: Buffer.concat([number(1, to), number(2, payloadBases[base]), number(3, offset), number(4, length)]),
  };
}

/** Writes register 1 into the network header; with `checksumAt` the header's checksum there is kept right. */
export function storeNetworkHeader(offset: number, length: number, checksumAt?: number): NftExpression {
  const checksum = checksumAt === undefined ? [] : [number(6, CHECKSUM_INET), number(7, checksumAt)];
  const place = [number(2, payloadBases.network), number(3, offset), number(4, length), number(5, register.first)];
  return { name: "payload", data: Buffer.concat([...place, ...checksum]) };
}

/** Register 1 = (register 1 & mask) ^ xor. */
export function bitwise(mask: Uint8Array, xor: Uint8Array = new Uint8Array(mask.length)): NftExpression {
  const operands = [number(3, mask.length), value(4, mask), value(5, xor)];
  return { name: "bitwise", data: Buffer.concat([number(1, register.first), number(2, register.first), ...operands]) };
}

/** Compares the bytes of register 1. */
export function compare(operator: keyof typeof compareOperators, bytes: Uint8Array): NftExpression {
  const data = [number(1, register.first), number(2, compareOperators[operator]), value(3, bytes)];
  return { name: "cmp", data: Buffer.concat(data) };
}

/** Register 1 is below `from` or above `to`. */
export function outside(from: Uint8Array, to: Uint8Array): NftExpression {
  return {
    name: "range",
    data: Buffer.concat([number(1, register.first), number(2, 1), value(3, from), value(4, to)]),
  };
}

/** What begins at register 1 is a key of the set. */
export function lookup(set: string, negated: boolean): NftExpression {
  return { name: "lookup", data: Buffer.concat([textAttribute(1, set), ...lookupOf(negated)]) };
}

/** As `lookup`, in ranges of ports of this rule alone. */
export function lookupPorts(elements: readonly NftElement[], negated: boolean): NftExpression {
  return { name: "lookup", data: Buffer.concat(lookupOf(negated)), anonymous: { key: "inet_service", elements } };
}

/** Goes to the chain that the map has for what begins at register 1; on to the next rule when it has none. */
export function lookupVerdict(map: string): NftExpression {
  const registers = [number(2, register.first), number(3, VERDICT_REGISTER)];
  return { name: "lookup", data: Buffer.concat([textAttribute(1, map), ...registers]) };
}

/** `immediate`: the bytes into a register. */
export function load(bytes: Uint8Array, to: number = register.first): NftExpression {
  return { name: "immediate", data: Buffer.concat([number(1, to), value(2, bytes)]) };
}

/** `immediate`: ends the rule. */
export function verdict(code: keyof typeof verdictCode, chain?: string): NftExpression {
  const to = chain === undefined ? [] : [textAttribute(dataAttribute.verdictChain, chain)];
  const inner = nestedAttribute(dataAttribute.verdict, number(dataAttribute.verdictCode, verdictCode[code]), ...to);
  return { name: "immediate", data: Buffer.concat([number(1, VERDICT_REGISTER), nestedAttribute(2, inner)]) };
}

/** Counts what comes to it. */
export function counter(): NftExpression {
  return { name: "counter", data: Buffer.alloc(0) };
}

/** At most `rate` packets in so many seconds, `burst` of them at once. */
export function limit({ rate, seconds, burst }: { rate: number; seconds: number; burst: number }): NftExpression {
  return { name: "limit", data: Buffer.concat([longNumber(1, rate), longNumber(2, seconds), number(3, burst)]) };
}

/** A line in the kernel's log, of a level of syslog(3). */
export function log(prefix: string, level: number): NftExpression {
  return { name: "log", data: Buffer.concat([textAttribute(2, prefix), number(5, level)]) };
}

/** `fib saddr . mark . iif oif`: register 1 is the index of the interface, or 0 when the way back is not by it. */
export function loadReversePath(): NftExpression {
  const flags = FIB_SOURCE | FIB_MARK | FIB_INPUT;
  return { name: "fib", data: Buffer.concat([number(1, register.first), number(2, FIB_INTERFACE), number(3, flags)]) };
}

/** Takes the packet out of connection tracking. */
export function noTrack(): NftExpression {
  return { name: "notrack", data: Buffer.alloc(0) };
}

/** Drops it and answers with an ICMP (ICMPv6) error of type destination unreachable and this code. */
export function reject(code: number): NftExpression {
  return { name: "reject", data: Buffer.concat([number(1, 0), attribute(2, Uint8Array.of(code))]) };
}

/** Where the ports of a translation are. */
export interface NatPorts {
  readonly first: number;
  readonly last: number;
}

/** To the address of the outgoing interface; a source port by chance (random-fully), out of those in two registers. */
export function masquerade(ports?: NatPorts): NftExpression {
  const range = ports === undefined ? [] : [number(2, ports.first), number(3, ports.last)];
  return { name: "masq", data: Buffer.concat([number(1, natFlags(ports) | NAT_RANDOM_FULLY), ...range]) };
}

/** To the address in register 1, of family AF_*; `source` with a port by chance, out of those in two registers. */
export function nat(type: "source" | "destination", family: number, ports?: NatPorts): NftExpression {
  const range = ports === undefined ? [] : [number(5, ports.first), number(6, ports.last)];
  const flags = natFlags(ports) | (type === "source" ? NAT_RANDOM_FULLY : 0);
  const said = flags === 0 ? [] : [number(7, flags)];
  const to = [number(1, type === "source" ? 0 : 1), number(2, family), number(3, register.first)];
  return { name: "nat", data: Buffer.concat([...to, ...range, ...said]) };
}

// --- internal ---

/** NFT_PAYLOAD_*_HEADER. */
const payloadBases = { network: 1, transport: 2 } as const;
const metaKeys = { mark: 3, iifname: 6, oifname: 7, l4proto: 16 } as const;
/** NFT_CMP_*. */
const compareOperators = { eq: 0, neq: 1, lte: 3, gte: 5 } as const;
const VERDICT_REGISTER = 0;
/** NFT_PAYLOAD_CSUM_INET. */
const CHECKSUM_INET = 1;
/** NFTA_FIB_F_*, and NFT_FIB_RESULT_OIF. */
const FIB_SOURCE = 1;
const FIB_MARK = 4;
const FIB_INPUT = 8;
const FIB_INTERFACE = 1;
/** NF_NAT_RANGE_PROTO_SPECIFIED and _RANDOM_FULLY. */
const NAT_PORTS = 2;
const NAT_RANDOM_FULLY = 16;

function natFlags(ports: NatPorts | undefined): number {
  return ports === undefined ? 0 : NAT_PORTS;
}

/** NFTA_LOOKUP_SREG and NFTA_LOOKUP_FLAGS with NFT_LOOKUP_F_INV. */
function lookupOf(negated: boolean): readonly Buffer[] {
  return [number(2, register.first), ...(negated ? [number(5, 1)] : [])];
}

/** Attributes of small numbers, which are most of what rules are made of. */
const knownNumbers = new Map<number, Buffer>();
const SMALL = 256;

/** All numbers of nf_tables' attributes are in network order. */
function number(type: number, content: number): Buffer {
  const isSmall = content >= 0 && content < SMALL;
  const known = isSmall ? knownNumbers.get(type * SMALL + content) : undefined;
  if (known !== undefined) return known;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(content >>> 0);
  const made = attribute(type, bytes);
  if (isSmall) knownNumbers.set(type * SMALL + content, made);
  return made;
}

function longNumber(type: number, content: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(content));
  return attribute(type, bytes);
}

function value(type: number, bytes: Uint8Array): Buffer {
  return nestedAttribute(type, attribute(dataAttribute.value, bytes));
}
