/** What policy means for this node, in the terms of policy: no chain, no table, no set type. */
import type { BandwidthLimit } from "../../api/kubernetes/bandwidth.ts";
import type { Cidr } from "../../net/cidr.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";

/** Kind, namespace and name of a policy, e.g. `knp/shop/web-to-db`. */
export type PolicyId = string & { readonly __brand: "PolicyId" };
/** Names a set of addresses by what it selects: `s:` and a hash of the canonical selector. */
export type SetId = string & { readonly __brand: "SetId" };

/** Everything that policy asks of one node. */
export interface NodePlan {
  /** Local endpoints by host interface name. */
  readonly endpoints: ReadonlyMap<string, EndpointPlan>;
  /** The policies that some local endpoint uses. */
  readonly policies: ReadonlyMap<PolicyId, PolicyPlan>;
  /** The address sets that some policy above refers to, and no other. */
  readonly sets: ReadonlyMap<SetId, AddressSetPlan>;
  /** Pools whose pods are masqueraded towards everything outside all pools. */
  readonly masqueradedPools: readonly Cidr[];
  /** Every pool. */
  readonly pools: readonly Cidr[];
  /** With whom nodes speak BGP, and workloads must not: the nodes' own addresses and those of the configured peers. */
  readonly bgpNeighbours: readonly Ip[];
}

/** One workload interface of the node: which addresses are behind it, and who may speak with it. */
export interface EndpointPlan {
  readonly hostInterface: string;
  readonly addresses: readonly Ip[];
  /** `closed`: its pod is not known (yet), so everything is dropped both ways. */
  readonly state: "open" | "closed";
  readonly ingress: DirectionPlan;
  readonly egress: DirectionPlan;
  /** How its traffic is shaped, if its pod asks for it. */
  readonly qos?: QosPlan;
}

/** How fast one endpoint's traffic may be; a direction that is absent is not shaped. */
export interface QosPlan {
  /** Towards the pod. */
  readonly ingress?: BandwidthLimit;
  readonly egress?: BandwidthLimit;
  /** What of the pod's wishes cannot be had, one sentence each. */
  readonly problems: readonly string[];
}

/** Tiers in order; after the last one that passes, `profile` decides. */
export interface DirectionPlan {
  readonly tiers: readonly TierPlan[];
  readonly profile: "allow" | "deny";
}

/** One tier as one endpoint sees it: its policies in order, and what becomes of a packet that none of them decides. */
export interface TierPlan {
  readonly name: string;
  readonly policies: readonly PolicyId[];
  readonly endAction: "deny" | "pass";
}

/** One policy's rules, in order; a direction that the policy is not about has none. */
export interface PolicyPlan {
  readonly id: PolicyId;
  readonly ingress: readonly RulePlan[];
  readonly egress: readonly RulePlan[];
}

/** What to do with the packets that the rule matches. */
export interface RulePlan {
  readonly action: "allow" | "deny" | "pass" | "log";
  readonly ipVersion?: IpVersion;
  /** IANA protocol number. */
  readonly protocol?: number;
  readonly source: MatchPlan;
  readonly destination: MatchPlan;
}

/** Every field that is present must hold; an absent field always holds. An empty `nets` or `ports` never holds. */
export interface MatchPlan {
  /** The address is in one of these. */
  readonly nets?: readonly Cidr[];
  /** The address is in none of these. */
  readonly notNets?: readonly Cidr[];
  /** The address is in each of these sets. */
  readonly sets?: readonly SetId[];
  /** The port is in one of these ranges. */
  readonly ports?: readonly PortRange[];
}

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** A set and its members of both families. */
export interface AddressSetPlan {
  readonly id: SetId;
  readonly members: ReadonlySet<Ip>;
}
