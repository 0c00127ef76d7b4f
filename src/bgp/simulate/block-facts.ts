import { type Cidr, cidrContains, firstIp, networkOf, prefixLength } from "../../net/cidr.ts";
import type { BirdFilterRule } from "../plan/bird-filter.ts";
import type { Community } from "../plan/community.ts";
import type { Network, Router } from "./network.ts";

/** What a router's own policy says to a network, before a filter has decided. */
export type PolicyVerdict = "own" | "passed on" | "refused";

/** Everything that depends on the announced network alone: worked out once for it, and not at each of its routes. */
export class BlockFacts {
  readonly network: Cidr;
  readonly #owners: ReadonlySet<Router>;
  readonly #enclosing: ReadonlySet<Router>;
  readonly #inside = new Map<readonly Cidr[], boolean>();
  readonly #matching = new Map<BirdFilterRule, boolean>();

  constructor(network: Cidr, { owners, enclosing }: BlockOwners) {
    this.network = network;
    this.#owners = owners;
    this.#enclosing = enclosing;
  }

  /** What `router` says of the network when it learned it by BGP, or when it is its own (ExportPolicy). */
  verdict(router: Router, learned: boolean): PolicyVerdict {
    const { policy } = router;
    if (policy === undefined) return "passed on";
    if (this.#isInside(policy.hidden)) return "refused";
    if (this.#owners.has(router)) return learned ? "refused" : "own";
    if (this.#enclosing.has(router)) return "refused";
    return learned && this.#isInside(policy.pools) ? "passed on" : "refused";
  }

  /** What `router` adds when it announces the network. */
  communitiesOf({ policy }: Router): readonly Community[] {
    if (policy === undefined || policy.communities.length === 0) return [];
    return policy.communities
      .filter(({ cidr }) => cidrContains(cidr, this.network))
      .flatMap(({ communities }) => communities);
  }

  /** Whether the network fits a filter rule's `net`. */
  fits(rule: BirdFilterRule): boolean {
    const known = this.#matching.get(rule);
    if (known !== undefined) return known;
    const answer = fitsNet(rule.net, this.network);
    this.#matching.set(rule, answer);
    return answer;
  }

  #isInside(cidrs: readonly Cidr[]): boolean {
    const known = this.#inside.get(cidrs);
    if (known !== undefined) return known;
    const answer = cidrs.some((cidr) => cidrContains(cidr, this.network));
    this.#inside.set(cidrs, answer);
    return answer;
  }
}

/** Who has a network as a block, and who has a block around it. */
export interface BlockOwners {
  readonly owners: ReadonlySet<Router>;
  readonly enclosing: ReadonlySet<Router>;
}

/** Every block of some node, with its owners. */
export function ownersOfBlocks({ routers }: Network): ReadonlyMap<Cidr, BlockOwners> {
  const owners = new Map<Cidr, Set<Router>>();
  for (const router of routers) {
    for (const block of router.policy?.blocks ?? []) owners.set(block, (owners.get(block) ?? new Set()).add(router));
  }
  const lengths = [...new Set([...owners.keys()].map(prefixLength))];
  return new Map(
    [...owners].map(([block, own]) => [block, { owners: own, enclosing: enclosing(block, owners, lengths) }]),
  );
}

// --- internal ---

function enclosing(
  block: Cidr,
  owners: ReadonlyMap<Cidr, ReadonlySet<Router>>,
  lengths: readonly number[],
): ReadonlySet<Router> {
  const wider = lengths.filter((length) => length < prefixLength(block));
  return new Set(wider.flatMap((length) => [...(owners.get(networkOf(firstIp(block), length)) ?? [])]));
}

/** As BIRD's prefix sets: In takes the network itself and what is inside, of the lengths that are given. */
function fitsNet(net: BirdFilterRule["net"], network: Cidr): boolean {
  if (net === undefined) return true;
  const { cidr, operator, length } = net;
  if (operator === "Equal") return network === cidr;
  if (operator === "NotEqual") return network !== cidr;
  const bits = prefixLength(network);
  const fitsLength = length === undefined || (bits >= length.min && bits <= length.max);
  return (cidrContains(cidr, network) && fitsLength) === (operator === "In");
}
