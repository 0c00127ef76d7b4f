/** What one node's BGP daemon should do, as plain values. Nothing here knows BIRD's syntax. */
import type { Cidr } from "../../net/cidr.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";

/** One node's whole configuration. */
export interface BirdConfig {
  /** 4 octets in dotted decimal, also on a node with IPv6 only (RFC 6286). */
  readonly routerId: Ip;
  readonly localAs: number;
  /** Interfaces whose networks are not taken as connected: names where `*` stands for anything. */
  readonly ignoredInterfaces: readonly string[];
  /** IPv4, then IPv6; only those in which the node has an address. */
  readonly families: readonly FamilyConfig[];
  /** What was asked for and is not in this configuration, for the log and for events. */
  readonly rejected: readonly RejectedObject[];
}

/** An object that asks for something that is not in the configuration. */
export interface RejectedObject {
  readonly kind: "BGPPeer" | "Node";
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
  readonly exports: ExportPolicy;
  readonly sessions: readonly Session[];
}

/** What the node announces. The first list that a route is in decides; a route in none is not announced. */
export interface ExportPolicy {
  /** Never announced, with everything inside. */
  readonly hidden: readonly Cidr[];
  /** Announced whole; nothing inside is announced on its own. */
  readonly blocks: readonly Cidr[];
  /** Single addresses that live here although another node owns their block. */
  readonly hosts: readonly Cidr[];
  /** Learned by BGP inside these: passed on to external peers, less preferred there than the owner's own announcement. */
  readonly pools: readonly Cidr[];
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
  /** The local end of the connection; the kernel's choice when undefined. */
  readonly source: Ip | undefined;
  /** Waits for the neighbour to connect. */
  readonly passive: boolean;
}

/** `mesh`: another node; `global`: a BGPPeer of all nodes; `node`: a BGPPeer of this or of selected nodes. */
export type SessionKind = "mesh" | "global" | "node";
