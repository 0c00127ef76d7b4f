/** What policy means for this node, in the terms of policy: no chain, no table, no set type. */
import type { BandwidthLimit } from "../../api/kubernetes/bandwidth.ts";
import type { Cidr } from "../../net/cidr.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";

/** Short kind, namespace and name of a policy: `knp/shop/web-to-db`, `gnp/base`; the kinds are those of `policyKinds`. */
export type PolicyId = string & { readonly __brand: "PolicyId" };
/**
 * Names a set by what it selects: `s:` (selector), `n:` (named port), `svc:` (a Service's endpoints with their ports) or
 * `svcnoport:` (without), and a hash.
 */
export type SetId = string & { readonly __brand: "SetId" };

/** Everything that policy asks of one node. */
export interface NodePlan {
  /** Local workload endpoints by host interface name. */
  readonly endpoints: ReadonlyMap<string, EndpointPlan>;
  /** This node's host endpoints by interface name; under `*` the one for every interface that no other is for. */
  readonly hostEndpoints: ReadonlyMap<string, HostEndpointPlan>;
  /** The policies that some local endpoint uses. */
  readonly policies: ReadonlyMap<PolicyId, PolicyPlan>;
  /** The sets that some policy above refers to, and no other. */
  readonly sets: ReadonlyMap<SetId, SetPlan>;
  /** Pools whose pods are masqueraded towards everything outside all pools. */
  readonly masqueradedPools: readonly Cidr[];
  /** Every pool. */
  readonly pools: readonly Cidr[];
  /** With whom nodes speak BGP, and workloads must not: the nodes' own addresses and those of the configured peers. */
  readonly bgpNeighbours: readonly Ip[];
  /** The nodes' own addresses, this one's included. */
  readonly hosts: readonly Ip[];
}

/** One workload interface of the node: which addresses are behind it, and who may speak with it. */
export interface EndpointPlan {
  readonly hostInterface: string;
  readonly addresses: readonly Ip[];
  /** `closed`: its pod, or the pod's namespace, is not known (yet), so everything is dropped both ways. */
  readonly state: "open" | "closed";
  readonly ingress: DirectionPlan;
  readonly egress: DirectionPlan;
  /** How its traffic is shaped, if its pod asks for it. */
  readonly qos?: QosPlan;
  /** Addresses that stand for one of its own, both ways; no other endpoint has any of them, as its own or like this; absent: none. */
  readonly floatingIps?: readonly FloatingIp[];
  /** Differentiated services code point of what it sends out of the cluster, 0 to 63; absent: as the pod has it. */
  readonly dscp?: number;
  /** Networks that it asks to send from besides its own addresses; absent: none. */
  readonly foreignSources?: readonly Cidr[];
  /** What of its pod's wishes about these three cannot be had, one sentence each; absent: nothing. */
  readonly problems?: readonly string[];
}

/** Of one family. */
export interface FloatingIp {
  readonly external: Ip;
  readonly internal: Ip;
}

/** How fast one endpoint's traffic may be; a direction that is absent is not shaped. */
export interface QosPlan {
  /** Towards the pod. */
  readonly ingress?: BandwidthLimit;
  readonly egress?: BandwidthLimit;
  /** What of the pod's wishes cannot be had, one sentence each. */
  readonly problems: readonly string[];
}

/** What policy asks of one interface of the node itself. `ingress` is what comes in by the interface. */
export interface HostEndpointPlan {
  /** Of the HostEndpoint object. */
  readonly name: string;
  /** `*`: every interface that is no workload's and has no host endpoint of its own. */
  readonly interfaceName: string;
  /** Policies with `doNotTrack`, before connection tracking; both directions must be allowed, packet by packet. */
  readonly untracked: BothDirections;
  /** Policies with `preDNAT`, before a Service's address is exchanged; there are none for egress. */
  readonly preDnat: DirectionPlan;
  /** Policies with `applyOnForward`, for what passes through the node, its workloads' packets included. */
  readonly forward: BothDirections;
  /** For what the node's own processes receive and send. */
  readonly normal: BothDirections;
}

/** One stage of a host endpoint. */
export interface BothDirections {
  readonly ingress: DirectionPlan;
  readonly egress: DirectionPlan;
}

/**
 * Tiers in order; after the last one that passes, `profile` decides. `none`: nobody does, the packet goes on to what comes
 * next, with no verdict.
 */
export interface DirectionPlan {
  readonly tiers: readonly TierPlan[];
  readonly profile: "allow" | "deny" | "none";
}

/** One tier as one endpoint sees it: its policies in order, and what becomes of a packet that none of them decides. */
export interface TierPlan {
  readonly name: string;
  /** At least one. Staged ones stand among the others, in their place. */
  readonly policies: readonly PolicyId[];
  /** `pass` also where only staged policies are, and in the stages that have no end-of-tier drop. */
  readonly endAction: "deny" | "pass";
}

/** One policy's rules, in order; a direction that the policy is not about has none. */
export interface PolicyPlan {
  readonly id: PolicyId;
  /** Which state of which object this is; `generation` counts the changes of its spec. */
  readonly revision: { readonly uid: string; readonly generation: number };
  readonly tier: string;
  /** The canonical text of what it applies to: endpoints that have one policy of a selector have all of its tier. */
  readonly selector: string;
  /** Its rules are counted where they stand and decide nothing. */
  readonly staged: boolean;
  readonly ingress: readonly RulePlan[];
  readonly egress: readonly RulePlan[];
  /** What of it is not enforced as written, one sentence each, e.g. an Allow with `http` that nothing here can check. */
  readonly problems: readonly string[];
}

/** What to do with the packets that the rule matches. */
export interface RulePlan {
  readonly action: "allow" | "deny" | "pass" | "log";
  /** The place of the rule in the object that it was made from: several can stem from one. */
  readonly origin: number;
  /** The rule's name, if its author gave it one. */
  readonly name?: string;
  readonly ipVersion?: IpVersion;
  /** IANA protocol number. */
  readonly protocol?: number;
  readonly notProtocol?: number;
  readonly icmp?: IcmpMatch;
  readonly notIcmp?: IcmpMatch;
  readonly source: MatchPlan;
  readonly destination: MatchPlan;
  /** Only requests like these; an allow rule that has this matches no packet until something can look into requests. */
  readonly http?: HttpMatch;
}

/** ICMP or, under protocol 58, ICMPv6; without a code, every code of the type. */
export interface IcmpMatch {
  readonly type: number;
  readonly code?: number;
}

/** One of the methods and one of the paths; an empty list holds for all. */
interface HttpMatch {
  readonly methods: readonly string[];
  readonly paths: readonly ({ readonly exact: string } | { readonly prefix: string })[];
}

/** Every field that is present must hold; an absent field always holds. An empty `nets` or `ports` never holds. */
export interface MatchPlan {
  /** The address is in one of these. */
  readonly nets?: readonly Cidr[];
  /** The address is in none of these. */
  readonly notNets?: readonly Cidr[];
  /** The address is in each of these sets of addresses. */
  readonly sets?: readonly SetId[];
  /** The address is in none of these sets of addresses. */
  readonly notSets?: readonly SetId[];
  /** The address, the protocol and the port are together in each of these sets of ports. */
  readonly portSets?: readonly SetId[];
  readonly ports?: PortsMatch;
  /** Must not hold. */
  readonly notPorts?: PortsMatch;
}

/** The port is in one of the ranges, or address, protocol and port are together in one of the sets of ports. */
export interface PortsMatch {
  readonly ranges: readonly PortRange[];
  /** Named ports. */
  readonly sets: readonly SetId[];
}

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** A set and its members of both families. */
export type SetPlan = AddressSetPlan | PortSetPlan;

/** Addresses and networks. */
interface AddressSetPlan {
  readonly kind: "addresses";
  readonly id: SetId;
  readonly members: ReadonlySet<Ip | Cidr>;
}

/** Ports of addresses. */
interface PortSetPlan {
  readonly kind: "ports";
  readonly id: SetId;
  readonly members: ReadonlySet<PortMember>;
}

/** `10.0.0.1,6:80`: address, IANA protocol number, port. */
export type PortMember = string & { readonly __brand: "PortMember" };
