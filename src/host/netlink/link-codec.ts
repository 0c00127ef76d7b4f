import {
  attribute,
  macAttribute,
  macOf,
  nestedAttribute,
  parseAttributes,
  textAttribute,
  textOf,
  uint32Attribute,
  uint32Of,
} from "./attribute.ts";
import { linkAttribute, linkFlagUp, operationalStateUp } from "./constants.ts";
import type { IfbRequest, Link, LinkChange, VethRequest } from "./netlink.ts";

/** Body of a request for one link by name, or for all of them; statistics are left out. */
export function encodeLinkQuery(name?: string): Buffer {
  return Buffer.concat([
    linkHeader({}),
    ...(name === undefined ? [] : [textAttribute(linkAttribute.name, name)]),
    uint32Attribute(linkAttribute.extendedMask, SKIP_STATISTICS),
  ]);
}

/** Body of a request about the link of this name. */
export function encodeLinkName(name: string): Buffer {
  return Buffer.concat([linkHeader({}), textAttribute(linkAttribute.name, name)]);
}

/** Body of a veth pair; `peerNetnsFd` is the open namespace that the peer is born in. */
export function encodeNewVeth(veth: VethRequest, peerNetnsFd: number | undefined): Buffer {
  const peer = [
    linkHeader({}),
    textAttribute(linkAttribute.name, veth.peerName),
    uint32Attribute(linkAttribute.mtu, veth.mtu),
    ...optional(peerNetnsFd, (fd) => uint32Attribute(linkAttribute.netnsFd, fd)),
  ];
  return Buffer.concat([
    linkHeader({}),
    textAttribute(linkAttribute.name, veth.name),
    uint32Attribute(linkAttribute.mtu, veth.mtu),
    ...optional(veth.mac, (mac) => macAttribute(linkAttribute.mac, mac)),
    nestedAttribute(
      linkAttribute.info,
      textAttribute(linkAttribute.infoKind, "veth"),
      nestedAttribute(linkAttribute.infoData, attribute(linkAttribute.vethPeer, Buffer.concat(peer))),
    ),
  ]);
}

/** Body of an ifb device, up. */
export function encodeNewIfb({ name, mtu, queueLength }: IfbRequest): Buffer {
  return Buffer.concat([
    linkHeader({ up: true }),
    textAttribute(linkAttribute.name, name),
    uint32Attribute(linkAttribute.mtu, mtu),
    uint32Attribute(linkAttribute.queueLength, queueLength),
    nestedAttribute(linkAttribute.info, textAttribute(linkAttribute.infoKind, "ifb")),
  ]);
}

/** Body of a change to one link, that is told by its index or, where that stays, by its name. */
export function encodeLinkChange(
  link: { readonly index: number } | { readonly name: string },
  { name, up, mtu }: LinkChange,
): Buffer {
  const index = "index" in link ? link.index : 0;
  return Buffer.concat([
    linkHeader(up === undefined ? { index } : { index, up }),
    ...optional("name" in link ? link.name : name, (text) => textAttribute(linkAttribute.name, text)),
    ...optional(mtu, (bytes) => uint32Attribute(linkAttribute.mtu, bytes)),
  ]);
}

/** The link in a message. */
export function decodeLink(payload: Buffer): Link {
  const flags = payload.readUInt32LE(8);
  const attributes = parseAttributes(payload.subarray(HEADER_BYTES), wanted);
  return {
    index: payload.readInt32LE(4),
    name: textOf(attributes, linkAttribute.name) ?? "",
    mac: macOf(attributes, linkAttribute.mac),
    mtu: uint32Of(attributes, linkAttribute.mtu) ?? 0,
    up: (flags & linkFlagUp) !== 0,
    operational: attributes.get(linkAttribute.operationalState)?.[0] === operationalStateUp,
    peerIndex: uint32Of(attributes, linkAttribute.link) || undefined,
  };
}

// --- internal ---

/** Bytes of `struct ifinfomsg`. */
const HEADER_BYTES = 16;
/** RTEXT_FILTER_SKIP_STATS. */
const SKIP_STATISTICS = 8;

/** What `decodeLink` looks at. */
const wanted: ReadonlySet<number> = new Set([
  linkAttribute.name,
  linkAttribute.mac,
  linkAttribute.mtu,
  linkAttribute.operationalState,
  linkAttribute.link,
]);

function linkHeader({ index = 0, up }: { readonly index?: number; readonly up?: boolean }): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeInt32LE(index, 4);
  if (up !== undefined) {
    header.writeUInt32LE(up ? linkFlagUp : 0, 8);
    header.writeUInt32LE(linkFlagUp, 12);
  }
  return header;
}

function optional<T>(value: T | undefined, encode: (value: T) => Buffer): readonly Buffer[] {
  return value === undefined ? [] : [encode(value)];
}
