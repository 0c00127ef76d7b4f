import type { IpVersion } from "../../net/ip.ts";
import { decodeAddress } from "./address-codec.ts";
import { aligned, parseAttributes } from "./attribute.ts";
import { addressFamily, messageType, nftablesEvent } from "./constants.ts";
import type { EventOrigin, KernelEvent, NftablesChange } from "./kernel-event.ts";
import { decodeLink } from "./link-codec.ts";
import { decodeRoute } from "./route-codec.ts";

/** Which changes of nf_tables matter: all others are left out, and a transaction that has none is not told of. */
export type Follows = (change: NftablesChange) => boolean;

/** Who has made the request with this netlink port, as far as it is still to be found out. */
type OriginOf = (port: number) => EventOrigin;

/** The events in one datagram of rtnetlink(7). What is of no kind that is followed is left out. */
export function decodeRouteEvents(datagram: Buffer, originOf: OriginOf): readonly KernelEvent[] {
  const events: KernelEvent[] = [];
  eachMessage(datagram, (type, port, payload) => {
    const verb = newTypes.has(type) ? "new" : "gone";
    if (type === messageType.newLink || type === messageType.deleteLink) {
      // A bridge tells of its ports, not of the links themselves.
      if (payload[0] !== 0) return;
      const { index, name, up, operational, mtu } = decodeLink(payload);
      events.push({ kind: "link", verb, index, name, up, operational, mtu, by: originOf(port) });
    } else if (type === messageType.newAddress || type === messageType.deleteAddress) {
      const address = decodeAddress(payload);
      if (address !== undefined) {
        const { linkIndex, ip, prefixLength } = address;
        events.push({ kind: "address", verb, linkIndex, ip, prefixLength, by: originOf(port) });
      }
    } else if (type === messageType.newRoute || type === messageType.deleteRoute) {
      const route = decodeRoute(payload);
      if (route !== undefined) events.push({ kind: "route", verb, route, by: originOf(port) });
    }
  });
  return events;
}

/**
 * Puts transactions of nf_tables together from datagrams: the kernel tells of each change, and then who has made them. Of what
 * follows another change of the same piece nothing but its name is looked at, as others rewrite thousands of rules at once.
 */
export class NftablesEvents {
  readonly #follows: Follows;
  #changes: NftablesChange[] = [];
  /** Header and names of the last change: one that begins with the same bytes is no news. */
  #last = Buffer.alloc(0);
  #lastType = 0;

  constructor(follows: Follows = () => true) {
    this.#follows = follows;
  }

  /** Takes a datagram in; answers the transactions that end in it. */
  decode(datagram: Buffer): readonly KernelEvent[] {
    const events: KernelEvent[] = [];
    eachMessage(datagram, (type, port, payload) => {
      if (type !== nftablesEvent.newGeneration) {
        this.#change(type, payload);
        return;
      }
      const changes = this.#changes;
      this.#changes = [];
      this.#lastType = 0;
      if (changes.length > 0) events.push({ kind: "nftables", changes, by: originOfGeneration(port, payload) });
    });
    return events;
  }

  /** What was begun has lost its end, or its beginning. */
  forget(): void {
    this.#changes = [];
    this.#lastType = 0;
  }

  #change(type: number, payload: Buffer): void {
    const about = kinds.get(type);
    if (about === undefined) return;
    const { verb, what } = about;
    // The names are the first attributes, in one order for each type.
    const end = endOfAttributes(payload, what === "table" ? 1 : 2);
    if (type === this.#lastType && this.#last.equals(payload.subarray(0, end))) return;
    this.#lastType = type;
    this.#last = Buffer.from(payload.subarray(0, end));
    const change = { verb, what, version: versions.get(payload[0] ?? 0), ...namesOf(payload, about) };
    if (this.#follows(change)) this.#changes.push(change);
  }
}

// --- internal ---

const MESSAGE_HEADER_BYTES = 16;
/** Bytes of `struct nfgenmsg`. */
const HEADER_BYTES = 4;
const ATTRIBUTE_HEADER_BYTES = 4;

const newTypes: ReadonlySet<number> = new Set([messageType.newLink, messageType.newAddress, messageType.newRoute]);

const versions: ReadonlyMap<number, IpVersion> = new Map([
  [addressFamily[4], 4],
  [addressFamily[6], 6],
]);

interface Kind extends Pick<NftablesChange, "verb" | "what"> {
  readonly nameAttribute: number | undefined;
}

const kinds: ReadonlyMap<number, Kind> = new Map(
  nftablesEvent.pieces.flatMap(({ what, added, deleted, nameAttribute }): [number, Kind][] => [
    [added, { verb: "new", what, nameAttribute }],
    [deleted, { verb: "gone", what, nameAttribute }],
  ]),
);

/** Each message of a datagram as it stands; what is cut off is left. */
function eachMessage(datagram: Buffer, take: (type: number, port: number, payload: Buffer) => void): void {
  for (let offset = 0; offset + MESSAGE_HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(offset);
    if (length < MESSAGE_HEADER_BYTES || offset + length > datagram.length) return;
    const payload = datagram.subarray(offset + MESSAGE_HEADER_BYTES, offset + length);
    take(datagram.readUInt16LE(offset + 4), datagram.readUInt32LE(offset + 12), payload);
    offset += aligned(length);
  }
}

/** Where the first so many attributes end, or all that there are. */
function endOfAttributes(payload: Buffer, count: number): number {
  let offset = HEADER_BYTES;
  for (let index = 0; index < count && offset + ATTRIBUTE_HEADER_BYTES <= payload.length; index++) {
    offset += aligned(Math.max(payload.readUInt16LE(offset), ATTRIBUTE_HEADER_BYTES));
  }
  return Math.min(offset, payload.length);
}

/** Of those messages that have it, the table is attribute 1. */
function namesOf(payload: Buffer, { nameAttribute }: Kind): Pick<NftablesChange, "table" | "name"> {
  let table = "";
  let name: string | undefined;
  for (let offset = HEADER_BYTES; offset + ATTRIBUTE_HEADER_BYTES <= payload.length; ) {
    const length = payload.readUInt16LE(offset);
    if (length < ATTRIBUTE_HEADER_BYTES || offset + length > payload.length) break;
    const type = payload.readUInt16LE(offset + 2) & 0x3fff;
    // Without the NUL at its end.
    if (type === 1) table = payload.toString("latin1", offset + ATTRIBUTE_HEADER_BYTES, offset + length - 1);
    else if (type === nameAttribute) {
      name = payload.toString("latin1", offset + ATTRIBUTE_HEADER_BYTES, offset + length - 1);
    }
    if (table !== "" && (name !== undefined || nameAttribute === undefined)) break;
    offset += aligned(length);
  }
  return { table, name };
}

function originOfGeneration(port: number, payload: Buffer): EventOrigin {
  const attributes = parseAttributes(payload.subarray(HEADER_BYTES));
  const pid = attributes.get(nftablesEvent.generation.pid);
  const name = attributes.get(nftablesEvent.generation.process);
  return {
    port,
    // This family's numbers are in network order.
    ...(pid === undefined ? {} : { pid: pid.readUInt32BE() }),
    ...(name === undefined ? {} : { process: name.toString("utf8", 0, Math.max(0, name.indexOf(0))) }),
  };
}
