import type { IpPool } from "../api/ip-pool.ts";
import type { Labels } from "../api/objects.ts";
import { cidrVersion } from "../net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../net/ip.ts";
import { AddressWish, type Origin } from "./address-wish.ts";
import { ownIpam } from "./ipam-type.ts";
import type { NetConf } from "./net-conf.ts";
import { quote } from "./quote.ts";

/** Everything that may say which addresses a pod is to have. */
export interface AddressSources {
  readonly conf: Pick<NetConf, "ipam" | "runtimeConfig" | "args" | "feature_control">;
  /** `namespace/name`, for sentences; undefined for a container that is no pod. */
  readonly pod: string | undefined;
  readonly podAnnotations: Labels;
  readonly namespaceAnnotations: Labels;
  /** The pairs of `CNI_ARGS`. */
  readonly arguments: ReadonlyMap<string, string>;
  /** Those of the cluster, to tell a pool's family by its name. */
  readonly pools: readonly IpPool[];
}

/** Which addresses a pod is to have. */
export interface AddressPlan {
  /**
   * `ipam`: IPAM gives them. `given`: they are taken as they are, and IPAM does not know of them. `executed`: another IPAM
   * plugin gives them, and the rest of the plan says nothing.
   */
  readonly by: "ipam" | "given" | "executed";
  /** How many of each family, whichever is free. */
  readonly v4: 0 | 1;
  readonly v6: 0 | 1;
  /** These very addresses, at most one of each family. */
  readonly addresses: readonly Ip[];
  /** By family, names or CIDRs of the only pools to use. */
  readonly pools: Readonly<Partial<Record<IpVersion, readonly string[]>>>;
  /** Addresses that are to be translated to the pod's own: each has one of its family. */
  readonly floatingIps: readonly Ip[];
}

/** The annotations that are read here. */
export const addressAnnotations = {
  ipAddrs: "cni.projectcalico.org/ipAddrs",
  ipAddrsNoIpam: "cni.projectcalico.org/ipAddrsNoIpam",
  ipFamilies: "cni.projectcalico.org/ipFamilies",
  ipv4pools: "cni.projectcalico.org/ipv4pools",
  ipv6pools: "cni.projectcalico.org/ipv6pools",
  floatingIPs: "cni.projectcalico.org/floatingIPs",
} as const;

/**
 * Weighs what pod, namespace, runtime and configuration ask for, as upstream does:
 *
 * | what | first of these that says something |
 * |---|---|
 * | fixed addresses | pod `ipAddrs` or `ipAddrsNoIpam`, `runtimeConfig.ips`, `args.cni.ips`, `IP` of `CNI_ARGS` |
 * | pools | pod `ipv4pools` / `ipv6pools`, the namespace's, the configuration's, every pool that selects node and namespace |
 * | families | pod `ipFamilies`, the namespace's, `assign_ipv4` and `assign_ipv6` |
 *
 * With fixed addresses the pod has these and no others: families and pools do not count then. An annotation that is empty
 * text says nothing. Throws a `CniError` (7) that names and quotes what cannot be used.
 */
export function planAddresses(sources: AddressSources): AddressPlan {
  // All are read before any counts, so that a malformed one is an error whatever the others say.
  const pools = { ...poolsOf(sources, 4), ...poolsOf(sources, 6) };
  const families = familiesOf(sources);
  const fixed = fixedAddresses(sources);
  const plan: AddressPlan =
    fixed === undefined
      ? { by: "ipam", ...families, addresses: [], pools, floatingIps: [] }
      : { ...fixed, v4: 0, v6: 0, pools: {}, floatingIps: [] };
  return { ...plan, floatingIps: floatingIps(sources, plan) };
}

/**
 * What is asked for where another IPAM plugin gives the addresses. As upstream: what asks for pools or families says nothing
 * then, and what asks for certain addresses is refused, by a `CniError` (7).
 */
export function executedPlan(sources: AddressSources): AddressPlan {
  for (const name of ["ipAddrs", "ipAddrsNoIpam", "floatingIPs"] as const) {
    const why = `IPAM plugin ${sources.conf.ipam.type} does not know it; it takes ipam.type ${ownIpam}`;
    const wish = podWish(sources, name);
    if (wish !== undefined) throw wish.refusal(why);
  }
  return { by: "executed", v4: 0, v6: 0, addresses: [], pools: {}, floatingIps: [] };
}

// --- internal ---

function fixedAddresses(sources: AddressSources): Pick<AddressPlan, "by" | "addresses"> | undefined {
  const { conf } = sources;
  const known = podWish(sources, "ipAddrs");
  const unknown = podWish(sources, "ipAddrsNoIpam");
  if (known !== undefined && unknown !== undefined) {
    throw unknown.refusal(`it cannot stand beside ${addressAnnotations.ipAddrs}: leave one of them out`);
  }
  if (unknown !== undefined) {
    if (!conf.feature_control.ip_addrs_no_ipam) {
      throw unknown.refusal("feature_control.ip_addrs_no_ipam of the network configuration is not true");
    }
    return { by: "given", addresses: unknown.podAddresses() };
  }
  const asked = known ?? runtimeWish(sources);
  return asked === undefined ? undefined : { by: "ipam", addresses: asked.podAddresses() };
}

/** Fixed addresses that the runtime asks for: the newest way of the conventions counts first, as in the plugin `static`. */
function runtimeWish({ conf, arguments: pairs }: AddressSources): AddressWish | undefined {
  const argument = pairs.get("IP") ?? "";
  const ways: readonly (readonly [string, readonly string[]])[] = [
    ["runtimeConfig.ips of the network configuration", conf.runtimeConfig.ips],
    ["args.cni.ips of the network configuration", conf.args.cni.ips],
    ["IP of CNI_ARGS", argument === "" ? [] : argument.split(",")],
  ];
  const way = ways.find(([, ips]) => ips.length > 0);
  return way === undefined ? undefined : AddressWish.ofList(way[0], way[1]);
}

function familiesOf(sources: AddressSources): Pick<AddressPlan, "v4" | "v6"> {
  const { conf } = sources;
  const wish = podWish(sources, "ipFamilies") ?? namespaceWish(sources, "ipFamilies");
  const assigns = wish?.families() ?? { v4: conf.ipam.assign_ipv4, v6: conf.ipam.assign_ipv6 };
  return { v4: assigns.v4 ? 1 : 0, v6: assigns.v6 ? 1 : 0 };
}

function poolsOf(sources: AddressSources, version: IpVersion): AddressPlan["pools"] {
  const { conf } = sources;
  const name = version === 4 ? "ipv4pools" : "ipv6pools";
  const configured = version === 4 ? conf.ipam.ipv4_pools : conf.ipam.ipv6_pools;
  const wish =
    podWish(sources, name) ??
    namespaceWish(sources, name) ??
    AddressWish.ofList(`ipam.ipv${version}_pools of the network configuration`, configured);
  const asked = wish.pools(version);
  for (const text of asked) {
    const pool = sources.pools.find(({ metadata }) => metadata.name === text);
    if (pool === undefined || cidrVersion(pool.spec.cidr) === version) continue;
    throw wish.refusal(`pool ${text} is ${pool.spec.cidr}, which is not IPv${version}`);
  }
  return asked.length === 0 ? {} : { [version]: asked };
}

function floatingIps(sources: AddressSources, { v4, v6, addresses }: AddressPlan): readonly Ip[] {
  const wish = podWish(sources, "floatingIPs");
  if (wish === undefined) return [];
  if (!sources.conf.feature_control.floating_ips) {
    throw wish.refusal("feature_control.floating_ips of the network configuration is not true");
  }
  const has = (version: IpVersion) =>
    (version === 4 ? v4 : v6) > 0 || addresses.some((ip) => versionOf(ip) === version);
  const floating = wish.addresses();
  const stray = floating.find((ip) => !has(versionOf(ip)));
  if (stray !== undefined) throw wish.refusal(`the pod has no IPv${versionOf(stray)} address for ${stray} to lead to`);
  return floating;
}

function podWish({ pod, podAnnotations }: AddressSources, name: keyof typeof addressAnnotations) {
  return annotationWish(podAnnotations, name, `pod ${pod}`);
}

function namespaceWish({ pod, namespaceAnnotations }: AddressSources, name: keyof typeof addressAnnotations) {
  return annotationWish(namespaceAnnotations, name, `namespace ${pod?.split("/")[0]}`);
}

function annotationWish(
  annotations: Labels,
  name: keyof typeof addressAnnotations,
  whose: string,
): AddressWish | undefined {
  const key = addressAnnotations[name];
  const value = annotations[key] ?? "";
  const origin: Origin = { what: `annotation ${key} of ${whose}`, value: quote(value) };
  return value === "" ? undefined : AddressWish.ofJson(origin, value);
}
