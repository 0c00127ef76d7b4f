import type { Cidr } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";
import type { NodePlan, SetPlan } from "../calc/plan.ts";
import type { IpSet } from "./desired-state.ts";
import { dscpSources } from "./dscp-chain.ts";
import { Latest } from "./latest.ts";
import { changedKeys } from "./map-difference.ts";
import { type FixedSet, setName } from "./names.ts";
import type { Family } from "./options.ts";
import { rememberPair } from "./remember.ts";
import { netMembers, portMembers } from "./set-members.ts";

/**
 * The sets of one plan after the other, by name: for each family one for each planned set, also when it has no member of this
 * family, those of the pools, the BGP neighbours, and what some rule needs besides. What is the same object in two plans is the
 * same set, and the same map when all of them are.
 */
export class IpSets {
  readonly #families: readonly Family[];
  readonly #dscp = new Latest<readonly Ip[]>();
  #planned: NodePlan["sets"] = new Map();
  #fixed: readonly IpSet[] = [];
  #all: ReadonlyMap<string, IpSet> = new Map();

  constructor(families: readonly Family[]) {
    this.#families = families;
  }

  /** Those of the plan. */
  next(plan: NodePlan): ReadonlyMap<string, IpSet> {
    const fixed = this.#families.flatMap((family) => this.#fixedSets(plan, family));
    const changed = changedKeys(this.#planned, plan.sets);
    if (changed.length > 0 || fixed.length !== this.#fixed.length || fixed.some((set, i) => set !== this.#fixed[i])) {
      const all = new Map(this.#all);
      for (const { name } of this.#fixed) all.delete(name);
      for (const set of fixed) all.set(set.name, set);
      for (const family of this.#families) {
        for (const id of changed) {
          const set = plan.sets.get(id);
          if (set === undefined) all.delete(setName(family.version, id));
          else all.set(setName(family.version, id), selectedSet(set, family));
        }
      }
      this.#all = all;
    }
    this.#planned = plan.sets;
    this.#fixed = fixed;
    return this.#all;
  }

  #fixedSets(plan: NodePlan, family: Family): readonly IpSet[] {
    const sources = dscpSources(plan.endpoints).map(({ address }) => address);
    const withCodePoint = this.#dscp.get("sources", sources.join(" "), () => sources);
    const needsHosts = sources.length > 0 || family.options.natOutgoing.exclusions === "pools-and-hosts";
    return [
      fixedSets["masq-ipam-pools"](plan.masqueradedPools, family),
      fixedSets["network-ip-pools"](plan.pools, family),
      fixedSets["bgp-neighbours"](plan.bgpNeighbours, family),
      ...(needsHosts ? [fixedSets["all-hosts-net"](plan.hosts, family)] : []),
      ...(sources.length > 0 ? [fixedSets["dscp-src-net"](withCodePoint, family)] : []),
    ];
  }
}

// --- internal ---

/** The kernel refuses a member beyond it, and with it every change that comes after: a set that has outgrown it is made anew. */
function maxElementsFor(members: ReadonlySet<string>, { options }: Family): number {
  let most = options.maxSetSize;
  while (most < members.size) most *= 2;
  return most;
}

const selectedSet = rememberPair((set: SetPlan, family: Family): IpSet => {
  const { version } = family;
  const isPorts = set.kind === "ports";
  const members = isPorts ? portMembers(set.members, version) : netMembers(set.members, version);
  // hash:net, not hash:ip: what a selector selects may hold networks, and a set cannot change its type.
  const type = isPorts ? "hash:ip,port" : "hash:net";
  return { name: setName(version, set.id), version, type, maxElements: maxElementsFor(members, family), members };
});

const fixedSets = {
  "masq-ipam-pools": fixedSet("masq-ipam-pools"),
  "network-ip-pools": fixedSet("network-ip-pools"),
  "bgp-neighbours": fixedSet("bgp-neighbours"),
  "all-hosts-net": fixedSet("all-hosts-net"),
  "dscp-src-net": fixedSet("dscp-src-net"),
};

/** The same set for the same list: there can be as many members as nodes. */
function fixedSet(name: FixedSet): (nets: readonly (Cidr | Ip)[], family: Family) => IpSet {
  return rememberPair((nets, family) => {
    const { version } = family;
    const members = netMembers(new Set(nets), version);
    const maxElements = maxElementsFor(members, family);
    return { name: setName(version, name), type: "hash:net", version, maxElements, members };
  });
}
