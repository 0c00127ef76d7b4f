import type { NodeName } from "../../api/names.ts";
import { fnv1a } from "../../net/fnv.ts";
import { type Ip, ipFromNumber, isIp, parseIp, versionOf } from "../../net/ip.ts";

/**
 * A router ID for a node that has no IPv4 address: the same for the same name, never 0 (RFC 6286).
 * Two of n nodes share one with probability n²/2³³.
 */
export function routerIdOfName(node: NodeName): Ip {
  return ipFromNumber(BigInt(fnv1a(node) || 1), 4);
}

/**
 * Reads upstream's `CALICO_ROUTER_ID` for this node: four octets in dotted decimal, or `hash`, which makes one from the node's name.
 * Undefined when it is empty. Throws a sentence for anything else, and for 0.0.0.0 (RFC 6286).
 */
export function parseRouterId(text: string, node: NodeName): Ip | undefined {
  if (text === "") return undefined;
  if (text === "hash") return routerIdOfName(node);
  if (isIp(text) && versionOf(text) === 4 && text !== "0.0.0.0") return parseIp(text);
  throw new Error(
    `Cannot use ${JSON.stringify(text)} as CALICO_ROUTER_ID: it must be "hash", or four octets such as 192.0.2.1; the node's address counts`,
  );
}
