import { versionOf } from "../../net/ip.ts";
import { ipAttribute, ipOf, parseAttributes } from "./attribute.ts";
import { addressAttribute, addressFamily } from "./constants.ts";
import type { Address, AddressRequest } from "./netlink.ts";
import { scopeNumber, scopeOf } from "./scope.ts";

/** Body of a request for the addresses of one link, or of all (index 0). */
export function encodeAddressQuery(linkIndex: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(linkIndex, 4);
  return header;
}

/** Body of an address to add to a link. */
export function encodeAddress(linkIndex: number, { ip, prefixLength, scope = "universe" }: AddressRequest): Buffer {
  const header = encodeAddressQuery(linkIndex);
  header.writeUInt8(addressFamily[versionOf(ip)], 0);
  header.writeUInt8(prefixLength, 1);
  header.writeUInt8(scopeNumber(scope), 3);
  return Buffer.concat([header, ipAttribute(addressAttribute.local, ip), ipAttribute(addressAttribute.address, ip)]);
}

/** The address in a message, or undefined when it is of a family other than IPv4 and IPv6. */
export function decodeAddress(payload: Buffer): Address | undefined {
  const attributes = parseAttributes(payload.subarray(HEADER_BYTES));
  // On a point-to-point link `address` is the other end's and `local` our own.
  const ip = ipOf(attributes, addressAttribute.local) ?? ipOf(attributes, addressAttribute.address);
  const scope = scopeOf(payload.readUInt8(3));
  if (ip === undefined) return undefined;
  return {
    linkIndex: payload.readUInt32LE(4),
    ip,
    prefixLength: payload.readUInt8(1),
    ...(scope === undefined ? {} : { scope }),
  };
}

// --- internal ---

/** Bytes of `struct ifaddrmsg`. */
const HEADER_BYTES = 8;
