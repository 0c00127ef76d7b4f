/** The routers of one address family and the sessions between them that come up. */
import type { NodeName } from "../../api/names.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";
import type { ExportPolicy, Session } from "../plan/bird-config.ts";
import type { BirdFilter } from "../plan/bird-filter.ts";

/** A node, or a router that is none. */
export interface Router {
  /** Its place in `Network.routers`. */
  readonly index: number;
  readonly node: NodeName | undefined;
  /** As a number, as BGP compares it. */
  readonly routerId: number;
  readonly localAs: number;
  /** Undefined for an outside router, which passes on everything. */
  readonly policy: ExportPolicy | undefined;
  readonly normalRoutePriority: number;
  readonly ends: readonly End[];
  /** Those of `ends` that may get what came from an internal neighbour who is no client. */
  readonly outwardEnds: readonly End[];
  /** Some end takes the best route only (no ADD-PATH, RFC 7911). */
  readonly hasBestOnlyEnds: boolean;
}

/** One router's side of a session. */
export interface End {
  readonly router: Router;
  readonly remote: End;
  /** The next hop that "self" means. */
  readonly address: Ip;
  readonly neighbor: Ip;
  /** `neighbor` as a number. */
  readonly neighborOrder: number | bigint;
  readonly localAs: number;
  readonly neighborAs: number;
  /** iBGP: both sides show one AS. */
  readonly internal: boolean;
  /** The cluster of which the neighbour is a client, as a number; undefined when it is none. */
  readonly cluster: number | undefined;
  readonly nextHop: Session["nextHop"];
  readonly allowedLocalAs: number;
  readonly addPath: boolean;
  readonly importFilters: readonly BirdFilter[];
  readonly exportFilters: readonly BirdFilter[];
  /** Ends of one router with the same number send the same, but for what a neighbour's address decides. */
  readonly exportClass: number;
}

/** A session that a node is configured for and that does not come up. */
export interface DownSession {
  readonly node: NodeName;
  readonly name: string;
  readonly neighbor: Ip;
  /** A sentence for a person. */
  readonly reason: string;
}

/** One family of the cluster. */
export interface Network {
  readonly version: IpVersion;
  readonly routers: readonly Router[];
  readonly routerAt: ReadonlyMap<Ip, Router>;
  readonly down: readonly DownSession[];
  /** How many sessions come up: each counts once. */
  readonly established: number;
}
