import { type Cidr, hostCidr } from "../../net/cidr.ts";
import { compareText } from "../../net/compare-text.ts";
import { versionOf } from "../../net/ip.ts";
import type { EndpointPlan } from "../calc/plan.ts";
import type { Route } from "./desired-state.ts";
import type { RenderOptions } from "./options.ts";

/**
 * One route for each address of each endpoint, closed ones too: their address must not be sent elsewhere.
 * When two endpoints hold one address, an open one has it; of equals, the first by interface name.
 */
export function routes(endpoints: Iterable<EndpointPlan>, options: RenderOptions): ReadonlyMap<Cidr, Route> {
  const found = new Map<Cidr, Route>();
  const byPreference = [...endpoints].sort(
    (a, b) =>
      Number(a.state === "closed") - Number(b.state === "closed") || compareText(a.hostInterface, b.hostInterface),
  );
  for (const { hostInterface, addresses } of byPreference) {
    for (const ip of addresses) {
      const destination = hostCidr(ip);
      if (!options.versions.includes(versionOf(ip)) || found.has(destination)) continue;
      found.set(destination, { destination, hostInterface });
    }
  }
  return found;
}
