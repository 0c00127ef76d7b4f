import type { Ip } from "../../net/ip.ts";

/**
 * A neighbour that is no node, of which nothing is known but its addresses. It is assumed to keep every session that a node
 * asks for. What it does with routes:
 * - `passes on`: it tells its best route for each network; external neighbours as any router with its AS does, internal ones
 *   as a reflector of which all of them are clients (RFC 4456).
 * - `keeps`: it takes routes and tells nobody.
 * - `is absent`: nobody is there, and no session comes up.
 */
export interface OutsideRouter {
  /** Several when it has them, or for several routers that give one another every route. */
  readonly addresses: readonly Ip[];
  readonly role: "passes on" | "keeps" | "is absent";
}
