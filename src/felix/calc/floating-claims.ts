import { floatingIpsAnnotation } from "../../api/kubernetes/floating-ips.ts";
import type { NamespacedName } from "../../api/names.ts";
import { unusableNetworks } from "../../api/unusable-networks.ts";
import { type Cidr, cidrContainsIp } from "../../net/cidr.ts";
import { compareText } from "../../net/compare-text.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import { MultiMap } from "./multi-map.ts";
import type { FloatingIp } from "./plan.ts";
import { same } from "./same.ts";

/** What an endpoint claims: addresses that are to stand for its own. */
export interface FloatingClaim {
  readonly pod: NamespacedName;
  readonly addresses: readonly Ip[];
  readonly wanted: readonly Ip[];
}

/** What the rest of the cluster has to say about an address. */
export interface ClaimFacts {
  readonly pools: () => readonly Cidr[];
  /** Nodes' own addresses, and those of BGP peers. */
  readonly nodes: () => readonly Ip[];
  /** Whether some pod reports it, or IPAM has given it to anybody. */
  readonly isTaken: (ip: Ip) => boolean;
}

/** What became of an endpoint's claim. */
export interface FloatingOutcome {
  readonly floatingIps: readonly FloatingIp[];
  /** One sentence for each address that it does not get. */
  readonly problems: readonly string[];
}

/**
 * Which endpoint of this node gets which floating address. Whoever makes a pod writes its annotations, and with an address
 * goes the traffic towards it: so only one of an IP pool can be claimed, which is for administrators to make, and none that is
 * a node's, a BGP peer's or another workload's. Of several claims of one address the first by the pod's name counts.
 */
export class FloatingClaims {
  readonly #facts: ClaimFacts;
  readonly #claims = new Map<string, FloatingClaim>();
  readonly #outcomes = new Map<string, FloatingOutcome>();
  /** Which interfaces have an address for their own. */
  readonly #owners = new MultiMap<Ip, string>();
  readonly #owned = new Map<string, readonly Ip[]>();

  constructor(facts: ClaimFacts) {
    this.#facts = facts;
  }

  /** The endpoint behind the interface has these addresses from now on, and claims this. */
  set(hostInterface: string, addresses: readonly Ip[], claim: FloatingClaim | undefined): void {
    for (const ip of this.#owned.get(hostInterface) ?? []) this.#owners.delete(ip, hostInterface);
    for (const ip of addresses) this.#owners.add(ip, hostInterface);
    if (addresses.length === 0) this.#owned.delete(hostInterface);
    else this.#owned.set(hostInterface, addresses);
    if (claim === undefined) this.#claims.delete(hostInterface);
    else this.#claims.set(hostInterface, claim);
  }

  /** Decides anew, in time that goes with this node's claims; answers the interfaces whose outcome is another than before. */
  decide(): readonly string[] {
    if (this.#claims.size + this.#outcomes.size === 0) return [];
    const inOrder = [...this.#claims].sort(
      ([a, left], [b, right]) => compareText(left.pod, right.pod) || compareText(a, b),
    );
    const given = new Map<Ip, NamespacedName>();
    const context = { pools: this.#facts.pools(), nodes: new Set(this.#facts.nodes()), given };
    const now = new Map(inOrder.map(([hostInterface, claim]) => [hostInterface, this.#outcome(claim, context)]));
    const names = new Set([...this.#outcomes.keys(), ...now.keys()]);
    const changed = [...names].filter((name) => !same(this.#outcomes.get(name), now.get(name)));
    this.#outcomes.clear();
    for (const [name, outcome] of now) this.#outcomes.set(name, outcome);
    return changed;
  }

  /** As last decided; undefined when the endpoint claims nothing. */
  of(hostInterface: string): FloatingOutcome | undefined {
    return this.#outcomes.get(hostInterface);
  }

  #outcome(claim: FloatingClaim, context: Deciding): FloatingOutcome {
    const floatingIps: FloatingIp[] = [];
    const problems: string[] = [];
    for (const external of claim.wanted) {
      const internal = claim.addresses.find((ip) => versionOf(ip) === versionOf(external));
      const why = this.#refusal(external, context);
      if (internal === undefined || why !== undefined) {
        const reason = why ?? `the pod has no IPv${versionOf(external)} address`;
        problems.push(`${floatingIpsAnnotation}: ${external} is left out: ${reason}`);
        continue;
      }
      context.given.set(external, claim.pod);
      floatingIps.push({ external, internal });
    }
    return { floatingIps, problems };
  }

  #refusal(ip: Ip, { pools, nodes, given }: Deciding): string | undefined {
    const network = unusableNetworks.find((cidr) => cidrContainsIp(cidr, ip));
    if (network !== undefined) return `it is of ${network}`;
    if (!pools.some((pool) => cidrContainsIp(pool, ip))) return "it is of no IP pool";
    if (nodes.has(ip)) return "it is the address of a node or a BGP peer";
    if (this.#owners.has(ip) || this.#facts.isTaken(ip)) return "it is in use";
    const holder = given.get(ip);
    return holder === undefined ? undefined : `pod ${holder} has it`;
  }
}

// --- internal ---

interface Deciding {
  readonly pools: readonly Cidr[];
  readonly nodes: ReadonlySet<Ip>;
  /** To whom an address has been given so far. */
  readonly given: Map<Ip, NamespacedName>;
}
