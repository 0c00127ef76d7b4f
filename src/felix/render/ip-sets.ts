import type { Cidr } from "../../net/cidr.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import type { AddressSetPlan, NodePlan } from "../calc/plan.ts";
import type { IpSet } from "./desired-state.ts";
import { type FixedSet, setName } from "./names.ts";
import type { Family } from "./options.ts";
import { rememberPair } from "./remember.ts";

/** One family's sets: one for each planned set, also when it has no member of this family, those of the pools, and the BGP neighbours. */
export function ipSets(plan: NodePlan, family: Family): readonly IpSet[] {
  return [
    fixedSet("masq-ipam-pools", plan.masqueradedPools, family),
    fixedSet("network-ip-pools", plan.pools, family),
    neighbourSet(plan.bgpNeighbours, family),
    ...[...plan.sets.values()].map((set) => selectedSet(set, family)),
  ];
}

// --- internal ---

/** Upstream's; a set cannot grow beyond it. */
const maxElements = 1_048_576;

const selectedSet = rememberPair((set: AddressSetPlan, family: Family): IpSet => {
  const members = new Set<string>();
  for (const ip of set.members) if (versionOf(ip) === family.version) members.add(ip);
  // hash:net, not hash:ip: what a selector selects may hold networks, and a set cannot change its type.
  return { name: setName(family.version, set.id), type: "hash:net", version: family.version, maxElements, members };
});

/** There are as many as nodes. */
const neighbourSet = rememberPair(
  (neighbours: readonly Ip[], family: Family): IpSet => fixedSet("bgp-neighbours", neighbours, family),
);

function fixedSet(name: FixedSet, nets: readonly (Cidr | Ip)[], { version }: Family): IpSet {
  const members = new Set<string>(nets.filter((net) => versionOf(net) === version));
  return { name: setName(version, name), type: "hash:net", version, maxElements, members };
}
