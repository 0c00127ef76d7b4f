import type { Cidr } from "../../net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../../net/ip.ts";
import { portProtocolNames } from "../../net/protocol-numbers.ts";
import type { NodePlan, PortMember, SetPlan } from "../calc/plan.ts";
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

/** Upstream's. The kernel refuses a member beyond it, and with it every change that comes after. */
const usualMaxElements = 1_048_576;

/** A set that has outgrown it is made anew, with room to grow. */
function maxElementsFor(members: ReadonlySet<string>): number {
  let most = usualMaxElements;
  while (most < members.size) most *= 2;
  return most;
}

const selectedSet = rememberPair((set: SetPlan, family: Family): IpSet => {
  const { version } = family;
  const isPorts = set.kind === "ports";
  const members = isPorts ? portMembers(set.members, version) : netMembers(set.members, version);
  // hash:net, not hash:ip: what a selector selects may hold networks, and a set cannot change its type.
  const type = isPorts ? "hash:ip,port" : "hash:net";
  return { name: setName(version, set.id), version, type, maxElements: maxElementsFor(members), members };
});

/** There are as many as nodes. */
const neighbourSet = rememberPair(
  (neighbours: readonly Ip[], family: Family): IpSet => fixedSet("bgp-neighbours", neighbours, family),
);

function fixedSet(name: FixedSet, nets: readonly (Cidr | Ip)[], { version }: Family): IpSet {
  const members = netMembers(nets, version);
  return { name: setName(version, name), type: "hash:net", version, maxElements: maxElementsFor(members), members };
}

/** An address and its network of one are one member. */
function netMembers(nets: Iterable<Cidr | Ip>, version: IpVersion): ReadonlySet<string> {
  const members = new Set<string>();
  for (const net of nets) {
    if (versionOf(net) !== version) continue;
    if (net === everything[version]) for (const half of halves[version]) members.add(half);
    else members.add(net.endsWith(hostLength[version]) ? net.slice(0, -hostLength[version].length) : net);
  }
  return members;
}

/** A set cannot hold a network of length 0 (ipset(8)). */
const everything = { 4: "0.0.0.0/0", 6: "::/0" } as const;
const halves = { 4: ["0.0.0.0/1", "128.0.0.0/1"], 6: ["::/1", "8000::/1"] } as const;

const hostLength = { 4: "/32", 6: "/128" } as const;

/** Those of protocols whose ports a set can hold; of another the kernel would compare something else. */
function portMembers(ports: ReadonlySet<PortMember>, version: IpVersion): ReadonlySet<string> {
  const members = new Set<string>();
  for (const member of ports) {
    const comma = member.indexOf(",");
    const colon = member.lastIndexOf(":");
    const protocol = portProtocolNames.get(Number(member.slice(comma + 1, colon)));
    if (protocol === undefined || versionOf(member.slice(0, comma) as Ip) !== version) continue;
    members.add(`${member.slice(0, comma)},${protocol}:${member.slice(colon + 1)}`);
  }
  return members;
}
