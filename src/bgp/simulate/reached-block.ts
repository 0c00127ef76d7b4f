import type { NodeName } from "../../api/names.ts";
import type { Cidr } from "../../net/cidr.ts";
import { bestRoutes } from "./compare-routes.ts";
import type { Network, Router } from "./network.ts";
import type { Route } from "./route.ts";

/** One node's block, and who cannot reach it. */
export interface ReachedBlock {
  readonly network: Cidr;
  readonly owner: NodeName;
  /** Nodes of the block's family from where some packet for it would not arrive: no route, a loop, or another node's block. */
  readonly unreachedFrom: readonly NodeName[];
}

/**
 * Follows packets for the block, hop by hop, from every node: each router sends them by every route of its best ones (ECMP),
 * and all of them have to end at `owner`. Between neighbours and next hops the underlay is taken as whole.
 */
export function reachedBlock(
  network: Cidr,
  owner: Router,
  { routers, routerAt }: Network,
  routes: readonly (readonly Route[])[],
): ReachedBlock {
  const reaches = new Map<Router, boolean>();
  const arrives = (router: Router): boolean => {
    const known = reaches.get(router);
    if (known !== undefined) return known;
    // Whoever comes by here again has gone round.
    reaches.set(router, false);
    const answer = bestRoutes(routes[router.index] ?? []);
    const isGood = answer.length > 0 && answer.every((route) => isRight(router, route));
    reaches.set(router, isGood);
    return isGood;
  };
  const isRight = (router: Router, { from, attributes: { nextHop } }: Route): boolean => {
    if (from === undefined) return router === owner;
    const next = nextHop === undefined ? undefined : routerAt.get(nextHop);
    return next !== undefined && arrives(next);
  };
  const unreached = routers.flatMap((router) => (router.node === undefined || arrives(router) ? [] : [router.node]));
  return { network, owner: owner.node as NodeName, unreachedFrom: unreached };
}
