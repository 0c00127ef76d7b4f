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
}
