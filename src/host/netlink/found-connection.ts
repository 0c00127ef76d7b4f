import { type Ip, ipToBytes, versionOf } from "../../net/ip.ts";
import { type Attributes, ipOf, parseAttributes } from "./attribute.ts";
import { connectionAttribute as attr } from "./constants.ts";

/** A connection that the kernel tracks, as its first packet was when its destination had been exchanged, and its source not yet. */
export interface FoundConnection {
  readonly source: Ip;
  readonly destination: Ip;
  /** IANA number. */
  readonly protocol: number;
  /** Absent for protocols without ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Of ICMP and ICMPv6. */
  readonly icmp?: { readonly type: number; readonly code: number };
  /** What makes the kernel forget it: the body of a request. */
  readonly handle: Buffer;
}

/**
 * Reads the kernel's messages about connections (linux/netfilter/nfnetlink_conntrack.h); undefined for one that has none of the
 * addresses, which are of one family, at either end, and for what policy has not judged: what another connection announced, and
 * what is in a zone. `handleOf` makes the handle.
 */
export function connectionDecoder(
  addresses: readonly Ip[],
  handleOf: (payload: Buffer, connection: Attributes) => Buffer,
): (payload: Buffer) => FoundConnection | undefined {
  const wanted = new Set(addresses.map((ip) => keyOf(Buffer.from(ipToBytes(ip)))));
  return (payload) => {
    const connection = parseAttributes(payload.subarray(HEADER_BYTES));
    const [original, reply] = [nested(connection, attr.original), nested(connection, attr.reply)];
    const [source, destination] = [addressBytes(original), addressBytes(reply)];
    if (source === undefined || destination === undefined) return undefined;
    // Most are nobody's here, so nothing more is read of them.
    if (!wanted.has(keyOf(source)) && !wanted.has(keyOf(destination))) return undefined;
    const isAnnounced = ((connection.get(attr.status)?.readUInt32BE(0) ?? 0) & STATUS_EXPECTED) !== 0;
    if (isAnnounced || (connection.get(attr.zone)?.readUInt16BE(0) ?? 0) !== 0) return undefined;
    return { ...endsOf(original, reply), handle: handleOf(payload, connection) };
  };
}

// --- internal ---

const HEADER_BYTES = 4;

/** IPS_EXPECTED (linux/netfilter/nf_conntrack_common.h). */
const STATUS_EXPECTED = 1;

/** ICMP and ICMPv6 have no ports. */
const icmpProtocol = { 4: 1, 6: 58 } as const;

function endsOf(original: Attributes, reply: Attributes): Omit<FoundConnection, "handle"> {
  const [source, destination] = [addressOf(original), addressOf(reply)];
  if (source === undefined || destination === undefined) {
    throw new Error("Cannot read a connection: one of its directions has no address");
  }
  const version = versionOf(source);
  const [asked, answered] = [nested(original, attr.transport), nested(reply, attr.transport)];
  const protocol = asked.get(attr.protocol)?.[0] ?? 0;
  const ends = { source, destination, protocol };
  if (protocol === icmpProtocol[version]) {
    const [type = 0, code = 0] = [asked.get(attr.icmpType[version])?.[0], asked.get(attr.icmpCode[version])?.[0]];
    return { ...ends, icmp: { type, code } };
  }
  const [sourcePort, destinationPort] = [portOf(asked), portOf(answered)];
  return sourcePort === undefined || destinationPort === undefined ? ends : { ...ends, sourcePort, destinationPort };
}

function portOf(transport: Attributes): number | undefined {
  const bytes = transport.get(attr.sourcePort);
  return bytes?.length === 2 ? bytes.readUInt16BE(0) : undefined;
}

/** Where the direction's packets come from. */
function addressOf(tuple: Attributes): Ip | undefined {
  const addresses = nested(tuple, attr.addresses);
  return ipOf(addresses, attr.source[4]) ?? ipOf(addresses, attr.source[6]);
}

/** As `addressOf`, not yet read. */
function addressBytes(tuple: Attributes): Buffer | undefined {
  const addresses = nested(tuple, attr.addresses);
  return addresses.get(attr.source[4]) ?? addresses.get(attr.source[6]);
}

function keyOf(address: Buffer): number | string {
  return address.length === 4 ? address.readUInt32BE(0) : address.toString("latin1");
}

function nested(attributes: Attributes, type: number): Attributes {
  return parseAttributes(attributes.get(type) ?? Buffer.alloc(0));
}
