import type { NodeName } from "../../api/names.ts";
import { fnv1a } from "../../net/fnv.ts";
import { type Ip, ipFromNumber } from "../../net/ip.ts";

/**
 * A router ID for a node that has no IPv4 address: the same for the same name, never 0 (RFC 6286).
 * Two of n nodes share one with probability n²/2³³.
 */
export function routerIdOfName(node: NodeName): Ip {
  return ipFromNumber(BigInt(fnv1a(node) || 1), 4);
}
