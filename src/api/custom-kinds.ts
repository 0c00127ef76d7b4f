import { bgpConfiguration } from "./bgp-configuration.ts";
import { bgpFilter } from "./bgp-filter.ts";
import { bgpPeer } from "./bgp-peer.ts";
import { blockAffinity } from "./block-affinity.ts";
import { calicoNetworkPolicy } from "./calico-network-policy.ts";
import { calicoNodeStatus } from "./calico-node-status.ts";
import type { CustomKind } from "./custom-kind.ts";
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

/** API group of every custom kind but the foreign ones. */
export const customGroup = "projectcalico.org";
/** The version of `customGroup` that all of them have. */
const customVersion = "v3";

/** Every kind that we bring to the API server. */
export const customKinds: readonly CustomKind[] = [
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  blockAffinity,
  calicoNodeStatus,
  felixConfiguration,
  ipamBlock,
  ipamConfiguration,
  ipamHandle,
  ipPool,
  ipReservation,
  kubeControllersConfiguration,
  calicoNetworkPolicy,
  globalNetworkPolicy,
  stagedNetworkPolicy,
  stagedGlobalNetworkPolicy,
  stagedKubernetesNetworkPolicy,
  tier,
  networkSet,
  globalNetworkSet,
  hostEndpoint,
  clusterNetworkPolicy,
];

/** The one of them that `kind` of `group` is; undefined for every other kind, such as Kubernetes' own NetworkPolicy. */
export function customKindOf({
  kind,
  group,
}: {
  readonly kind: string;
  readonly group: string;
}): CustomKind | undefined {
  return customKinds.find((one) => one.kind === kind && apiOf(one).group === group);
}

/** The API group and version of a custom kind. */
export function apiOf({ foreign }: CustomKind): { readonly group: string; readonly version: string } {
  return foreign ?? { group: customGroup, version: customVersion };
}
