import { aligned } from "./attribute.ts";

/**
 * Netlink messages one behind the other in one growing buffer: a transaction of 100,000 elements would make a million buffers
 * otherwise. Numbers inside attributes are in network order, as nf_tables has them.
 */
export class MessageWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;
  #messageAt = 0;
  #count = 0;

  /** How many messages there are. */
  get count(): number {
    return this.#count;
  }

  /** Bytes written. */
  get length(): number {
    return this.#length;
  }

  /** What has been written, as a view. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Ends the message before and begins one: `struct nlmsghdr`, whose sequence number is left 0, and `struct nfgenmsg`. */
  message(type: number, flags: number, family: number, resource = 0): void {
    this.end();
    this.#reserve(HEADER_BYTES);
    this.#messageAt = this.#length;
    const bytes = this.#bytes.fill(0, this.#length, this.#length + HEADER_BYTES);
    bytes.writeUInt16LE(type, this.#length + 4);
    bytes.writeUInt16LE(flags, this.#length + 6);
    bytes[this.#length + 16] = family;
    bytes.writeUInt16BE(resource, this.#length + 18);
    this.#length += HEADER_BYTES;
    this.#count++;
  }

  /** Ends the last message. */
  end(): void {
    if (this.#length > this.#messageAt) this.#bytes.writeUInt32LE(this.#length - this.#messageAt, this.#messageAt);
  }

  /** Adds flags to the message that was begun last. */
  addFlags(flags: number): void {
    const at = this.#messageAt + 6;
    this.#bytes.writeUInt16LE(this.#bytes.readUInt16LE(at) | flags, at);
  }

  uint32(type: number, value: number): void {
    const at = this.#attribute(type, 4);
    this.#bytes.writeUInt32BE(value >>> 0, at);
  }

  uint64(type: number, value: bigint): void {
    const at = this.#attribute(type, 8);
    this.#bytes.writeBigUInt64BE(value, at);
  }

  /** NUL-terminated. Throws when `text` holds a NUL, as the kernel would read less than was meant. */
  text(type: number, text: string): void {
    if (text.includes("\0")) throw new Error(`Cannot send ${JSON.stringify(text)} to the kernel: it holds a NUL`);
    const length = Buffer.byteLength(text);
    const at = this.#attribute(type, length + 1);
    this.#bytes.write(text, at, "utf8");
    this.#bytes[at + length] = 0;
  }

  data(type: number, value: Uint8Array): void {
    const at = this.#attribute(type, value.length);
    this.#bytes.set(value, at);
  }

  /** Attributes that are encoded already. */
  raw(attributes: Uint8Array): void {
    this.#reserve(attributes.length);
    this.#bytes.set(attributes, this.#length);
    this.#length += attributes.length;
  }

  /** Begins a nested attribute; to be given to `close`. */
  open(type: number): number {
    return this.#attribute(type | NESTED, 0);
  }

  /** Ends a nested attribute, and answers how long it is. Throws when it is longer than an attribute can be, 64 KiB. */
  close(opened: number): number {
    const length = this.#length - opened + ATTRIBUTE_BYTES;
    if (length > 0xffff) throw new Error(`Cannot send a netlink attribute of ${length} bytes: at most 65535`);
    this.#bytes.writeUInt16LE(length, opened - ATTRIBUTE_BYTES);
    return length;
  }

  /** Writes the header and the padding, and answers where the value goes. */
  #attribute(type: number, length: number): number {
    const padded = aligned(length);
    this.#reserve(ATTRIBUTE_BYTES + padded);
    const at = this.#length + ATTRIBUTE_BYTES;
    this.#bytes.writeUInt16LE(ATTRIBUTE_BYTES + length, this.#length);
    this.#bytes.writeUInt16LE(type, this.#length + 2);
    for (let index = at + length; index < at + padded; index++) this.#bytes[index] = 0;
    this.#length = at + padded;
    return at;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

// --- internal ---

const INITIAL_BYTES = 16_384;
/** `struct nlmsghdr` and `struct nfgenmsg`. */
const HEADER_BYTES = 20;
const ATTRIBUTE_BYTES = 4;
/** NLA_F_NESTED. */
const NESTED = 0x8000;
