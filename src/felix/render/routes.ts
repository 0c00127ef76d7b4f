import { type Cidr, hostCidr } from "../../net/cidr.ts";
import { compareText } from "../../net/compare-text.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import type { EndpointPlan, NodePlan } from "../calc/plan.ts";
import type { Route } from "./desired-state.ts";
import { floatingAddresses } from "./floating-ips.ts";
import type { RenderOptions } from "./options.ts";
import { rememberPair } from "./remember.ts";

/**
 * One route for each address of each endpoint, closed ones too: their address must not be sent elsewhere; and for each address
 * that stands for one, so that it is found here. When two endpoints hold one address, an open one has it; of equals, the first by
 * interface name. The same object for the same map.
 */
export const routes = rememberPair(
  (endpoints: NodePlan["endpoints"], options: RenderOptions): ReadonlyMap<Cidr, Route> => {
    const found = new Map<Cidr, Route>();
    const add = (route: Route) => {
      if (!found.has(route.destination)) found.set(route.destination, route);
    };
    for (const endpoint of byPreference(endpoints.values()))
      for (const route of routesOf(endpoint, options)) add(route);
    if (options.floatingIps) {
      for (const { external, hostInterface } of floatingAddresses(endpoints)) {
        for (const route of routesTo([external], hostInterface, options)) add(route);
      }
    }
    return found;
  },
);

// --- internal ---

const routesOf = rememberPair(({ addresses, hostInterface }: EndpointPlan, options: RenderOptions) =>
  routesTo(addresses, hostInterface, options),
);

/** Of the families that there are. */
function routesTo(addresses: readonly Ip[], hostInterface: string, options: RenderOptions): readonly Route[] {
  return addresses
    .filter((ip) => options.versions.includes(versionOf(ip)))
    .map((ip) => ({ destination: hostCidr(ip), hostInterface, ...attributesOf(ip, options) }));
}

/** In the order in which endpoints are given an address that several hold. */
function byPreference(endpoints: Iterable<EndpointPlan>): readonly EndpointPlan[] {
  return [...endpoints].sort(
    (a, b) =>
      Number(a.state === "closed") - Number(b.state === "closed") || compareText(a.hostInterface, b.hostInterface),
  );
}

function attributesOf(ip: Ip, { routes: { metric, source } }: RenderOptions): Pick<Route, "metric" | "source"> {
  const version = versionOf(ip);
  const own = source?.[version];
  return { ...(metric && { metric: metric[version] }), ...(own && { source: own }) };
}
