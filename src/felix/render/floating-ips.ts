import { compareText } from "../../net/compare-text.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import type { EndpointPlan, NodePlan } from "../calc/plan.ts";
import { remember } from "./remember.ts";

/** An address that stands for a local endpoint's. */
export interface FloatingAddress {
  readonly external: Ip;
  readonly internal: Ip;
  readonly hostInterface: string;
}

/**
 * The floating addresses of these endpoints, each once, in the order of their texts. When two endpoints ask for one, it is as with
 * their own addresses: an open one has it; of equals, the first by interface name. What some endpoint holds as its own address
 * floats nowhere, nor does one family to the other. The same array for the same map.
 */
export const floatingAddresses = remember((endpoints: NodePlan["endpoints"]): readonly FloatingAddress[] => {
  const asking = [...endpoints.values()].filter(({ floatingIps = [] }) => floatingIps.length > 0);
  if (asking.length === 0) return [];
  const held = new Set([...endpoints.values()].flatMap(({ addresses }) => addresses));
  const found = new Map<Ip, FloatingAddress>();
  for (const { hostInterface, floatingIps = [] } of byPreference(asking)) {
    for (const { external, internal } of floatingIps) {
      if (held.has(external) || found.has(external) || versionOf(external) !== versionOf(internal)) continue;
      found.set(external, { external, internal, hostInterface });
    }
  }
  return [...found.values()].toSorted((a, b) => compareText(a.external, b.external));
});

/** In the order in which endpoints are given an address that several ask for. */
export function byPreference(endpoints: Iterable<EndpointPlan>): readonly EndpointPlan[] {
  return [...endpoints].sort(
    (a, b) =>
      Number(a.state === "closed") - Number(b.state === "closed") || compareText(a.hostInterface, b.hostInterface),
  );
}
