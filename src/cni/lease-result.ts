import { type Cidr, prefixLength } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { formatCniResult, noDns, present } from "./cni-result.ts";
import { configuredRoute } from "./configured-route.ts";
import type { LeasedAddress } from "./lease-addresses.ts";
import type { CniVersion, NetConf } from "./net-conf.ts";

/** A route as a result has it. */
export interface LeaseRoute {
  readonly dst: Cidr;
  readonly gw?: Ip;
}

/** The routes of a configuration's `ipam.routes`. Throws a `CniError` (7) for one that cannot be read. */
export function leaseRoutes(routes: NetConf["ipam"]["routes"]): readonly LeaseRoute[] {
  return routes.map(({ dst, gw }) => {
    const { destination, gateway } = configuredRoute(dst, gw);
    return { dst: destination, ...(gateway === undefined ? {} : { gw: gateway }) };
  });
}

/**
 * The success answer of an IPAM plugin's ADD as JSON text, in the result type of `version`. An address has its block's mask.
 */
export function formatLease(
  addresses: readonly LeasedAddress[],
  routes: readonly LeaseRoute[],
  version: CniVersion,
): string {
  const ips = addresses.map(({ ip, block, gateway }) => ({
    address: `${ip}/${prefixLength(block)}`,
    ...present({ gateway }),
  }));
  return formatCniResult({ interfaces: [], ips, routes, dns: noDns }, version);
}
