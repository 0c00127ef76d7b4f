/** IP packets byte by byte, each known by a number that it bears. */
import { type Ip, ipToBytes, versionOf } from "../../../src/net/ip.ts";
import type { Seen } from "../../oracle/parties.ts";

/** What a packet is to be. */
export interface PacketFacts {
  readonly source: Ip;
  readonly destination: Ip;
  readonly seen: Pick<Seen, "protocol" | "sourcePort" | "port" | "icmp">;
  /** What connection tracking is to think of it, of TCP and SCTP. */
  readonly state: "NEW" | "ESTABLISHED" | "INVALID";
  /** IPv4's type of service, IPv6's traffic class. */
  readonly tos: number;
  readonly number: number;
}

/**
 * The packet from its IP header on: 40 bytes of the protocol's own, a magic number, and `number` in network order. A TCP
 * packet is a SYN, an ACK or a RST as `state` has it, an SCTP packet INIT or DATA.
 */
export function craftPacket(facts: PacketFacts): Uint8Array {
  const body = bodyOf(facts);
  body.set(magic, 40);
  new DataView(body.buffer).setUint32(44, facts.number);
  writeChecksum(body, facts);
  return concat(versionOf(facts.source) === 4 ? headerV4(facts) : headerV6(facts), body);
}

// --- internal ---

const bodySize = 48;
const magic = new TextEncoder().encode("mrgy");
const protocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132, udplite: 136 };

const tcpFlags = { NEW: 0x02, ESTABLISHED: 0x10, INVALID: 0x04 };
/** INIT, and DATA of no association. */
const sctpChunks = { NEW: 1, ESTABLISHED: 0, INVALID: 0 };

function bodyOf({ seen: { protocol, sourcePort, port, icmp }, state, number }: PacketFacts): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(bodySize);
  const view = new DataView(body.buffer);
  const ports = () => {
    // Those of a protocol that no rule knows the ports of tell connections apart.
    view.setUint16(0, sourcePort ?? 1024 + (number % 60_000));
    view.setUint16(2, port ?? 9);
  };
  switch (protocol) {
    case protocols.tcp:
      ports();
      view.setUint32(4, number);
      view.setUint8(12, 5 << 4);
      view.setUint8(13, tcpFlags[state]);
      view.setUint16(14, 1024);
      break;
    case protocols.udp:
    case protocols.udplite:
      ports();
      view.setUint16(4, bodySize);
      break;
    case protocols.sctp:
      ports();
      view.setUint32(4, state === "NEW" ? 0 : number);
      view.setUint8(12, sctpChunks[state]);
      view.setUint16(14, bodySize - 12);
      view.setUint32(16, number);
      break;
    case protocols.icmp:
    case protocols.icmpv6:
      view.setUint8(0, icmp?.type ?? 0);
      view.setUint8(1, icmp?.code ?? 0);
      view.setUint16(4, number % 65_536);
  }
  return body;
}

/** Where each protocol has its checksum, and whether addresses belong to what it sums up. */
const checksums: Readonly<Record<number, { readonly at: number; readonly withAddresses: boolean }>> = {
  [protocols.icmp]: { at: 2, withAddresses: false },
  [protocols.tcp]: { at: 16, withAddresses: true },
  [protocols.udp]: { at: 6, withAddresses: true },
  [protocols.udplite]: { at: 6, withAddresses: true },
  [protocols.icmpv6]: { at: 2, withAddresses: true },
};

function writeChecksum(body: Uint8Array<ArrayBuffer>, { source, destination, seen: { protocol } }: PacketFacts): void {
  const view = new DataView(body.buffer);
  if (protocol === protocols.sctp) view.setUint32(8, crc32c(body), true);
  const how = checksums[protocol];
  if (how === undefined) return;
  const ends = concat(ipToBytes(source), ipToBytes(destination), new Uint8Array([0, bodySize, 0, protocol]));
  const sum = internetChecksum(how.withAddresses ? concat(ends, body) : body);
  // RFC 768: zero would mean that there is none.
  view.setUint16(how.at, sum === 0 ? 0xffff : sum);
}

/** RFC 791. The kernel fills in the checksum. */
function headerV4({ source, destination, seen, tos }: PacketFacts): Uint8Array {
  const rest = new Uint8Array([0x45, tos, 0, 20 + bodySize, 0, 0, 0, 0, 64, seen.protocol, 0, 0]);
  return concat(rest, ipToBytes(source), ipToBytes(destination));
}

/** RFC 8200. */
function headerV6({ source, destination, seen, tos }: PacketFacts): Uint8Array {
  const rest = new Uint8Array([0x60 | (tos >> 4), (tos << 4) & 0xf0, 0, 0, 0, bodySize, seen.protocol, 64]);
  return concat(rest, ipToBytes(source), ipToBytes(destination));
}

/** RFC 1071, of an even number of bytes. */
function internetChecksum(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** RFC 9260 appendix A. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
