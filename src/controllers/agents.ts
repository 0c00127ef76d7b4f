import type { BgpProbeQuestion, BgpSide } from "../api/bgp-probe.ts";
import type { BgpAnswer, BgpQuery } from "../api/bgp-query.ts";
import type { NodeName } from "../api/names.ts";
import type { AddressUse, PoliciesAnswer } from "../api/node-query.ts";
import type { Ip } from "../net/ip.ts";

/** Questions to the agents of other nodes. */
export interface Agents {
  /**
   * What the node uses of `ips` (all of its addresses when undefined), as its kernel and its files say at this moment.
   * Rejects when there is no answer, or one that cannot be the node's: then nothing is known.
   */
  addressesInUse(node: NodeName, ips: readonly Ip[] | undefined, signal?: AbortSignal): Promise<readonly AddressUse[]>;
  /** Which policies the node's kernel holds. Rejects likewise. */
  policiesInForce(node: NodeName, signal?: AbortSignal): Promise<PoliciesAnswer>;
  /** The node's BGP: its daemon, its sessions, what happened to them. Rejects likewise. */
  bgp(node: NodeName, query: BgpQuery, signal?: AbortSignal): Promise<BgpAnswer>;
  /** The node's end of its BGP sessions, and what it finds out about the way to those neighbours. Rejects likewise. */
  probeBgp(node: NodeName, question: BgpProbeQuestion, signal?: AbortSignal): Promise<BgpSide>;
}
