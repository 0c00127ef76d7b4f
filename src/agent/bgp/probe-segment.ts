import { createHash, timingSafeEqual } from "node:crypto";
import { type Ip, ipToBytes, versionOf } from "../../net/ip.ts";

/** The two ends of a segment. */
export interface SegmentEnds {
  readonly source: Ip;
  readonly sourcePort: number;
  readonly destination: Ip;
  readonly port: number;
}

/** An opening segment: `bytes` is the size of the whole IP packet, filled up with data; at least its headers. */
export interface SynRequest extends SegmentEnds {
  readonly bytes: number;
  /** TCP MD5 (RFC 2385). */
  readonly password: string | undefined;
}

/** What there is to see of a TCP segment. */
export interface Segment {
  readonly sourcePort: number;
  readonly port: number;
  readonly isSyn: boolean;
  readonly isAck: boolean;
  readonly isReset: boolean;
  readonly hasData: boolean;
  /** Bytes, of a SYN. */
  readonly mss: number | undefined;
  /** The signature of RFC 2385. */
  readonly digest: Buffer | undefined;
}

/** Bytes of an IP header without options. */
export const ipHeaderBytes = { 4: 20, 6: 40 } as const;

/** A TCP segment with SYN alone, from its header on (RFC 9293 section 3.1). */
export function encodeSyn(request: SynRequest): Buffer {
  const { source, destination, sourcePort, port, password } = request;
  const headerBytes = 20 + 4 + (password === undefined ? 0 : 20);
  const length = Math.max(headerBytes, request.bytes - ipHeaderBytes[versionOf(source)]);
  const segment = Buffer.alloc(length);
  segment.writeUInt16BE(sourcePort, 0);
  segment.writeUInt16BE(port, 2);
  segment.writeUInt32BE(Math.floor(Math.random() * 0xffffffff), 4);
  segment.writeUInt16BE(((headerBytes / 4) << 12) | flag.syn, 12);
  segment.writeUInt16BE(64_240, 14);
  segment.set([option.mss, 4, 1_460 >> 8, 1_460 & 0xff], 20);
  if (password !== undefined) {
    segment.set([option.nothing, option.nothing, option.md5, 18], 24);
    segment.set(digestOf(segment, { source, destination }, password), 28);
  }
  segment.writeUInt16BE(checksumOf(Buffer.concat([pseudoHeader({ source, destination }, length), segment])), 16);
  return segment;
}

/** Reads a segment from its header on; undefined when it is shorter than it says. */
export function decodeSegment(segment: Buffer): Segment | undefined {
  const headerBytes = headerBytesOf(segment);
  if (headerBytes === undefined) return undefined;
  const flags = segment.readUInt8(13);
  const options = optionsOf(segment.subarray(20, headerBytes));
  const mss = options.get(option.mss);
  const digest = options.get(option.md5);
  return {
    sourcePort: segment.readUInt16BE(0),
    port: segment.readUInt16BE(2),
    isSyn: (flags & flag.syn) !== 0,
    isAck: (flags & flag.ack) !== 0,
    isReset: (flags & flag.reset) !== 0,
    hasData: segment.length > headerBytes,
    mss: mss?.length === 2 ? mss.readUInt16BE() : undefined,
    digest: digest?.length === 16 ? digest : undefined,
  };
}

/** Whether a segment bears the signature of this password. */
export function isSigned(
  segment: Buffer,
  ends: Pick<SegmentEnds, "source" | "destination">,
  password: string,
): boolean {
  const digest = decodeSegment(segment)?.digest;
  return digest !== undefined && timingSafeEqual(digest, digestOf(segment, ends, password));
}

// --- internal ---

const flag = { syn: 0x02, reset: 0x04, ack: 0x10 } as const;
const option = { end: 0, nothing: 1, mss: 2, md5: 19 } as const;
/** IPPROTO_TCP. */
const protocolTcp = 6;

function headerBytesOf(segment: Buffer): number | undefined {
  if (segment.length < 20) return undefined;
  const bytes = (segment.readUInt8(12) >> 4) * 4;
  return bytes < 20 || bytes > segment.length ? undefined : bytes;
}

function optionsOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let offset = 0; offset < bytes.length; ) {
    const kind = bytes.readUInt8(offset);
    if (kind === option.end) break;
    if (kind === option.nothing) {
      offset++;
      continue;
    }
    const length = offset + 1 < bytes.length ? bytes.readUInt8(offset + 1) : 0;
    if (length < 2 || offset + length > bytes.length) break;
    options.set(kind, bytes.subarray(offset + 2, offset + length));
    offset += length;
  }
  return options;
}

/** RFC 2385 section 2.0: over pseudo-header, header without options and with a checksum of 0, data, and the password. */
function digestOf(segment: Buffer, ends: Pick<SegmentEnds, "source" | "destination">, password: string): Buffer {
  const header = Buffer.from(segment.subarray(0, 20));
  header.writeUInt16BE(0, 16);
  return createHash("md5")
    .update(pseudoHeader(ends, segment.length))
    .update(header)
    .update(segment.subarray(headerBytesOf(segment)))
    .update(password)
    .digest();
}

function pseudoHeader({ source, destination }: Pick<SegmentEnds, "source" | "destination">, length: number): Buffer {
  const tail = Buffer.alloc(versionOf(source) === 4 ? 4 : 8);
  tail.writeUInt16BE(length, 2);
  tail.writeUInt8(protocolTcp, tail.length === 4 ? 1 : 7);
  return Buffer.concat([ipToBytes(source), ipToBytes(destination), tail]);
}

/** RFC 1071. */
function checksumOf(bytes: Buffer): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) sum += (bytes[index] ?? 0) * 256 + (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
