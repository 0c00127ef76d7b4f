import type { BgpConfiguration } from "./bgp-configuration.ts";
import type { BgpFilter } from "./bgp-filter.ts";
import type { BgpPeer } from "./bgp-peer.ts";
import type { BlockAffinity } from "./block-affinity.ts";
import type { CalicoNetworkPolicy } from "./calico-network-policy.ts";
import type { CalicoNodeStatus } from "./calico-node-status.ts";
import type { FelixConfiguration } from "./felix-configuration.ts";
import type { GlobalNetworkPolicy } from "./global-network-policy.ts";
import type { HostEndpoint } from "./host-endpoint.ts";
import type { IpPool } from "./ip-pool.ts";
import type { IpReservation } from "./ip-reservation.ts";
import type { IpamBlock } from "./ipam-block.ts";
import type { IpamConfiguration } from "./ipam-configuration.ts";
import type { IpamHandle } from "./ipam-handle.ts";
import type { KubeControllersConfiguration } from "./kube-controllers-configuration.ts";
import type { ClusterNetworkPolicy } from "./kubernetes/cluster-network-policy.ts";
import type { NamespacedName, NodeName } from "./names.ts";
import type { GlobalNetworkSet, NetworkSet } from "./network-set.ts";
import type {
  Attachment,
  AttachmentKey,
  EndpointSlice,
  HostInterface,
  KubeNetworkPolicy,
  Lease,
  Namespace,
  Node,
  Pod,
  Revision,
  Service,
  ServiceAccount,
} from "./objects.ts";
import type { Selector } from "./selector/selector.ts";
import type { StagedKubernetesNetworkPolicy } from "./staged-kubernetes-network-policy.ts";
import type { StagedGlobalNetworkPolicy, StagedNetworkPolicy } from "./staged-network-policy.ts";
import type { Tier } from "./tier.ts";

/** The key and the value of every kind that agents and controllers work on. A key is the object's name, or `namespace/name`. */
export interface Kinds {
  readonly pod: { readonly key: NamespacedName; readonly value: Pod };
  readonly namespace: { readonly key: string; readonly value: Namespace };
  readonly node: { readonly key: NodeName; readonly value: Node };
  readonly serviceAccount: { readonly key: NamespacedName; readonly value: ServiceAccount };
  readonly service: { readonly key: NamespacedName; readonly value: Service };
  readonly endpointSlice: { readonly key: NamespacedName; readonly value: EndpointSlice };
  /** networking.k8s.io NetworkPolicy. */
  readonly networkPolicy: { readonly key: NamespacedName; readonly value: KubeNetworkPolicy | Rejected };
  readonly clusterNetworkPolicy: { readonly key: string; readonly value: ClusterNetworkPolicy | Rejected };
  /** projectcalico.org NetworkPolicy. */
  readonly calicoNetworkPolicy: { readonly key: NamespacedName; readonly value: CalicoNetworkPolicy | Rejected };
  readonly globalNetworkPolicy: { readonly key: string; readonly value: GlobalNetworkPolicy | Rejected };
  readonly stagedNetworkPolicy: { readonly key: NamespacedName; readonly value: StagedNetworkPolicy | Rejected };
  readonly stagedGlobalNetworkPolicy: { readonly key: string; readonly value: StagedGlobalNetworkPolicy | Rejected };
  readonly stagedKubernetesNetworkPolicy: {
    readonly key: NamespacedName;
    readonly value: StagedKubernetesNetworkPolicy | Rejected;
  };
  readonly tier: { readonly key: string; readonly value: Tier };
  readonly networkSet: { readonly key: NamespacedName; readonly value: NetworkSet };
  readonly globalNetworkSet: { readonly key: string; readonly value: GlobalNetworkSet };
  readonly hostEndpoint: { readonly key: string; readonly value: HostEndpoint };
  /** By interface name. */
  readonly hostInterface: { readonly key: string; readonly value: HostInterface };
  readonly ipPool: { readonly key: string; readonly value: IpPool };
  readonly ipamBlock: { readonly key: string; readonly value: IpamBlock };
  readonly ipReservation: { readonly key: string; readonly value: IpReservation };
  readonly ipamConfiguration: { readonly key: string; readonly value: IpamConfiguration };
  readonly blockAffinity: { readonly key: string; readonly value: BlockAffinity };
  readonly ipamHandle: { readonly key: string; readonly value: IpamHandle };
  readonly kubeControllersConfiguration: { readonly key: string; readonly value: KubeControllersConfiguration };
  readonly felixConfiguration: { readonly key: string; readonly value: FelixConfiguration };
  readonly lease: { readonly key: NamespacedName; readonly value: Lease };
  readonly bgpPeer: { readonly key: string; readonly value: BgpPeer };
  readonly bgpConfiguration: { readonly key: string; readonly value: BgpConfiguration };
  readonly bgpFilter: { readonly key: string; readonly value: BgpFilter };
  readonly calicoNodeStatus: { readonly key: string; readonly value: CalicoNodeStatus };
  readonly attachment: { readonly key: AttachmentKey; readonly value: Attachment };
}

/** The name of such a kind. */
export type KindName = keyof Kinds;

/** The kinds that are policies. An object of theirs that cannot be read is in the snapshot as `Rejected`. */
export type PolicyKind = {
  readonly [K in KindName]: Extract<Kinds[K]["value"], Rejected> extends never ? never : K;
}[KindName];

/** An object that could not be read. Policy code treats it as denying what it may have selected. */
export interface Rejected {
  readonly rejected: string;
  /** Empty for an object of no namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly revision: Revision;
  /** What could still be read of where a policy stands and whom it selects; what is absent is taken as widely as can be. */
  readonly scope: RejectedScope;
}

/** A field is there only if the object has it and it is well-formed. */
export interface RejectedScope {
  readonly tier?: string;
  readonly order?: number;
  /** Over endpoint labels, not yet limited to the object's namespace; there only if no other selector of the object limits it. */
  readonly selector?: Selector;
}

/** True for what stands in place of a policy that could not be read. */
export function isRejected(value: object): value is Rejected {
  return "rejected" in value;
}

/** Everything one process decides from, at one moment; a kind that it does not follow is empty. */
export type Snapshot = { readonly [K in KindName]: ReadonlyMap<Kinds[K]["key"], Kinds[K]["value"]> };

/** One object came, changed (`value` is the whole new object) or went (`value` is undefined). */
export type Change = {
  readonly [K in KindName]: {
    readonly kind: K;
    readonly key: Kinds[K]["key"];
    readonly value: Kinds[K]["value"] | undefined;
  };
}[KindName];

/** A snapshot of nothing, in maps of its own. */
export function emptySnapshot(): Snapshot {
  return {
    pod: new Map(),
    namespace: new Map(),
    node: new Map(),
    serviceAccount: new Map(),
    service: new Map(),
    endpointSlice: new Map(),
    networkPolicy: new Map(),
    clusterNetworkPolicy: new Map(),
    calicoNetworkPolicy: new Map(),
    globalNetworkPolicy: new Map(),
    stagedNetworkPolicy: new Map(),
    stagedGlobalNetworkPolicy: new Map(),
    stagedKubernetesNetworkPolicy: new Map(),
    tier: new Map(),
    networkSet: new Map(),
    globalNetworkSet: new Map(),
    hostEndpoint: new Map(),
    hostInterface: new Map(),
    ipPool: new Map(),
    ipamBlock: new Map(),
    ipReservation: new Map(),
    ipamConfiguration: new Map(),
    blockAffinity: new Map(),
    ipamHandle: new Map(),
    kubeControllersConfiguration: new Map(),
    felixConfiguration: new Map(),
    lease: new Map(),
    bgpPeer: new Map(),
    bgpConfiguration: new Map(),
    bgpFilter: new Map(),
    calicoNodeStatus: new Map(),
    attachment: new Map(),
  };
}
