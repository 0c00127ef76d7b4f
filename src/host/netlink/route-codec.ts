import { type Cidr, cidrVersion, firstIp, prefixLength } from "../../net/cidr.ts";
import { type Ip, type IpVersion, ipFromNumber } from "../../net/ip.ts";
import {
  type Attributes,
  aligned,
  ipAttribute,
  ipOf,
  parseAttributes,
  uint32Attribute,
  uint32Of,
} from "./attribute.ts";
import { addressFamily, mainTable, routeAttribute, routeFlagOnlink } from "./constants.ts";
import type { KernelRoute } from "./netlink.ts";
import { ANY_SCOPE, scopeNumber, scopeOf } from "./scope.ts";

/** Body of a request for the main table. */
export function encodeRouteQuery(version: IpVersion): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(addressFamily[version], 0);
  header.writeUInt8(mainTable, 4);
  return header;
}

/**
 * Body of a route to add, in the main table. What is not given is as `ip route` has it: type unicast, protocol boot,
 * and scope link for a unicast route without a gateway.
 */
export function encodeRoute(route: KernelRoute): Buffer {
  const { type = "unicast" } = route;
  return encode(route, {
    type: typeNumberOf(type),
    scope: scopeNumber(route.scope ?? impliedScope(route)),
    protocol: route.protocol ?? PROTOCOL_BOOT,
  });
}

/** Body of a route to delete from the main table: the one with this destination that agrees with all that is given. */
export function encodeRouteRemoval(route: KernelRoute): Buffer {
  return encode(route, {
    type: route.type === undefined ? 0 : typeNumberOf(route.type),
    scope: route.scope === undefined ? ANY_SCOPE : scopeNumber(route.scope),
    protocol: route.protocol ?? 0,
  });
}

/** The route in a message, or undefined when it is in a table other than main. A multipath route shows no link. */
export function decodeRoute(payload: Buffer): KernelRoute | undefined {
  const version = payload.readUInt8(0) === addressFamily[6] ? 6 : 4;
  const attributes = parseAttributes(payload.subarray(HEADER_BYTES));
  if ((uint32Of(attributes, routeAttribute.table) ?? payload.readUInt8(4)) !== mainTable) return undefined;
  const destination = ipOf(attributes, routeAttribute.destination) ?? ipFromNumber(0n, version);
  return {
    // The kernel keeps host bits zero, so this is canonical.
    destination: `${destination}/${payload.readUInt8(1)}` as Cidr,
    type: typeOf(payload.readUInt8(7)),
    protocol: payload.readUInt8(5),
    ...nextHopOf(payload, attributes),
  };
}

// --- internal ---

/** Bytes of `struct rtmsg`. */
const HEADER_BYTES = 12;
/** Bytes of `struct rtnexthop`. */
const PATH_HEADER_BYTES = 8;
/** RTPROT_BOOT. */
const PROTOCOL_BOOT = 3;

/** RTN_*. */
const typeNumbers = { unicast: 1, local: 2, blackhole: 6, unreachable: 7 } as const;
type RouteType = NonNullable<KernelRoute["type"]>;

function typeNumberOf(type: RouteType): number {
  if (type === "other") throw new Error('Cannot send a route of type "other" to the kernel: it stands for many');
  return typeNumbers[type];
}

function typeOf(number: number): RouteType {
  return (
    (["unicast", "local", "blackhole", "unreachable"] as const).find((type) => typeNumbers[type] === number) ?? "other"
  );
}

function impliedScope({ type = "unicast", gateway }: KernelRoute): "universe" | "link" | "host" {
  if (type === "local") return "host";
  return type === "unicast" && gateway === undefined ? "link" : "universe";
}

interface Identity {
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
}

function encode(route: KernelRoute, { type, scope, protocol }: Identity): Buffer {
  const header = encodeRouteQuery(cidrVersion(route.destination));
  header.writeUInt8(prefixLength(route.destination), 1);
  header.writeUInt8(protocol, 5);
  header.writeUInt8(scope, 6);
  header.writeUInt8(type, 7);
  header.writeUInt32LE(route.onlink === true ? routeFlagOnlink : 0, 8);
  const parts = [header, ipAttribute(routeAttribute.destination, firstIp(route.destination))];
  if (route.linkIndex !== undefined) parts.push(uint32Attribute(routeAttribute.outputLink, route.linkIndex));
  if (route.gateway !== undefined) parts.push(ipAttribute(routeAttribute.gateway, route.gateway));
  if (route.source !== undefined) parts.push(ipAttribute(routeAttribute.preferredSource, route.source));
  if (route.metric !== undefined) parts.push(uint32Attribute(routeAttribute.priority, route.metric));
  return Buffer.concat(parts);
}

function otherNextHops(attributes: Attributes): readonly Ip[] {
  const via = attributes.get(routeAttribute.via);
  // A `struct rtvia` is its family in two bytes and then the address.
  const other = via && ipOf(new Map([[routeAttribute.via, via.subarray(2)]]), routeAttribute.via);
  if (other !== undefined) return [other];
  const paths = attributes.get(routeAttribute.multipath) ?? Buffer.alloc(0);
  const found: Ip[] = [];
  for (let offset = 0; offset + PATH_HEADER_BYTES <= paths.length; ) {
    const length = paths.readUInt16LE(offset);
    if (length < PATH_HEADER_BYTES || offset + length > paths.length) {
      throw new Error(`Cannot read a route's paths: one of ${length} bytes at ${offset} of ${paths.length}`);
    }
    const path = parseAttributes(paths.subarray(offset + PATH_HEADER_BYTES, offset + length));
    const gateway = ipOf(path, routeAttribute.gateway);
    found.push(...(gateway === undefined ? otherNextHops(path) : [gateway]));
    offset += aligned(length);
  }
  return found;
}

function nextHopOf(payload: Buffer, attributes: Attributes): Partial<KernelRoute> {
  const scope = scopeOf(payload.readUInt8(6));
  const linkIndex = uint32Of(attributes, routeAttribute.outputLink);
  const gateway = ipOf(attributes, routeAttribute.gateway);
  const nextHops = gateway === undefined ? otherNextHops(attributes) : [];
  const source = ipOf(attributes, routeAttribute.preferredSource);
  const metric = uint32Of(attributes, routeAttribute.priority);
  return {
    ...(scope === undefined ? {} : { scope }),
    ...(linkIndex === undefined ? {} : { linkIndex }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(nextHops.length === 0 ? {} : { nextHops }),
    ...(source === undefined ? {} : { source }),
    ...(metric === undefined ? {} : { metric }),
    ...((payload.readUInt32LE(8) & routeFlagOnlink) === 0 ? {} : { onlink: true }),
  };
}
