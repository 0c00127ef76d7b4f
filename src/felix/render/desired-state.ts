/** What the kernel should hold, in the kernel's terms but as plain values: the output of rendering, the input of the drivers. */
import type { Cidr } from "../../net/cidr.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";

/** All that the kernel should hold for this node, of both families. */
export interface DesiredState {
  /** By kernel name, e.g. `cali40s:…`. */
  readonly sets: ReadonlyMap<string, IpSet>;
  readonly tables: ReadonlyMap<TableKey, Table>;
  /** By destination. */
  readonly routes: ReadonlyMap<Cidr, Route>;
  /** By host interface; those that are not shaped are not named. */
  readonly shapings: ReadonlyMap<string, Shaping>;
}

/** The tables of iptables that we write to. */
export type TableName = "raw" | "mangle" | "nat" | "filter";
/** E.g. `4/filter`. */
export type TableKey = `${IpVersion}/${TableName}`;

/**
 * Our part of one table. Natively in nftables the tables are one, `calico`, of each family, and the name of a chain there begins
 * with the table's: `filter-cali-FORWARD`.
 */
export interface Table {
  readonly version: IpVersion;
  readonly name: TableName;
  /** Our own chains (all named `cali-…`), by name. */
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  /** Our rules in chains that are not ours, by chain name (`FORWARD`, `POSTROUTING` …). */
  readonly hooks: ReadonlyMap<string, Hook>;
  /** By name: where `dispatch` sends packets. Only for nftables; iptables has none. */
  readonly maps?: ReadonlyMap<string, VerdictMap>;
}

/** Where a packet goes by the interface that it comes in or goes out by: interface name → chain, which does not come back. */
export interface VerdictMap {
  readonly match: "in-interface" | "out-interface";
  readonly targets: ReadonlyMap<string, string>;
}

/** `inserted` stand first in the chain and `appended` last; what is between belongs to others and is not touched. */
export interface Hook {
  readonly inserted: readonly Rule[];
  readonly appended: readonly Rule[];
}

/** All matches must hold for the action to be taken. */
export interface Rule {
  readonly matches: readonly Match[];
  readonly action: Action;
  /** Printed with the rule: which policy and rule it comes from. */
  readonly comment?: string;
}

/** Which end of a packet a match is about. */
export type Side = "source" | "destination";

/** One condition on a packet; what iptables(8) and iptables-extensions(8) can say. */
export type Match =
  | { readonly kind: "protocol"; readonly protocol: number; readonly negated: boolean }
  | { readonly kind: "net"; readonly side: Side; readonly net: Cidr; readonly negated: boolean }
  /** The address is in a set of networks. */
  | { readonly kind: "set"; readonly side: Side; readonly set: string; readonly negated: boolean }
  /** Address, protocol and port are together in a set of type `hash:ip,port`. */
  | { readonly kind: "port-set"; readonly side: Side; readonly set: string; readonly negated: boolean }
  /** It stands behind a match of the protocol: TCP, UDP, UDP-Lite, SCTP or DCCP. At most 15 ports, a range counts as two. */
  | {
      readonly kind: "ports";
      readonly side: Side;
      readonly ports: readonly { first: number; last: number }[];
      readonly negated: boolean;
    }
  /** ICMP in IPv4 and ICMPv6 in IPv6, behind a match of that protocol; without a code, every code of the type. */
  | { readonly kind: "icmp"; readonly type: number; readonly code?: number; readonly negated: boolean }
  | { readonly kind: "in-interface"; readonly name: string; readonly negated: boolean }
  | { readonly kind: "out-interface"; readonly name: string; readonly negated: boolean }
  /** `DNAT`: its destination has been exchanged. `UNTRACKED`: raw has taken it out of connection tracking. */
  | { readonly kind: "connection"; readonly states: readonly ConnectionState[] }
  | { readonly kind: "mark"; readonly value: number; readonly mask: number; readonly negated: boolean }
  | { readonly kind: "reverse-path-failed" }
  /** At most so often, in packets; more do not match. */
  | {
      readonly kind: "limit";
      readonly rate: `${number}/${"second" | "minute" | "hour" | "day"}`;
      readonly burst: number;
    };

/** What connection tracking says of a packet. */
export type ConnectionState = "NEW" | "ESTABLISHED" | "RELATED" | "INVALID" | "DNAT" | "UNTRACKED";

/** What becomes of a packet that matches. */
export type Action =
  | { readonly kind: "accept" | "drop" | "return" | "no-track" }
  /** Answered with an ICMP port unreachable, and TCP too (iptables-extensions(8), REJECT's default). */
  | { readonly kind: "reject" }
  | { readonly kind: "jump" | "goto"; readonly chain: string }
  /** To the chain that the map has for the packet's interface; one that it has not goes on to the next rule. nftables only. */
  | { readonly kind: "dispatch"; readonly map: string }
  /** To the address of the interface that the packet goes out by; TCP and UDP from one of the ports, if given. */
  | { readonly kind: "masquerade"; readonly ports?: { readonly first: number; readonly last: number } }
  | { readonly kind: "source-nat"; readonly to: Ip; readonly ports?: { readonly first: number; readonly last: number } }
  | { readonly kind: "destination-nat"; readonly to: Ip }
  /** Differentiated services code point (RFC 2474), 0 to 63. */
  | { readonly kind: "set-dscp"; readonly dscp: number }
  | { readonly kind: "set-mark"; readonly value: number; readonly mask: number }
  /** A line in the kernel's log; the packet goes on to the next rule. */
  | { readonly kind: "log"; readonly prefix: string };

/** One set of ipset(8). */
export interface IpSet {
  readonly name: string;
  readonly type: IpSetType;
  readonly version: IpVersion;
  readonly maxElements: number;
  /**
   * As ipset(8) prints them: `10.0.0.0/8`, `10.0.0.1`; of `hash:ip,port` `10.0.0.1,tcp:80`. How they differ from those of an
   * earlier state `setDelta` (src/net/changed-set.ts) tells, of a large set at the cost of what changed.
   */
  readonly members: ReadonlySet<string>;
}

/** Networks, and addresses as networks of one; or ports of addresses, each with its protocol. */
export type IpSetType = "hash:net" | "hash:ip,port";

/** A route to one local endpoint: `destination dev hostInterface scope link [src source] [metric metric]`. */
export interface Route {
  readonly destination: Cidr;
  readonly hostInterface: string;
  /** Absent: the kernel's own choice. */
  readonly metric?: number;
  /** What the node itself sends there is from; absent: the kernel's own choice. */
  readonly source?: Ip;
}

/** How the traffic of one local endpoint is shaped; a direction that is absent is not. `ingress` is towards the endpoint. */
export interface Shaping {
  readonly ingress?: TokenBucket;
  readonly egress?: TokenBucket;
}

/** A token bucket (tc-tbf(8)), before it is fitted to its link. */
export interface TokenBucket {
  /** Bytes a second. */
  readonly rate: number;
  /** Bytes. */
  readonly burst: number;
  /** So many bytes may wait for tokens. */
  readonly limit: number;
  /** Bytes a second. */
  readonly peakRate?: number;
  /** Bytes; there with `peakRate`, and only then. */
  readonly minBurst?: number;
}
