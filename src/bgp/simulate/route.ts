import type { Ip } from "../../net/ip.ts";
import type { Community } from "../plan/community.ts";
import type { End } from "./network.ts";

/** What an UPDATE says of a network (RFC 4271 §5). */
export interface Attributes {
  /** Undefined for a router's own network. */
  readonly nextHop: Ip | undefined;
  readonly asPath: readonly number[];
  /** Undefined: 100. */
  readonly localPref: number | undefined;
  readonly med: number;
  /** ORIGINATOR_ID and CLUSTER_LIST of RFC 4456, as numbers. */
  readonly originator: number | undefined;
  readonly clusters: readonly number[];
  readonly communities: readonly Community[];
}

/** A way to one network that a router knows. */
export interface Route {
  readonly attributes: Attributes;
  /** By which of the router's ends it came; undefined: the network is its own. */
  readonly from: End | undefined;
  /** What other routers have because of it, to be taken back with it. */
  readonly children: Route[];
  /** What ends of each export class send of it. */
  readonly sent: (Attributes | "nothing" | undefined)[];
}

/** The attributes of a node's own network: as for every route of priority `normalRoutePriority`. */
export function ownAttributes(normalRoutePriority: number): Attributes {
  const localPref = localPrefOf(normalRoutePriority);
  const plain = { nextHop: undefined, asPath: [], med: 0, originator: undefined, clusters: [], communities: [] };
  return { ...plain, localPref };
}

/** A priority, which is a metric in the kernel, as the local preference that it travels as. */
export function localPrefOf(priority: number): number {
  return 0x7fffffff - priority;
}

/** A route without descendants yet. */
export function newRoute(attributes: Attributes, from: End | undefined): Route {
  return { attributes, from, children: [], sent: [] };
}
