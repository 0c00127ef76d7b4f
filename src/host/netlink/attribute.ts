import { type Ip, ipFromBytes, ipToBytes } from "../../net/ip.ts";

/** Attributes of one netlink message by type, without the nested and byte-order flags; the last of a type wins. */
export type Attributes = ReadonlyMap<number, Buffer>;

/** One `struct nlattr` with its padding (netlink(7)). Numbers are in the order of the machine, which is little-endian. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const length = HEADER_BYTES + value.length;
  const buffer = Buffer.alloc(aligned(length));
  buffer.writeUInt16LE(length, 0);
  buffer.writeUInt16LE(type, 2);
  buffer.set(value, HEADER_BYTES);
  return buffer;
}

/** A number of 32 bits. */
export function uint32Attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return attribute(type, bytes);
}

/** A NUL-terminated text. Throws when `text` holds a NUL, as the kernel would read less than was meant. */
export function textAttribute(type: number, text: string): Buffer {
  if (text.includes("\0")) throw new Error(`Cannot send ${JSON.stringify(text)} to the kernel: it holds a NUL`);
  return attribute(type, Buffer.from(`${text}\0`));
}

/** An address: 4 or 16 bytes. */
export function ipAttribute(type: number, ip: Ip): Buffer {
  return attribute(type, ipToBytes(ip));
}

/** An Ethernet address, `aa:bb:cc:dd:ee:ff`. Throws a sentence that quotes it when it is none. */
export function macAttribute(type: number, mac: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) {
    throw new Error(`Cannot read ${JSON.stringify(mac)} as an Ethernet address`);
  }
  return attribute(type, Buffer.from(mac.replaceAll(":", ""), "hex"));
}

/** A row of attributes inside one. */
export function nestedAttribute(type: number, ...attributes: readonly Uint8Array[]): Buffer {
  return attribute(type | NESTED, Buffer.concat(attributes));
}

/**
 * Inverse of a row of `attribute`s. Throws when one says that it is longer than what there is. With `wanted`, those of all other
 * types are left out: a link has some fifty, and a view of each would cost more than everything else.
 */
export function parseAttributes(bytes: Buffer, wanted?: ReadonlySet<number>): Attributes {
  const attributes = new Map<number, Buffer>();
  let offset = 0;
  while (offset + HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt16LE(offset);
    if (length < HEADER_BYTES || offset + length > bytes.length) {
      throw new Error(`Cannot read netlink attributes: one of ${length} bytes at ${offset} of ${bytes.length}`);
    }
    const type = bytes.readUInt16LE(offset + 2) & TYPE_MASK;
    if (wanted === undefined || wanted.has(type)) {
      attributes.set(type, bytes.subarray(offset + HEADER_BYTES, offset + length));
    }
    offset += aligned(length);
  }
  return attributes;
}

/** The number of that type; undefined when there is none. */
export function uint32Of(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value === undefined || value.length < 4 ? undefined : value.readUInt32LE();
}

/** The text of that type, up to its NUL; undefined when there is none. */
export function textOf(attributes: Attributes, type: number): string | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end < 0 ? value.length : end);
}

/** The address of that type; undefined when there is none or it is of no such length. */
export function ipOf(attributes: Attributes, type: number): Ip | undefined {
  const value = attributes.get(type);
  // Written out since a table may hold many thousands of these: twice as quick as by way of a number.
  if (value?.length === 4) return `${value[0]}.${value[1]}.${value[2]}.${value[3]}` as Ip;
  return value?.length === 16 ? ipFromBytes(value) : undefined;
}

/** An Ethernet address in lower case; undefined when there is none or it is of another length. */
export function macOf(attributes: Attributes, type: number): string | undefined {
  const value = attributes.get(type);
  if (value?.length !== 6) return undefined;
  const hex = value.toString("hex");
  // Written out: a node may have thousands of links.
  return `${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}:${hex.slice(8, 10)}:${hex.slice(10)}`;
}

/** `length` rounded up to the 4 bytes that netlink aligns to. */
export function aligned(length: number): number {
  return (length + 3) & ~3;
}

// --- internal ---

const HEADER_BYTES = 4;
const NESTED = 0x8000;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;
