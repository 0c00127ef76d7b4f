/** What one node's BGP daemon should do, as plain values. Nothing here knows BIRD's syntax. */
import type { Cidr } from "../../net/cidr.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";
import type { BirdFilter } from "./bird-filter.ts";
import type { Community } from "./community.ts";

/** One node's whole configuration. */
export interface BirdConfig {
  /** 4 octets in dotted decimal, also on a node with IPv6 only (RFC 6286). */
  readonly routerId: Ip;
  readonly localAs: number;
  /** What BIRD writes to its log: this and all that is graver. */
  readonly logLevel: BirdLogLevel;
  /** TCP; 179 unless it is said otherwise. */
  readonly listenPort: number;
  /** Listen on the node's own addresses only, and not on all of them. */
  readonly bindsToNodeIp: boolean;
  /** Interfaces whose networks are not taken as connected: names where `*` stands for anything. */
  readonly ignoredInterfaces: readonly string[];
  /** Every filter that some session names. */
  readonly filters: readonly BirdFilter[];
  /** IPv4, then IPv6; only those in which the node has an address. */
  readonly families: readonly FamilyConfig[];
  /** What was asked for and is not in this configuration, for the log and for events. */
  readonly rejected: readonly RejectedObject[];
}

/** As upstream's LogLevel: nothing at all, or this and what is graver. */
export type BirdLogLevel = "none" | "debug" | "info" | "warning" | "error" | "fatal";

/** An object that asks for something that is not in the configuration. */
export interface RejectedObject {
  readonly kind: "BGPConfiguration" | "BGPFilter" | "BGPPeer" | "Node" | "Service";
  readonly name: string;
  /** A sentence a person can act on. */
  readonly reason: string;
}

/** One address family's part. */
export interface FamilyConfig {
  readonly version: IpVersion;
  /** The node's own address. */
  readonly address: Ip;
  /** Networks of this node of which the kernel drops what no more specific route takes. */
  readonly blackholes: readonly Cidr[];
  /** Routes to neighbours that are behind a gateway (`reachableBy`): single addresses. */
  readonly gateways: readonly { readonly destination: Cidr; readonly via: Ip }[];
  readonly exports: ExportPolicy;
  /** Networks that are Services' addresses: what arrives inside them by BGP is never written to this node's kernel. */
  readonly serviceRanges: readonly Cidr[];
  /** The kernel's metric of a pod's ordinary route (`ipv4NormalRoutePriority`); a lower one marks it as elevated. */
  readonly normalRoutePriority: number;
  readonly sessions: readonly Session[];
}

/** What the node announces. The first list that a route is in decides; a route in none is not announced. */
export interface ExportPolicy {
  /** Never announced, with everything inside. */
  readonly hidden: readonly Cidr[];
  /** Announced whole; nothing inside is announced on its own, but for elevated routes and `hosts`. */
  readonly blocks: readonly Cidr[];
  /** Single addresses that live here although another node owns their block. */
  readonly hosts: readonly Cidr[];
  /** Services' networks and addresses that this node delivers to. They are no routes of its kernel. */
  readonly services: readonly Cidr[];
  /** Learned by BGP inside these: passed on to external peers, less preferred there than the owner's own announcement. */
  readonly pools: readonly Cidr[];
  /** What is announced inside `cidr` carries these, in addition to what it has. */
  readonly communities: readonly { readonly cidr: Cidr; readonly communities: readonly Community[] }[];
  /** The node is going away: everything that it announces carries GRACEFUL_SHUTDOWN (RFC 8326). */
  readonly isDraining: boolean;
}

/** One BGP neighbour. */
export interface Session {
  /** Letters, digits and underscores, unique in the configuration, at most 64 characters. */
  readonly name: string;
  readonly kind: SessionKind;
  readonly neighbor: Ip;
  /** 179 when undefined. */
  readonly port: number | undefined;
  readonly neighborAs: number;
  /** The AS that we show this neighbour instead of the node's own. */
  readonly localAs: number | undefined;
  /** The local end of the connection; the kernel's choice when undefined. */
  readonly source: Ip | undefined;
  /** Waits for the neighbour to connect. */
  readonly passive: boolean;
  /** Why it must not come up although it is asked for, as a sentence; it then stands in the configuration disabled. */
  readonly held: string | undefined;
  /** TCP MD5 (RFC 2385). Printable ASCII without quotes, at most 80 characters. */
  readonly password: string | undefined;
  /** The neighbour is a client of this node as route reflector of this cluster (RFC 4456). */
  readonly reflectorCluster: Ip | undefined;
  readonly nextHop: "auto" | "self" | "keep";
  /** How long the neighbour keeps our routes while we restart, in seconds (RFC 4724); BIRD's 120 when undefined. */
  readonly restartTimeS: number | undefined;
  /** Seconds; BIRD's when undefined. */
  readonly keepaliveS: number | undefined;
  /** How often our own AS may stand in the path of a route that we take. */
  readonly allowedLocalAs: number;
  /** Hops to the neighbour for TTL security (RFC 5082); no such check when undefined. */
  readonly ttlSecurityHops: number | undefined;
  /** RFC 5880. */
  readonly bfd: boolean;
  /** Names of `filters` of the session's family, in order; after them the node's own policy decides. */
  readonly importFilters: readonly string[];
  readonly exportFilters: readonly string[];
}

/**
 * `mesh`: another node; `global`: a BGPPeer of all nodes; `node`: a BGPPeer of this or of selected nodes; `workload`: a pod of
 * the node itself.
 */
export type SessionKind = "mesh" | "global" | "node" | "workload";

/** What a session is when nothing more is said of it. */
export const plainSession = {
  port: undefined,
  localAs: undefined,
  passive: false,
  held: undefined,
  password: undefined,
  reflectorCluster: undefined,
  nextHop: "auto",
  restartTimeS: undefined,
  keepaliveS: undefined,
  allowedLocalAs: 0,
  ttlSecurityHops: undefined,
  bfd: false,
  importFilters: [],
  exportFilters: [],
} as const satisfies Partial<Session>;

/** Every session of a configuration, in both families; none of one that there is not. */
export function allSessions(config: Pick<BirdConfig, "families"> | undefined): readonly Session[] {
  return config?.families.flatMap(({ sessions }) => sessions) ?? [];
}

/** The same by neighbour, each of which has one: BIRD could not tell two apart when it connects. */
export function sessionsByNeighbor(config: Pick<BirdConfig, "families"> | undefined): ReadonlyMap<Ip, Session> {
  return new Map(allSessions(config).map((session) => [session.neighbor, session]));
}
