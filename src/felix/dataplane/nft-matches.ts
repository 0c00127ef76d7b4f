import type { NftExpression } from "../../host/netlink/nftables.ts";
import {
  bitwise,
  compare,
  limit,
  loadConnection,
  loadMeta,
  loadPayload,
  loadReversePath,
  lookup,
  lookupPorts,
  outside,
  register,
} from "../../host/netlink/nftables-expressions.ts";
import { firstIp, prefixLength } from "../../net/cidr.ts";
import { bitsOf, type IpVersion, ipToBytes } from "../../net/ip.ts";
import type { ConnectionState, Match, Side } from "../render/desired-state.ts";
import { nftSetName } from "./nft-names.ts";

/**
 * Expressions that hold just when the match does, as iptables judges it. Throws when it cannot be said in one rule: a state of
 * connections together with `DNAT`, which is not one.
 */
export function matchExpressions(match: Match, version: IpVersion): readonly NftExpression[] {
  switch (match.kind) {
    case "protocol":
      return [loadMeta("l4proto"), compare(operatorOf(match), Uint8Array.of(match.protocol))];
    case "net":
      return netExpressions(match, version);
    case "set":
      return [loadAddress(match.side, version), lookup(nftSetName(match.set), match.negated)];
    case "port-set":
      return portSetExpressions(match, version);
    case "ports":
      return [loadPort(match.side), ...portExpressions(match)];
    case "icmp":
      return icmpExpressions(match);
    case "in-interface":
      return interfaceExpressions("iifname", match);
    case "out-interface":
      return interfaceExpressions("oifname", match);
    case "connection":
      return connectionExpressions(match.states);
    case "mark":
      return [loadMeta("mark"), ...masked(match.mask), compare(operatorOf(match), hostNumber(match.value))];
    case "reverse-path-failed":
      return reversePathExpressions(version);
    case "limit": {
      const [rate, unit] = match.rate.split("/");
      return [limit({ rate: Number(rate), seconds: secondsOf[unit as Unit], burst: match.burst })];
    }
  }
}

/** A number of 32 bits as a register has it. */
export function hostNumber(content: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(content >>> 0);
  return bytes;
}

/** A port as a packet has it. */
export function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

// --- internal ---

type Unit = keyof typeof secondsOf;
const secondsOf = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const;

type Of<K extends Match["kind"]> = Extract<Match, { readonly kind: K }>;

function operatorOf({ negated }: { readonly negated: boolean }): "eq" | "neq" {
  return negated ? "neq" : "eq";
}

/** Offsets in the network header. */
const addressAt = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;

function loadAddress(side: Side, version: IpVersion, bytes = bitsOf(version) / 8): NftExpression {
  return loadPayload("network", addressAt[version][side], bytes);
}

/** Every protocol with ports has them first in its header. */
function loadPort(side: Side, to: number = register.first): NftExpression {
  return loadPayload("transport", side === "source" ? 0 : 2, 2, to);
}

function netExpressions(match: Of<"net">, version: IpVersion): readonly NftExpression[] {
  const length = prefixLength(match.net);
  // All addresses are in it. That none is outside has to be said.
  if (length === 0 && !match.negated) return [];
  const address = ipToBytes(firstIp(match.net));
  if (length > 0 && length % 8 === 0) {
    const bytes = length / 8;
    return [loadAddress(match.side, version, bytes), compare(operatorOf(match), address.slice(0, bytes))];
  }
  const mask = address.map((_, index) => 0xff & ~(0xff >> Math.max(0, Math.min(8, length - index * 8))));
  return [loadAddress(match.side, version), bitwise(mask), compare(operatorOf(match), address)];
}

/** The set's keys are address, protocol and port, one behind the other in registers. */
function portSetExpressions(match: Of<"port-set">, version: IpVersion): readonly NftExpression[] {
  const behind = register.first + bitsOf(version) / 32;
  return [
    loadAddress(match.side, version),
    loadMeta("l4proto", behind),
    loadPort(match.side, behind + 1),
    lookup(nftSetName(match.set), match.negated),
  ];
}

function portExpressions({ ports, negated }: Of<"ports">): readonly NftExpression[] {
  const [only, ...more] = ports;
  if (only !== undefined && more.length === 0) {
    const [first, last] = [portBytes(only.first), portBytes(only.last)];
    if (only.first === only.last) return [compare(negated ? "neq" : "eq", first)];
    return negated ? [outside(first, last)] : [compare("gte", first), compare("lte", last)];
  }
  const elements = joined(ports).map(({ first, last }) => ({ key: portBytes(first), last: portBytes(last) }));
  return [lookupPorts(elements, negated)];
}

/** In order, without overlaps, which the kernel refuses. */
function joined(ports: Of<"ports">["ports"]): Of<"ports">["ports"] {
  const ranges: { first: number; last: number }[] = [];
  for (const { first, last } of ports.toSorted((a, b) => a.first - b.first)) {
    const before = ranges.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else ranges.push({ first, last });
  }
  return ranges;
}

function icmpExpressions(match: Of<"icmp">): readonly NftExpression[] {
  const bytes = match.code === undefined ? [match.type] : [match.type, match.code];
  return [loadPayload("transport", 0, bytes.length), compare(operatorOf(match), Uint8Array.from(bytes))];
}

const NAME_BYTES = 16;

/** A name that ends with `+` stands for all that begin so. */
function interfaceExpressions(
  key: "iifname" | "oifname",
  match: { readonly name: string; readonly negated: boolean },
): readonly NftExpression[] {
  const isPrefix = match.name.endsWith("+");
  const bytes = Buffer.from(isPrefix ? match.name.slice(0, -1) : match.name.padEnd(NAME_BYTES, "\0"));
  if (bytes.length === 0 && !match.negated) return [];
  // Never: it would be an interface of no name at all.
  if (bytes.length === 0) return [loadMeta(key), bitwise(Buffer.alloc(4)), compare("neq", Buffer.alloc(4))];
  if (bytes.length > NAME_BYTES) {
    throw new Error(`Cannot match the interface ${JSON.stringify(match.name)}: a name has at most 15 bytes`);
  }
  return [loadMeta(key), compare(operatorOf(match), bytes)];
}

/** Bits of `ct state` (NF_CT_STATE_BIT). */
const stateBits: Readonly<Record<Exclude<ConnectionState, "DNAT">, number>> = {
  INVALID: 1,
  ESTABLISHED: 2,
  RELATED: 4,
  NEW: 8,
  UNTRACKED: 64,
};
/** IPS_DST_NAT. */
const STATUS_DNAT = 0x20;

function connectionExpressions(states: readonly ConnectionState[]): readonly NftExpression[] {
  const bits = states.reduce((all, state) => (state === "DNAT" ? all : all | stateBits[state]), 0);
  const isDnat = states.includes("DNAT");
  if (isDnat && bits !== 0) {
    throw new Error(`Cannot match the connection states ${states.join(",")}: nftables keeps DNAT elsewhere`);
  }
  const key = isDnat ? "status" : "state";
  return [loadConnection(key), bitwise(hostNumber(isDnat ? STATUS_DNAT : bits)), compare("neq", hostNumber(0))];
}

/** A mask of all bits changes nothing. */
function masked(mask: number): readonly NftExpression[] {
  return mask >>> 0 === 0xffffffff ? [] : [bitwise(hostNumber(mask))];
}

/**
 * As `rpfilter --validmark --invert`. Both let pass what comes from a loopback interface and, in IPv4, from 0.0.0.0 to a
 * broadcast or multicast address; an IPv6 packet without a source only that match always lets pass.
 */
function reversePathExpressions(version: IpVersion): readonly NftExpression[] {
  const failed = [loadReversePath(), compare("eq", hostNumber(0))];
  if (version === 4) return failed;
  return [loadAddress("source", 6), compare("neq", new Uint8Array(16)), ...failed];
}
