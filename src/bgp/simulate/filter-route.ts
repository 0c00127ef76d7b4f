import type { BirdFilter, BirdFilterOperation, BirdFilterRule } from "../plan/bird-filter.ts";
import type { Community } from "../plan/community.ts";
import type { BlockFacts } from "./block-facts.ts";
import { type Attributes, localPrefOf } from "./route.ts";

/** A route as a filter sees it. */
export interface FilteredRoute {
  readonly attributes: Attributes;
  /** Learned by BGP, and no network of the router's own. */
  readonly learned: boolean;
  /** Whether the filter's session is internal. */
  readonly internal: boolean;
}

/**
 * What BGPFilters make of a route: the first rule that fits decides. Undefined: none did, and the router's own policy
 * decides. A rule about an interface fits no route here: a plan does not know by which one a route goes out.
 */
export function filterRoute(
  filters: readonly BirdFilter[],
  route: FilteredRoute,
  block: BlockFacts,
): Attributes | "rejected" | undefined {
  for (const { rules } of filters) {
    for (const rule of rules) {
      if (!fits(rule, route, block)) continue;
      return rule.action === "reject" ? "rejected" : rule.operations.reduce(operate, route.attributes);
    }
  }
  return undefined;
}

/** True for a community that is in the list. */
export function hasCommunity(communities: readonly Community[], wanted: Community): boolean {
  return communities.some((one) => one.length === wanted.length && one.every((number, at) => number === wanted[at]));
}

// --- internal ---

function fits(rule: BirdFilterRule, { attributes, learned, internal }: FilteredRoute, block: BlockFacts): boolean {
  const { fromRemotePeers, peerType, communities, asPathPrefix, priority } = rule;
  if (fromRemotePeers && !learned) return false;
  if (rule.interface !== undefined) return false;
  if (priority !== undefined && attributes.localPref !== localPrefOf(priority)) return false;
  if (peerType !== undefined && (peerType === "iBGP") !== internal) return false;
  if (communities.length > 0 && !communities.some((one) => hasCommunity(attributes.communities, one))) return false;
  if (!asPathPrefix.every((number, at) => attributes.asPath[at] === number)) return false;
  return block.fits(rule);
}

function operate(attributes: Attributes, operation: BirdFilterOperation): Attributes {
  switch (operation.kind) {
    case "addCommunity":
      return { ...attributes, communities: [...attributes.communities, operation.community] };
    case "prependAsPath":
      return { ...attributes, asPath: [...operation.asNumbers, ...attributes.asPath] };
    case "setPriority":
      return { ...attributes, localPref: localPrefOf(operation.priority) };
  }
}
