import { type Cidr, prefixLength } from "../net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../net/ip.ts";
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
 * The success answer of an IPAM plugin's ADD as JSON text, in the result type of `version`: `ip4`/`ip6` up to 0.2.0, then
 * lists, with a `version` in each address up to 0.4.0. An address has its block's mask.
 */
export function formatLease(
  addresses: readonly LeasedAddress[],
  routes: readonly LeaseRoute[],
  version: CniVersion,
): string {
  const shape =
    version === "0.1.0" || version === "0.2.0" ? earlyShape(addresses, routes) : listShape(addresses, routes, version);
  return JSON.stringify({ cniVersion: version, ...shape, dns: {} });
}

// --- internal ---

function earlyShape(addresses: readonly LeasedAddress[], routes: readonly LeaseRoute[]): object {
  const of = (version: IpVersion) => {
    const found = addresses.find(({ ip }) => versionOf(ip) === version);
    const own = routes.filter(({ dst }) => versionOf(dst) === version);
    return found === undefined
      ? {}
      : {
          [`ip${version}`]: { ip: withMask(found), ...gatewayOf(found), ...(own.length === 0 ? {} : { routes: own }) },
        };
  };
  return { ...of(4), ...of(6) };
}

function listShape(addresses: readonly LeasedAddress[], routes: readonly LeaseRoute[], version: CniVersion): object {
  const named = version !== "1.0.0" && version !== "1.1.0";
  const ips = addresses.map((one) => ({
    ...(named ? { version: String(versionOf(one.ip)) } : {}),
    address: withMask(one),
    ...gatewayOf(one),
  }));
  return { ips, ...(routes.length === 0 ? {} : { routes }) };
}

function withMask({ ip, block }: LeasedAddress): string {
  return `${ip}/${prefixLength(block)}`;
}

function gatewayOf({ gateway }: LeasedAddress): object {
  return gateway === undefined ? {} : { gateway };
}
