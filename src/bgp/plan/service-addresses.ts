import { type NamespacedName, type NodeName, namespacedName } from "../../api/names.ts";
import type { Service, SliceEndpoint } from "../../api/objects.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, cidrContainsIp, hostCidr } from "../../net/cidr.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import { otherHolders } from "./claimed-addresses.ts";
import { isSingle, type ServiceNetworks, serviceNetworks } from "./service-networks.ts";

/** One address of a Service that a node is to announce by itself, if it can deliver to it. */
export interface ServiceAddress {
  readonly address: Ip;
  readonly service: NamespacedName;
  /** Only the node's own endpoints serve it (`externalTrafficPolicy: Local`). */
  readonly isLocal: boolean;
  /** The ready endpoints, of the address's family, of which one at least must be reached from here. Never empty. */
  readonly endpoints: readonly Ip[];
}

/** What a node with this label (`true`) does not announce: anything of Services. */
export const exclusionLabel = "node.kubernetes.io/exclude-from-external-load-balancers";

/**
 * The single addresses of Services that `node` would announce, with the endpoints that it takes. As upstream: of Services
 * with `externalTrafficPolicy: Local` where an endpoint here is ready; of others where a single address is configured, or
 * `serviceLoadBalancerAggregation` is Disabled, and some endpoint is ready anywhere. An endpoint that terminates is not ready,
 * whatever it says. External addresses that are somebody else's (`otherHolders`) are left out.
 */
export function serviceAddresses(snapshot: Snapshot, node: NodeName): readonly ServiceAddress[] {
  if (snapshot.node.get(node)?.labels[exclusionLabel] === "true") return [];
  const networks = serviceNetworks(snapshot.bgpConfiguration);
  const candidates = [...snapshot.service.values()].filter((service) => isCandidate(service, networks));
  if (candidates.length === 0) return [];
  const ready = readyEndpoints(snapshot);
  const holderOf = otherHolders(snapshot);
  return candidates.flatMap((service) => {
    const key = namespacedName(service.namespace, service.name);
    const isLocal = service.externalTrafficPolicy === "Local";
    const endpoints = (ready.get(key) ?? []).filter((one) => !isLocal || one.node === node);
    const externalIps = service.externalIps.filter((ip) => holderOf(ip, key) === undefined);
    return addressesOf({ ...service, externalIps }, networks).flatMap((address) => {
      const reached = endpoints
        .flatMap(({ addresses }) => addresses)
        .filter((ip) => versionOf(ip) === versionOf(address));
      return reached.length === 0 ? [] : [{ address, service: key, isLocal, endpoints: reached }];
    });
  });
}

/** As it is announced. */
export function announced({ address }: ServiceAddress): Cidr {
  return hostCidr(address);
}

// --- internal ---

const types: readonly string[] = ["ClusterIP", "NodePort", "LoadBalancer"];

function isCandidate(service: Service, networks: ServiceNetworks): boolean {
  if (!types.includes(service.type) || service.clusterIps.length === 0) return false;
  if (service.externalTrafficPolicy === "Local" || !networks.aggregates) return true;
  return hasSingle(service, networks);
}

function hasSingle(service: Service, { external, loadBalancer }: ServiceNetworks): boolean {
  const asked = service.requestedLoadBalancerIp;
  const given = [...service.loadBalancerIps, ...(asked === undefined ? [] : [asked])];
  return (
    (service.type === "LoadBalancer" && given.some((ip) => isIn(ip, loadBalancer.filter(isSingle)))) ||
    service.externalIps.some((ip) => isIn(ip, external.filter(isSingle)))
  );
}

/** Those inside the networks that are to be announced, each once. */
function addressesOf(service: Service, { cluster, external, loadBalancer }: ServiceNetworks): readonly Ip[] {
  return [
    ...new Set([
      ...service.clusterIps.filter((ip) => isIn(ip, cluster)),
      ...service.externalIps.filter((ip) => isIn(ip, external)),
      ...service.loadBalancerIps.filter((ip) => isIn(ip, loadBalancer)),
    ]),
  ];
}

function isIn(ip: Ip, networks: readonly Cidr[]): boolean {
  return networks.some((network) => cidrContainsIp(network, ip));
}

function readyEndpoints({ endpointSlice }: Snapshot): ReadonlyMap<NamespacedName, readonly SliceEndpoint[]> {
  const found = new Map<NamespacedName, SliceEndpoint[]>();
  for (const { namespace, service, endpoints } of endpointSlice.values()) {
    if (service === undefined) continue;
    const key = namespacedName(namespace, service);
    const ready = endpoints.filter((one) => one.ready && !one.terminating);
    const known = found.get(key);
    if (known === undefined) found.set(key, ready);
    else known.push(...ready);
  }
  return found;
}
