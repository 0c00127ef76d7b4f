import { type Cidr, firstIp, prefixLength } from "../../net/cidr.ts";
import { compareIps } from "../../net/ip.ts";

/** Sorted and without repeats, so that equal input gives equal text and nothing is reconfigured for an order. */
export function inOrder(cidrs: readonly Cidr[]): readonly Cidr[] {
  const order = (a: Cidr, b: Cidr) => compareIps(firstIp(a), firstIp(b)) || prefixLength(a) - prefixLength(b);
  return [...new Set(cidrs)].sort(order);
}
