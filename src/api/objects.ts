/** The small readonly forms of Kubernetes objects that the rest of the code works on. API JSON goes no further. */
import type { Cidr } from "../net/cidr.ts";
import type { Ip, IpVersion } from "../net/ip.ts";
import type { NamespacedName, NodeName } from "./names.ts";

/** Labels or annotations by name. */
export type Labels = Readonly<Record<string, string>>;

/** A Pod (v1). */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** Undefined until the scheduler has bound the pod. */
  readonly node: NodeName | undefined;
  readonly serviceAccount: string;
  /** The pod's addresses: status.podIPs, else status.podIP. */
  readonly ips: readonly Ip[];
  /** While the status has none: those of upstream's annotations, which whoever made the pod may have written. */
  readonly annotatedIps: readonly Ip[];
  readonly hostNetwork: boolean;
  /** The ports that its containers and init containers give a name, in order. */
  readonly namedPorts: readonly NamedPort[];
  /** Failed or Succeeded: it has no endpoint and holds no address any more. */
  readonly finished: boolean;
}

/** A transport protocol, as Kubernetes writes it. */
type Protocol = "TCP" | "UDP" | "SCTP";

/** A port that an endpoint knows by name. */
export interface NamedPort {
  readonly name: string;
  /** IANA protocol number. */
  readonly protocol: number;
  readonly port: number;
}

/** A ServiceAccount (v1). */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
}

/** A Service (v1), as far as routing goes: whom its addresses belong to, and from where they may be reached. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** None of a headless Service. */
  readonly clusterIps: readonly Ip[];
  readonly externalIps: readonly Ip[];
  /** What a load balancer gave it: status.loadBalancer.ingress. */
  readonly loadBalancerIps: readonly Ip[];
  /** spec.loadBalancerIP, which asks for one. */
  readonly requestedLoadBalancerIp: Ip | undefined;
  readonly externalTrafficPolicy: "Cluster" | "Local";
  readonly internalTrafficPolicy: "Cluster" | "Local";
  /** Its addresses' families, the first one first; empty when it has none. */
  readonly ipFamilies: readonly IpVersion[];
  /** Where kube-proxy tells whether a node has endpoints of it; only with externalTrafficPolicy Local. */
  readonly healthCheckNodePort: number | undefined;
  readonly ports: readonly { readonly protocol: number; readonly port: number }[];
}

/** An EndpointSlice (discovery.k8s.io/v1) of IP addresses. */
export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  /** The Service that it belongs to (label kubernetes.io/service-name), in its namespace. */
  readonly service: string | undefined;
  /** Those of all endpoints, ready or not. */
  readonly addresses: readonly Ip[];
  readonly endpoints: readonly SliceEndpoint[];
  /** Empty: none. A port without a number stands for every port, and is left out. */
  readonly ports: readonly { readonly protocol: number; readonly port: number }[];
}

/** One endpoint of an EndpointSlice. */
export interface SliceEndpoint {
  readonly addresses: readonly Ip[];
  /** Undefined for an endpoint outside the cluster. */
  readonly node: NodeName | undefined;
  /** To be given new connections; true when nothing is said. */
  readonly ready: boolean;
  /** Able to answer, terminating or not; true when nothing is said. */
  readonly serving: boolean;
  readonly terminating: boolean;
}

/** An interface of the node itself: what its kernel says now. */
export interface HostInterface {
  readonly name: string;
  readonly addresses: readonly Ip[];
}

/** Which state of which object something was made from. */
export interface Revision {
  readonly uid: string;
  /** metadata.generation: the API server counts the changes of `spec`. */
  readonly generation: number;
}

/** A Namespace (v1). */
export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
  readonly annotations: Labels;
}

/** A Node (v1). */
export interface Node {
  readonly name: NodeName;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** status.addresses of type InternalIP, in order. */
  readonly internalIps: readonly Ip[];
  /** spec.podCIDRs, else spec.podCIDR: the networks that the cluster gave the node for its pods, one of a family at most. */
  readonly podCidrs: readonly Cidr[];
  /** spec.unschedulable: cordoned. Absent for false. */
  readonly unschedulable?: true;
  /** Its condition NetworkUnavailable; absent when nobody has written one. */
  readonly networkUnavailable?: { readonly status: string; readonly reason: string };
}

/** A Lease (coordination.k8s.io/v1). Its times are the holder's clock's: compare two for equality only. */
export interface Lease {
  readonly namespace: string;
  readonly name: string;
  readonly annotations: Labels;
  readonly holder: string | undefined;
  /** RFC 3339 with microseconds. */
  readonly renewTime: string | undefined;
}

/** A Kubernetes NetworkPolicy (networking.k8s.io/v1), with defaults filled in. */
export interface KubeNetworkPolicy {
  readonly namespace: string;
  readonly name: string;
  readonly revision: Revision;
  readonly podSelector: LabelSelector;
  readonly types: readonly ("Ingress" | "Egress")[];
  readonly ingress: readonly KubeRule[];
  readonly egress: readonly KubeRule[];
}

/** One rule of a NetworkPolicy: what it lets through has one of the peers and one of the ports. */
export interface KubeRule {
  /** Empty: every peer. */
  readonly peers: readonly KubePeer[];
  /** Empty: every port of every protocol. */
  readonly ports: readonly KubePort[];
}

/** Who may be at the other end: pods by their labels and their namespace's, or a network without its exceptions. */
export type KubePeer =
  | { readonly kind: "pods"; readonly namespaceSelector?: LabelSelector; readonly podSelector?: LabelSelector }
  | { readonly kind: "block"; readonly cidr: Cidr; readonly except: readonly Cidr[] };

/** A port, a range from `port` to `endPort`, or a whole protocol. */
export interface KubePort {
  readonly protocol: Protocol;
  /** Undefined: every port of the protocol. A string is a named container port. */
  readonly port: number | string | undefined;
  readonly endPort: number | undefined;
}

/** metav1.LabelSelector: all requirements must hold; an empty one selects everything. */
export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelRequirement[];
}

/** metav1.LabelSelectorRequirement. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
}

/** What this node has wired for one container: the file under /var/lib/margay/cni/attachments, one per container ID and interface. */
export interface Attachment {
  readonly containerId: string;
  /** CNI_IFNAME, the name inside the pod. */
  readonly interfaceName: string;
  /** The host's end of the veth pair, `cali…`. */
  readonly hostInterface: string;
  readonly netns: string;
  readonly pod: NamespacedName;
  /** K8S_POD_UID when the runtime gave one. */
  readonly podUid: string | undefined;
  readonly addresses: readonly Ip[];
  readonly mtu: number;
  /**
   * A CNI plugin `bandwidth` that stands behind ours in the network's chain: it shapes what `kubernetes.io/` annotations ask
   * for (`annotated`), or every pod by rates of its own (`always`). Absent when there is none.
   */
  readonly bandwidthPlugin?: "annotated" | "always" | undefined;
}

/** `containerId/interfaceName`. */
export type AttachmentKey = string & { readonly __brand: "AttachmentKey" };

/** The key of an attachment among all of its node. */
export function attachmentKey(attachment: Pick<Attachment, "containerId" | "interfaceName">): AttachmentKey {
  return `${attachment.containerId}/${attachment.interfaceName}` as AttachmentKey;
}
