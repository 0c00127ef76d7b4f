import type { BirdFilter } from "../plan/bird-filter.ts";
import type { Community } from "../plan/community.ts";
import type { BlockFacts } from "./block-facts.ts";
import { filterRoute, hasCommunity } from "./filter-route.ts";
import type { End } from "./network.ts";
import type { Attributes, Route } from "./route.ts";

/** What the neighbour of `end` has of its router's `route`, once it has taken it; undefined: it does not get it, or refuses it. */
export function exchangeRoute(route: Route, end: End, block: BlockFacts): Attributes | undefined {
  if (route.from === end) return undefined;
  const known = route.sent[end.exportClass];
  const sent = known ?? exportRoute(route, end, block) ?? "nothing";
  if (known === undefined) route.sent[end.exportClass] = sent;
  // A neighbour is not told of a way through itself.
  if (sent === "nothing" || sent.nextHop === end.neighbor) return undefined;
  return importRoute(sent, end.remote, block);
}

// --- internal ---

/** RFC 8326. */
const gracefulShutdown: Community = [65535, 0];

/** RFC 1997. */
const noExport: Community = [65535, 65281];
const noAdvertise: Community = [65535, 65282];
const noExportSubconfed: Community = [65535, 65283];

/** What a route that is passed on to an external peer says, so that the owner's own announcement is preferred. */
const passedOnMed = 100;

function exportRoute({ attributes, from }: Route, end: End, block: BlockFacts): Attributes | undefined {
  const reflects = from?.internal === true && end.internal && from.localAs === end.localAs;
  if (reflects && !mayReflect(attributes, from, end)) return undefined;
  if (!mayLeave(attributes.communities, end)) return undefined;
  // Out of the AS a metric goes only when this router sets it.
  const kept = end.internal || attributes.med === 0 ? attributes : { ...attributes, med: 0 };
  const isDraining = end.router.policy?.isDraining === true && (from === undefined || !end.internal);
  const plain = isDraining ? { ...kept, communities: [...kept.communities, gracefulShutdown] } : kept;
  const allowed = allow(plain, from, end, block);
  if (allowed === undefined) return undefined;
  const sent = { ...allowed, nextHop: nextHopOf(attributes, end) };
  if (reflects) return reflected(sent, from, end);
  if (end.internal) return { ...sent, localPref: sent.localPref ?? 100 };
  return { ...sent, asPath: [end.localAs, ...sent.asPath], localPref: undefined, originator: undefined, clusters: [] };
}

/** RFC 4456 §6: among internal neighbours only from a client or to a client. */
function mayReflect({ clusters }: Attributes, from: End, end: End): boolean {
  if (from.cluster === undefined && end.cluster === undefined) return false;
  return end.cluster === undefined || !clusters.includes(end.cluster);
}

function mayLeave(communities: readonly Community[], end: End): boolean {
  if (communities.length === 0) return true;
  if (hasCommunity(communities, noAdvertise)) return false;
  return end.internal || !(hasCommunity(communities, noExport) || hasCommunity(communities, noExportSubconfed));
}

/** The filters' word, else the router's own policy's. */
function allow(attributes: Attributes, from: End | undefined, end: End, block: BlockFacts): Attributes | undefined {
  const route = { attributes, learned: from !== undefined, internal: end.internal };
  const filtered = filterRoute(end.exportFilters, route, block);
  if (filtered === "rejected") return undefined;
  if (filtered !== undefined) return filtered;
  const verdict = block.verdict(end.router, from !== undefined);
  if (verdict === "refused") return undefined;
  const added = block.communitiesOf(end.router);
  const communities = added.length === 0 ? attributes.communities : [...attributes.communities, ...added];
  const isNode = end.router.policy !== undefined;
  const med = verdict === "passed on" && isNode && !end.internal ? passedOnMed : attributes.med;
  return { ...attributes, communities, med };
}

function nextHopOf({ nextHop }: Attributes, end: End): Attributes["nextHop"] {
  if (nextHop === undefined || end.nextHop === "self") return end.address;
  return end.nextHop === "keep" || end.internal ? nextHop : end.address;
}

function reflected(attributes: Attributes, from: End, end: End): Attributes {
  const inner = from.cluster === undefined ? [] : [from.cluster];
  const outer = end.cluster === undefined || end.cluster === from.cluster ? [] : [end.cluster];
  return {
    ...attributes,
    localPref: attributes.localPref ?? 100,
    originator: attributes.originator ?? from.remote.router.routerId,
    clusters: [...outer, ...inner, ...attributes.clusters],
  };
}

function importRoute(attributes: Attributes, end: End, block: BlockFacts): Attributes | undefined {
  const { router, internal } = end;
  // RFC 4271 §9.1.2, RFC 4456 §8.
  if (attributes.asPath.length > 0 && isLoop(attributes.asPath, end)) return undefined;
  if (internal && attributes.originator === router.routerId) return undefined;
  if (end.cluster !== undefined && attributes.clusters.includes(end.cluster)) return undefined;
  const taken = filtered(attributes, end.importFilters, internal, block);
  if (taken === undefined || taken.communities.length === 0) return taken;
  return hasCommunity(taken.communities, gracefulShutdown) ? { ...taken, localPref: 0 } : taken;
}

function isLoop(asPath: readonly number[], { localAs, allowedLocalAs }: End): boolean {
  return asPath.filter((number) => number === localAs).length > allowedLocalAs;
}

function filtered(attributes: Attributes, filters: readonly BirdFilter[], internal: boolean, block: BlockFacts) {
  if (filters.length === 0) return attributes;
  const result = filterRoute(filters, { attributes, learned: true, internal }, block);
  return result === "rejected" ? undefined : (result ?? attributes);
}
