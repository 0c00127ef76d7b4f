import { parseBgpConfiguration, restOfBgpConfiguration } from "../api/bgp-configuration.ts";
import { closedBgpFilter, parseBgpFilter } from "../api/bgp-filter.ts";
import { closedBgpPeer, parseBgpPeer } from "../api/bgp-peer.ts";
import { parseBlockAffinity } from "../api/block-affinity.ts";
import { parseCalicoNetworkPolicy } from "../api/calico-network-policy.ts";
import { parseCalicoNodeStatus } from "../api/calico-node-status.ts";
import { closedIpPool } from "../api/closed-ip-pool.ts";
import { closedIpamConfiguration } from "../api/closed-ipam-configuration.ts";
import { parseFelixConfiguration, restOfFelixConfiguration } from "../api/felix-configuration.ts";
import { parseGlobalNetworkPolicy } from "../api/global-network-policy.ts";
import { parseHostEndpoint } from "../api/host-endpoint.ts";
import { parseIpPool } from "../api/ip-pool.ts";
import { parseIpReservation } from "../api/ip-reservation.ts";
import { parseIpamBlock } from "../api/ipam-block.ts";
import { parseIpamConfiguration } from "../api/ipam-configuration.ts";
import { parseIpamHandle } from "../api/ipam-handle.ts";
import {
  bgpConfigurationKind,
  bgpFilterKind,
  bgpPeerKind,
  blockAffinityKind,
  calicoNetworkPolicyKind,
  calicoNodeStatusKind,
  clusterNetworkPolicyKind,
  endpointSliceKind,
  felixConfigurationKind,
  globalNetworkPolicyKind,
  globalNetworkSetKind,
  hostEndpointKind,
  ipamBlockKind,
  ipamConfigurationKind,
  ipamHandleKind,
  ipPoolKind,
  ipReservationKind,
  type Kind,
  kubeControllersConfigurationKind,
  leaseKind,
  namespaceKind,
  networkPolicyKind,
  networkSetKind,
  nodeKind,
  podKind,
  serviceAccountKind,
  serviceKind,
  stagedGlobalNetworkPolicyKind,
  stagedKubernetesNetworkPolicyKind,
  stagedNetworkPolicyKind,
  tierKind,
} from "../api/kinds.ts";
import { parseKubeControllersConfiguration } from "../api/kube-controllers-configuration.ts";
import { parseClusterNetworkPolicy } from "../api/kubernetes/cluster-network-policy.ts";
import { parseEndpointSlice } from "../api/kubernetes/endpoint-slice.ts";
import { parseLease } from "../api/kubernetes/lease.ts";
import { parseNamespace } from "../api/kubernetes/namespace.ts";
import { parseKubeNetworkPolicy } from "../api/kubernetes/network-policy.ts";
import { parseNode } from "../api/kubernetes/node.ts";
import { parsePod } from "../api/kubernetes/pod.ts";
import { parseService } from "../api/kubernetes/service.ts";
import { parseServiceAccount } from "../api/kubernetes/service-account.ts";
import { type NodeName, namespacedName, systemNamespace } from "../api/names.ts";
import { parseGlobalNetworkSet, parseNetworkSet } from "../api/network-set.ts";
import { rejectedPolicy } from "../api/rejected-scope.ts";
import { restOfHostEndpoint } from "../api/rest-of-host-endpoint.ts";
import { restOfIpReservation } from "../api/rest-of-ip-reservation.ts";
import { restOfNetworkSet } from "../api/rest-of-network-set.ts";
import { restOfTier } from "../api/rest-of-tier.ts";
import type { KindName, Kinds, PolicyKind } from "../api/snapshot.ts";
import { parseStagedKubernetesNetworkPolicy } from "../api/staged-kubernetes-network-policy.ts";
import { parseStagedGlobalNetworkPolicy, parseStagedNetworkPolicy } from "../api/staged-network-policy.ts";
import { parseTier } from "../api/tier.ts";
import type { KubeObject } from "./object-revisions.ts";
import {
  endpointSliceMessage,
  metadataMessage,
  networkPolicyMessage,
  nodeMessage,
  podMessage,
  serviceMessage,
} from "./protobuf/core-messages.ts";
import type { Message } from "./protobuf/message.ts";

/** The kinds of a Snapshot that come from the API server; attachments and host interfaces come from the node itself. */
export type FedKind = Exclude<KindName, "attachment" | "hostInterface">;

/** Where one kind comes from, and how its objects become values. */
export interface Feed<K extends FedKind> {
  readonly resource: Kind;
  /** The only namespace to follow; all of them when absent. */
  readonly namespace?: string;
  /** The field that names the one node whose agent an object is for: that agent follows its own objects only. */
  readonly nodeField?: string;
  /** For a kind of Kubernetes' own: what is read of it where it comes as protobuf. Custom resources come as JSON. */
  readonly message?: Message;
  readonly key: (namespace: string, name: string) => Kinds[K]["key"];
  /** Throws when the object cannot be read. */
  readonly parse: (json: unknown) => Kinds[K]["value"];
  /** What stands for an object that cannot be read; undefined: it counts as absent. */
  readonly unreadable: (object: KubeObject, reason: string) => Kinds[K]["value"] | undefined;
}

const absent = () => undefined;
const byName = (_namespace: string, name: string) => name;
const rejectedAs = (kind: PolicyKind) => (object: KubeObject, reason: string) => rejectedPolicy(kind, object, reason);

/**
 * What stands for an object that cannot be read is the closed side of its kind, and follows from the object alone, also
 * when an earlier version of it was readable: a node must not behave as no node that starts now would.
 *
 * - A policy stays, as one that denies wherever it may have stood whatever it may have selected.
 * - A tier stays, in its place if that can be read, and with a denying end.
 * - A network set stays, with the networks in it that can be read: were it absent, a rule could no longer deny them.
 * - A host endpoint stays, with what can be read of it: were it absent, its interface would be open.
 * - A pool stays, as one from which nothing is given. Were it absent, the blocks of a pool that is to be hidden would be
 *   announced, and what pods send to its addresses would be masqueraded.
 * - A reservation stays, with the networks in it that can be read.
 * - The settings of address management stay, with what can be read of them, and the strictest of what cannot. Were they
 *   absent, a node would borrow addresses that it must not, or give one out again before its time.
 * - The settings of agents stay, with each field that can be read; the others are as if they were not set.
 * - A pod or a namespace counts as absent: no rule allows an unknown pod or the pods of an unknown namespace, and a pod
 *   of this node that is unknown, or whose namespace is, is cut off.
 * - The settings of BGP stay likewise, and a password that cannot be read is asked for all the same.
 * - A BGP filter stays, as one that rejects every route: were it absent, routes would pass that it may forbid.
 * - A service account or an endpoint slice counts as absent, like one that has not come yet: its pods lack labels, its
 *   Service addresses.
 * - A BGP peer stays, as one that has its neighbour and speaks with it no more: were it absent, another might have it
 *   without this one's password and filters.
 * - A node, a block or a service counts as absent: there is no session with an unknown node, and an unknown block or service
 *   is not announced. A node's report that is asked for in an unknown way is not made.
 */
export const feeds: { readonly [K in FedKind]: Feed<K> } = {
  pod: { resource: podKind, message: podMessage, key: namespacedName, parse: parsePod, unreadable: absent },
  namespace: {
    resource: namespaceKind,
    message: metadataMessage,
    key: byName,
    parse: parseNamespace,
    unreadable: absent,
  },
  node: {
    resource: nodeKind,
    message: nodeMessage,
    key: (_, name) => name as NodeName,
    parse: parseNode,
    unreadable: absent,
  },
  serviceAccount: {
    resource: serviceAccountKind,
    message: metadataMessage,
    key: namespacedName,
    parse: parseServiceAccount,
    unreadable: absent,
  },
  service: {
    resource: serviceKind,
    message: serviceMessage,
    key: namespacedName,
    parse: parseService,
    unreadable: absent,
  },
  endpointSlice: {
    resource: endpointSliceKind,
    message: endpointSliceMessage,
    key: namespacedName,
    parse: parseEndpointSlice,
    unreadable: absent,
  },
  networkPolicy: {
    resource: networkPolicyKind,
    message: networkPolicyMessage,
    key: namespacedName,
    parse: parseKubeNetworkPolicy,
    unreadable: rejectedAs("networkPolicy"),
  },
  clusterNetworkPolicy: {
    resource: clusterNetworkPolicyKind,
    key: byName,
    parse: parseClusterNetworkPolicy,
    unreadable: rejectedAs("clusterNetworkPolicy"),
  },
  calicoNetworkPolicy: {
    resource: calicoNetworkPolicyKind,
    key: namespacedName,
    parse: parseCalicoNetworkPolicy,
    unreadable: rejectedAs("calicoNetworkPolicy"),
  },
  globalNetworkPolicy: {
    resource: globalNetworkPolicyKind,
    key: byName,
    parse: parseGlobalNetworkPolicy,
    unreadable: rejectedAs("globalNetworkPolicy"),
  },
  stagedNetworkPolicy: {
    resource: stagedNetworkPolicyKind,
    key: namespacedName,
    parse: parseStagedNetworkPolicy,
    unreadable: rejectedAs("stagedNetworkPolicy"),
  },
  stagedGlobalNetworkPolicy: {
    resource: stagedGlobalNetworkPolicyKind,
    key: byName,
    parse: parseStagedGlobalNetworkPolicy,
    unreadable: rejectedAs("stagedGlobalNetworkPolicy"),
  },
  stagedKubernetesNetworkPolicy: {
    resource: stagedKubernetesNetworkPolicyKind,
    key: namespacedName,
    parse: parseStagedKubernetesNetworkPolicy,
    unreadable: rejectedAs("stagedKubernetesNetworkPolicy"),
  },
  tier: { resource: tierKind, key: byName, parse: parseTier, unreadable: restOfTier },
  networkSet: { resource: networkSetKind, key: namespacedName, parse: parseNetworkSet, unreadable: restOfNetworkSet },
  globalNetworkSet: {
    resource: globalNetworkSetKind,
    key: byName,
    parse: parseGlobalNetworkSet,
    unreadable: restOfNetworkSet,
  },
  hostEndpoint: { resource: hostEndpointKind, key: byName, parse: parseHostEndpoint, unreadable: restOfHostEndpoint },
  ipPool: { resource: ipPoolKind, key: byName, parse: parseIpPool, unreadable: closedIpPool },
  ipamBlock: { resource: ipamBlockKind, key: byName, parse: parseIpamBlock, unreadable: absent },
  ipReservation: {
    resource: ipReservationKind,
    key: byName,
    parse: parseIpReservation,
    unreadable: restOfIpReservation,
  },
  ipamConfiguration: {
    resource: ipamConfigurationKind,
    key: byName,
    parse: parseIpamConfiguration,
    unreadable: closedIpamConfiguration,
  },
  blockAffinity: { resource: blockAffinityKind, key: byName, parse: parseBlockAffinity, unreadable: absent },
  ipamHandle: { resource: ipamHandleKind, key: byName, parse: parseIpamHandle, unreadable: absent },
  kubeControllersConfiguration: {
    resource: kubeControllersConfigurationKind,
    key: byName,
    parse: parseKubeControllersConfiguration,
    unreadable: absent,
  },
  felixConfiguration: {
    resource: felixConfigurationKind,
    key: byName,
    parse: parseFelixConfiguration,
    unreadable: restOfFelixConfiguration,
  },
  lease: {
    resource: leaseKind,
    namespace: systemNamespace,
    key: namespacedName,
    parse: parseLease,
    unreadable: absent,
  },
  bgpPeer: { resource: bgpPeerKind, key: byName, parse: parseBgpPeer, unreadable: closedBgpPeer },
  bgpConfiguration: {
    resource: bgpConfigurationKind,
    key: byName,
    parse: parseBgpConfiguration,
    unreadable: restOfBgpConfiguration,
  },
  bgpFilter: { resource: bgpFilterKind, key: byName, parse: parseBgpFilter, unreadable: closedBgpFilter },
  calicoNodeStatus: {
    resource: calicoNodeStatusKind,
    // Each is written every few seconds by its node, with all of that node's routes: nobody else is to read them.
    nodeField: "spec.node",
    key: byName,
    parse: parseCalicoNodeStatus,
    unreadable: absent,
  },
};

/** What policy is written in. */
const policyInputs = [
  ...(["networkPolicy", "clusterNetworkPolicy", "calicoNetworkPolicy", "globalNetworkPolicy"] as const),
  ...(["stagedNetworkPolicy", "stagedGlobalNetworkPolicy", "stagedKubernetesNetworkPolicy"] as const),
  ...(["tier", "networkSet", "globalNetworkSet", "hostEndpoint"] as const),
];

/** What a node's agent follows. */
export const agentKinds: readonly FedKind[] = [
  ...(["pod", "namespace", "serviceAccount", "node", "endpointSlice", "service", "ipPool", "ipamBlock"] as const),
  ...(["bgpPeer", "bgpConfiguration", "bgpFilter", "calicoNodeStatus"] as const),
  ...(["ipReservation", "ipamConfiguration", "felixConfiguration"] as const),
  ...policyInputs,
];

/** What `margay controllers` follows. */
export const controllerKinds: readonly FedKind[] = [
  ...(["pod", "node", "ipPool", "ipamBlock", "blockAffinity", "ipamHandle"] as const),
  ...(["ipReservation", "ipamConfiguration", "kubeControllersConfiguration", "lease"] as const),
  ...policyInputs,
];
