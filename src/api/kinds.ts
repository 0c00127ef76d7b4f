import { bgpConfiguration } from "./bgp-configuration.ts";
import { bgpFilter } from "./bgp-filter.ts";
import { bgpPeer } from "./bgp-peer.ts";
import { blockAffinity } from "./block-affinity.ts";
import { calicoNetworkPolicy } from "./calico-network-policy.ts";
import { calicoNodeStatus } from "./calico-node-status.ts";
import type { CustomKind } from "./custom-kind.ts";
import { apiOf } from "./custom-kinds.ts";
import { felixConfiguration } from "./felix-configuration.ts";
import { globalNetworkPolicy } from "./global-network-policy.ts";
import { hostEndpoint } from "./host-endpoint.ts";
import { ipPool } from "./ip-pool.ts";
import { ipReservation } from "./ip-reservation.ts";
import { ipamBlock } from "./ipam-block.ts";
import { ipamConfiguration } from "./ipam-configuration.ts";
import { ipamHandle } from "./ipam-handle.ts";
import { kubeControllersConfiguration } from "./kube-controllers-configuration.ts";
import { clusterNetworkPolicy } from "./kubernetes/cluster-network-policy.ts";
import { globalNetworkSet, networkSet } from "./network-set.ts";
import { stagedKubernetesNetworkPolicy } from "./staged-kubernetes-network-policy.ts";
import { stagedGlobalNetworkPolicy, stagedNetworkPolicy } from "./staged-network-policy.ts";
import { tier } from "./tier.ts";

/** What a client has to know of a kind to name it and to address it. */
export interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  /** Every further name by which a person may call it, lower case: the API server's short names and calicoctl's. */
  readonly shortNames: readonly string[];
  /** Empty for Kubernetes' core group. */
  readonly group: string;
  readonly version: string;
  readonly namespaced: boolean;
}

/** projectcalico.org/v3 BGPConfiguration. */
export const bgpConfigurationKind = custom(bgpConfiguration);
/** projectcalico.org/v3 BGPFilter. */
export const bgpFilterKind = custom(bgpFilter);
/** projectcalico.org/v3 BGPPeer. */
export const bgpPeerKind = custom(bgpPeer);
/** projectcalico.org/v3 BlockAffinity. */
export const blockAffinityKind = custom(blockAffinity);
/** projectcalico.org/v3 CalicoNodeStatus. */
export const calicoNodeStatusKind = custom(calicoNodeStatus);
/** projectcalico.org/v3 FelixConfiguration. */
export const felixConfigurationKind = custom(felixConfiguration);
/** projectcalico.org/v3 IPAMBlock. */
export const ipamBlockKind = custom(ipamBlock);
/** projectcalico.org/v3 IPAMConfiguration. */
export const ipamConfigurationKind = custom(ipamConfiguration);
/** projectcalico.org/v3 IPAMHandle. */
export const ipamHandleKind = custom(ipamHandle);
/** projectcalico.org/v3 IPPool. */
export const ipPoolKind = custom(ipPool);
/** projectcalico.org/v3 IPReservation. */
export const ipReservationKind = custom(ipReservation);
/** projectcalico.org/v3 KubeControllersConfiguration. */
export const kubeControllersConfigurationKind = custom(kubeControllersConfiguration);
/** projectcalico.org/v3 NetworkPolicy. */
export const calicoNetworkPolicyKind = custom(calicoNetworkPolicy);
/** projectcalico.org/v3 GlobalNetworkPolicy. */
export const globalNetworkPolicyKind = custom(globalNetworkPolicy);
/** projectcalico.org/v3 StagedNetworkPolicy. */
export const stagedNetworkPolicyKind = custom(stagedNetworkPolicy);
/** projectcalico.org/v3 StagedGlobalNetworkPolicy. */
export const stagedGlobalNetworkPolicyKind = custom(stagedGlobalNetworkPolicy);
/** projectcalico.org/v3 StagedKubernetesNetworkPolicy. */
export const stagedKubernetesNetworkPolicyKind = custom(stagedKubernetesNetworkPolicy);
/** projectcalico.org/v3 Tier. */
export const tierKind = custom(tier);
/** projectcalico.org/v3 NetworkSet. */
export const networkSetKind = custom(networkSet);
/** projectcalico.org/v3 GlobalNetworkSet. */
export const globalNetworkSetKind = custom(globalNetworkSet);
/** projectcalico.org/v3 HostEndpoint. */
export const hostEndpointKind = custom(hostEndpoint);
/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy. */
export const clusterNetworkPolicyKind = custom(clusterNetworkPolicy);
/** coordination.k8s.io/v1 Lease. */
export const leaseKind: Kind = {
  kind: "Lease",
  plural: "leases",
  singular: "lease",
  shortNames: [],
  group: "coordination.k8s.io",
  version: "v1",
  namespaced: true,
};
/** events.k8s.io/v1 Event. */
export const eventKind: Kind = {
  kind: "Event",
  plural: "events",
  singular: "event",
  shortNames: [],
  group: "events.k8s.io",
  version: "v1",
  namespaced: true,
};
/** networking.k8s.io/v1 NetworkPolicy. */
export const networkPolicyKind: Kind = {
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  singular: "networkpolicy",
  shortNames: ["netpol"],
  group: "networking.k8s.io",
  version: "v1",
  namespaced: true,
};
/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSliceKind: Kind = {
  kind: "EndpointSlice",
  plural: "endpointslices",
  singular: "endpointslice",
  shortNames: [],
  group: "discovery.k8s.io",
  version: "v1",
  namespaced: true,
};
/** v1 Service. */
export const serviceKind = core("Service", "services", "svc", true);
/** v1 ServiceAccount. */
export const serviceAccountKind = core("ServiceAccount", "serviceaccounts", "sa", true);
/** v1 Pod. */
export const podKind = core("Pod", "pods", "po", true);
/** v1 Namespace. */
export const namespaceKind = core("Namespace", "namespaces", "ns", false);
/** v1 Node. */
export const nodeKind = core("Node", "nodes", "no", false);

/** The kinds that the code and its command line work on: our own, then the Kubernetes kinds that belong beside them. */
export const kinds: readonly Kind[] = [
  ...[bgpConfigurationKind, bgpFilterKind, bgpPeerKind, blockAffinityKind, calicoNodeStatusKind],
  ...[felixConfigurationKind, ipamBlockKind, ipamConfigurationKind, ipamHandleKind, ipPoolKind],
  ...[ipReservationKind, kubeControllersConfigurationKind],
  ...[calicoNetworkPolicyKind, globalNetworkPolicyKind, stagedNetworkPolicyKind, stagedGlobalNetworkPolicyKind],
  ...[stagedKubernetesNetworkPolicyKind, tierKind, networkSetKind, globalNetworkSetKind, hostEndpointKind],
  ...[clusterNetworkPolicyKind],
  ...[networkPolicyKind, podKind, namespaceKind, nodeKind],
];

/** `v1`, or `group/version`: the apiVersion of the kind's objects. */
export function apiVersionOf({ group, version }: Pick<Kind, "group" | "version">): string {
  return group === "" ? version : `${group}/${version}`;
}

/**
 * The kind that a person calls `name`, in any case: kind, plural, singular or short name, or the plural with its group as
 * in `networkpolicies.networking.k8s.io`. Where two have a name, as NetworkPolicy, it is our own kind's, as calicoctl has it.
 */
export function kindCalled(name: string): Kind | undefined {
  const wanted = name.toLowerCase();
  return kinds.find(({ kind, plural, singular, shortNames, group }) =>
    [kind.toLowerCase(), plural, singular, ...shortNames, `${plural}.${group}`].includes(wanted),
  );
}

/** The kind of an object by its apiVersion and kind, as they stand in its JSON. */
export function kindOfObject(apiVersion: string, kind: string): Kind | undefined {
  return kinds.find((one) => one.kind === kind && apiVersionOf(one) === apiVersion);
}

/**
 * The API server's path of one object, or of the list when `name` is absent; without a namespace that is the list over
 * all of them. A namespace does not count for a cluster-scoped kind. Throws when a namespaced object has no namespace.
 */
export function resourcePath(
  kind: Kind,
  { namespace, name }: { readonly namespace?: string | undefined; readonly name?: string | undefined } = {},
): string {
  if (kind.namespaced && name !== undefined && namespace === undefined) {
    throw new Error(`Cannot address ${kind.kind} ${name}: it needs a namespace`);
  }
  const root = kind.group === "" ? "/api" : "/apis";
  const inNamespace = kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const object = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  return `${root}/${apiVersionOf(kind)}${inNamespace}/${kind.plural}${object}`;
}

// --- internal ---

function custom(custom: CustomKind): Kind {
  const { kind, plural, singular, shortNames, aliases, namespaced } = custom;
  const { group, version } = apiOf(custom);
  const names = { kind, plural, singular, shortNames: [...shortNames, ...aliases] };
  return { ...names, group, version, namespaced: namespaced === true };
}

function core(kind: string, plural: string, shortName: string, namespaced: boolean): Kind {
  return { kind, plural, singular: kind.toLowerCase(), shortNames: [shortName], group: "", version: "v1", namespaced };
}
