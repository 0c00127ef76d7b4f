import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, cidrVersion, prefixLength } from "../../net/cidr.ts";
import { bitsOf } from "../../net/ip.ts";

/** The networks of Services' addresses that are announced, as BGPConfiguration `default` has them. */
export interface ServiceNetworks {
  readonly cluster: readonly Cidr[];
  readonly external: readonly Cidr[];
  readonly loadBalancer: readonly Cidr[];
  /** Those of load balancers are announced whole, and not only the addresses that are in use. */
  readonly aggregates: boolean;
}

/** What the BGPConfiguration `default` says of Services; of nodes' own ones nothing counts here, as upstream. */
export function serviceNetworks(configurations: Snapshot["bgpConfiguration"]): ServiceNetworks {
  const spec = configurations.get("default")?.spec;
  return {
    cluster: cidrsOf(spec?.serviceClusterIPs),
    external: cidrsOf(spec?.serviceExternalIPs),
    loadBalancer: cidrsOf(spec?.serviceLoadBalancerIPs),
    aggregates: spec?.serviceLoadBalancerAggregation !== "Disabled",
  };
}

/** All of them, single addresses too. */
export function allServiceNetworks({ cluster, external, loadBalancer }: ServiceNetworks): readonly Cidr[] {
  return [...new Set([...cluster, ...external, ...loadBalancer])];
}

/** True for a /32 or /128: one address, which is announced from where it is served and never whole. */
export function isSingle(cidr: Cidr): boolean {
  return prefixLength(cidr) === bitsOf(cidrVersion(cidr));
}

// --- internal ---

function cidrsOf(networks: readonly { readonly cidr?: Cidr | undefined }[] | undefined): readonly Cidr[] {
  return [...new Set((networks ?? []).flatMap(({ cidr }) => cidr ?? []))];
}
