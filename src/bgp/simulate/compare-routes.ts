import type { End } from "./network.ts";
import type { Attributes, Route } from "./route.ts";

const defaultLocalPref = 100;

/** The best of a router's routes; undefined of none. */
export function bestRoute(routes: readonly Route[]): Route | undefined {
  let [best] = routes;
  for (const route of routes) if (best !== undefined && compareRoutes(route, best) < 0) best = route;
  return best;
}

/** The routes that the kernel gets together (ECMP): those with the best one's rank. */
export function bestRoutes(routes: readonly Route[]): readonly Route[] {
  const best = bestRoute(routes);
  if (best?.from === undefined || routes.length === 1) return best === undefined ? [] : [best];
  const { attributes, from } = best;
  return routes.filter((route) => route.from && rank(route.attributes, route.from, attributes, from) === 0);
}

// --- internal ---

/**
 * Below zero when `a` is preferred to `b`: RFC 4271 §9.1.2.2 as BIRD 2 does it (MED only between routes of one neighbouring
 * AS; ORIGINATOR_ID for the router ID, RFC 4456 §9). A router's own network is preferred to everything. Nothing is known
 * of metrics inside the underlay, so every next hop counts as equally far.
 */
function compareRoutes(a: Route, b: Route): number {
  const [x, y] = [a.from, b.from];
  if (x === undefined || y === undefined) return (x === undefined ? 0 : 1) - (y === undefined ? 0 : 1);
  return (
    rank(a.attributes, x, b.attributes, y) ||
    (a.attributes.originator ?? x.remote.router.routerId) - (b.attributes.originator ?? y.remote.router.routerId) ||
    a.attributes.clusters.length - b.attributes.clusters.length ||
    (x.neighborOrder < y.neighborOrder ? -1 : 1)
  );
}

/** The steps that routes of one ECMP set must not differ in. */
function rank(x: Attributes, xFrom: End, y: Attributes, yFrom: End): number {
  return (
    (y.localPref ?? defaultLocalPref) - (x.localPref ?? defaultLocalPref) ||
    x.asPath.length - y.asPath.length ||
    ((x.asPath[0] ?? xFrom.localAs) === (y.asPath[0] ?? yFrom.localAs) ? x.med - y.med : 0) ||
    Number(xFrom.internal) - Number(yFrom.internal)
  );
}
