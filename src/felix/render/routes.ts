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
    const add = (ip: Ip, hostInterface: string) => {
      const destination = hostCidr(ip);
      if (!options.versions.includes(versionOf(ip)) || found.has(destination)) return;
      found.set(destination, { destination, hostInterface, ...attributesOf(ip, options) });
    };
    for (const { hostInterface, addresses } of byPreference(endpoints.values())) {
      for (const ip of addresses) add(ip, hostInterface);
    }
    if (options.floatingIps) {
      for (const { external, hostInterface } of floatingAddresses(endpoints)) add(external, hostInterface);
    }
    return found;
  },
);

// --- internal ---

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
