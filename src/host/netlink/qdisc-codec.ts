import { attribute, nestedAttribute, parseAttributes, textAttribute, textOf, uint32Attribute } from "./attribute.ts";
import { qdiscAttribute, tcParent } from "./constants.ts";
import type { Qdisc, TokenBucket } from "./traffic-control.ts";

/** Which link and which place in its tree of qdiscs a message is about (`struct tcmsg`). */
export interface TcTarget {
  readonly linkIndex: number;
  readonly handle?: number;
  readonly parent?: number;
  /** Of a filter: its priority and the protocol that it looks at. */
  readonly info?: number;
}

/** Bytes of `struct tcmsg`. */
export const TC_HEADER_BYTES = 20;

/** The head of every message about qdiscs and filters. */
export function tcHeader({ linkIndex, handle = 0, parent = 0, info = 0 }: TcTarget): Buffer {
  const header = Buffer.alloc(TC_HEADER_BYTES);
  header.writeInt32LE(linkIndex, 4);
  header.writeUInt32LE(handle, 8);
  header.writeUInt32LE(parent, 12);
  header.writeUInt32LE(info, 16);
  return header;
}

/** Body of a token bucket at the root of a link. */
export function encodeTokenBucket(linkIndex: number, handle: number, bucket: TokenBucket): Buffer {
  const { rate, burst, limit, peakRate, minBurst = 0 } = bucket;
  const parameters = Buffer.alloc(TBF_BYTES);
  writeRate(parameters, 0, rate);
  if (peakRate !== undefined) writeRate(parameters, RATE_BYTES, peakRate);
  parameters.writeUInt32LE(limit, 2 * RATE_BYTES);
  return Buffer.concat([
    tcHeader({ linkIndex, handle, parent: tcParent.root }),
    textAttribute(qdiscAttribute.kind, "tbf"),
    nestedAttribute(
      qdiscAttribute.options,
      attribute(qdiscAttribute.tbfParameters, parameters),
      // In bytes: the two fields of the structure are times, which the kernel would round.
      uint32Attribute(qdiscAttribute.tbfBurst, burst),
      ...(rate > MAX_UINT32 ? [uint64Attribute(qdiscAttribute.tbfRate64, rate)] : []),
      ...(peakRate === undefined ? [] : [uint32Attribute(qdiscAttribute.tbfPeakBurst, minBurst)]),
      ...(peakRate === undefined || peakRate <= MAX_UINT32
        ? []
        : [uint64Attribute(qdiscAttribute.tbfPeakRate64, peakRate)]),
    ),
  ]);
}

/** Body of an ingress qdisc. */
export function encodeIngress(linkIndex: number): Buffer {
  return Buffer.concat([
    tcHeader({ linkIndex, handle: tcParent.ingressHandle, parent: tcParent.ingress }),
    textAttribute(qdiscAttribute.kind, "ingress"),
  ]);
}

/** The qdisc in a message, or undefined when it is neither at the root nor of the ingress. */
export function decodeQdisc(payload: Buffer): Qdisc | undefined {
  const place = placeOf(payload.readUInt32LE(12));
  if (place === undefined) return undefined;
  const attributes = parseAttributes(payload.subarray(TC_HEADER_BYTES));
  const kind = textOf(attributes, qdiscAttribute.kind) ?? "";
  const options = attributes.get(qdiscAttribute.options);
  const bucket = kind === "tbf" && options !== undefined ? decodeTokenBucket(options) : undefined;
  return {
    linkIndex: payload.readInt32LE(4),
    place,
    kind,
    handle: payload.readUInt32LE(8),
    ...(bucket === undefined ? {} : { bucket }),
  };
}

// --- internal ---

const MAX_UINT32 = 0xffffffff;
/** Bytes of `struct tc_ratespec`. */
const RATE_BYTES = 12;
/** Bytes of `struct tc_tbf_qopt`: rate, peak rate, limit, buffer and mtu, of which the last two are times. */
const TBF_BYTES = 2 * RATE_BYTES + 12;
/** TC_LINKLAYER_ETHERNET: bytes are counted as they are, and no table of times is needed. */
const LINK_LAYER_ETHERNET = 1;
/** PSCHED_TICKS2NS: the unit of times in these messages. */
const TICK_NS = 64;

/** A rate that 32 bits do not hold is all ones here, and is said in an attribute of its own. */
function writeRate(bytes: Buffer, offset: number, rate: number): void {
  bytes.writeUInt8(LINK_LAYER_ETHERNET, offset + 1);
  bytes.writeUInt32LE(Math.min(rate, MAX_UINT32), offset + 8);
}

function uint64Attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return attribute(type, bytes);
}

function decodeTokenBucket(options: Buffer): TokenBucket | undefined {
  const attributes = parseAttributes(options);
  const parameters = attributes.get(qdiscAttribute.tbfParameters);
  if (parameters === undefined || parameters.length < TBF_BYTES) return undefined;
  const rateOf = (offset: number, wide: number) => {
    const bytes = attributes.get(wide);
    return bytes?.length === 8 ? Number(bytes.readBigUInt64LE()) : parameters.readUInt32LE(offset + 8);
  };
  const rate = rateOf(0, qdiscAttribute.tbfRate64);
  const peakRate = rateOf(RATE_BYTES, qdiscAttribute.tbfPeakRate64);
  const bytesAt = (offset: number, speed: number) =>
    Math.round((parameters.readUInt32LE(2 * RATE_BYTES + offset) * TICK_NS * speed) / 1e9);
  return {
    rate,
    burst: bytesAt(4, rate),
    limit: parameters.readUInt32LE(2 * RATE_BYTES),
    ...(peakRate === 0 ? {} : { peakRate, minBurst: bytesAt(8, peakRate) }),
  };
}

function placeOf(parent: number): Qdisc["place"] | undefined {
  if (parent === tcParent.root) return "root";
  return parent === tcParent.ingress ? "ingress" : undefined;
}
