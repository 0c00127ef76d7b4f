import { changedSet, lineageOf, setDelta } from "../../net/changed-set.ts";
import type { Cidr } from "../../net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../../net/ip.ts";
import { portProtocolNames } from "../../net/protocol-numbers.ts";
import type { PortMember } from "../calc/plan.ts";

/**
 * The networks and addresses of one family as members of a `hash:net` set. Of a large set that came from one asked for before, only
 * what changed is looked at, and `setDelta` knows what that was.
 */
export function netMembers(planned: ReadonlySet<Cidr | Ip>, version: IpVersion): ReadonlySet<string> {
  return renderedNets[version](planned);
}

/** As `netMembers`, of ports: members of a `hash:ip,port` set. */
export function portMembers(planned: ReadonlySet<PortMember>, version: IpVersion): ReadonlySet<string> {
  return renderedPorts[version](planned);
}

// --- internal ---

/** How the members of a planned set become those of one family's set. */
interface Rendering<T extends string> {
  readonly all: (planned: ReadonlySet<T>) => ReadonlySet<string>;
  /** Which members one planned member bears upon, and whether each of them is in the set. */
  readonly touched: (member: T, planned: ReadonlySet<T>) => readonly (readonly [string, boolean])[];
}

function byChange<T extends string>({ all, touched }: Rendering<T>): Rendering<T>["all"] {
  const last = new WeakMap<object, { readonly planned: ReadonlySet<T>; readonly members: ReadonlySet<string> }>();
  const changes = (before: ReadonlySet<T>, planned: ReadonlySet<T>) => {
    const { added, removed } = setDelta(before, planned);
    return new Map([...removed, ...added].flatMap((member) => touched(member, planned)));
  };
  return (planned) => {
    const lineage = lineageOf(planned);
    if (lineage === undefined) return all(planned);
    const before = last.get(lineage);
    const members =
      before === undefined
        ? changedSet(all(planned), new Map())
        : changedSet(before.members, changes(before.planned, planned));
    last.set(lineage, { planned, members });
    return members;
  };
}

/** An address and its network of one are one member. */
function netsIn(version: IpVersion): Rendering<Cidr | Ip> {
  const namesOf = (net: Cidr | Ip): readonly string[] => {
    if (versionOf(net) !== version) return [];
    if (net === everything[version]) return halves[version];
    return [net.endsWith(hostLength[version]) ? net.slice(0, -hostLength[version].length) : net];
  };
  /** All planned members of whom each brings this one. */
  const bringersOf = (name: string) =>
    [name, `${name}${hostLength[version]}`, ...(halves[version].includes(name) ? [everything[version]] : [])] as Cidr[];
  return {
    all: (planned) => {
      const members = new Set<string>();
      for (const net of planned) for (const name of namesOf(net)) members.add(name);
      return members;
    },
    touched: (net, planned) =>
      namesOf(net).map((name) => [name, bringersOf(name).some((bringer) => planned.has(bringer))] as const),
  };
}

/** A set cannot hold a network of length 0 (ipset(8)). */
const everything = { 4: "0.0.0.0/0", 6: "::/0" } as const;
const halves: Readonly<Record<IpVersion, readonly string[]>> = {
  4: ["0.0.0.0/1", "128.0.0.0/1"],
  6: ["::/1", "8000::/1"],
};

const hostLength = { 4: "/32", 6: "/128" } as const;

/** Those of protocols whose ports a set can hold; of another the kernel would compare something else. */
function portsIn(version: IpVersion): Rendering<PortMember> {
  const nameOf = (member: PortMember): string | undefined => {
    const comma = member.indexOf(",");
    const colon = member.lastIndexOf(":");
    const protocol = portProtocolNames.get(Number(member.slice(comma + 1, colon)));
    if (protocol === undefined || versionOf(member.slice(0, comma) as Ip) !== version) return undefined;
    return `${member.slice(0, comma)},${protocol}:${member.slice(colon + 1)}`;
  };
  return {
    all: (planned) => {
      const members = new Set<string>();
      for (const member of planned) {
        const name = nameOf(member);
        if (name !== undefined) members.add(name);
      }
      return members;
    },
    touched: (member, planned) => {
      const name = nameOf(member);
      return name === undefined ? [] : [[name, planned.has(member)] as const];
    },
  };
}

const renderedNets = { 4: byChange(netsIn(4)), 6: byChange(netsIn(6)) } as const;
const renderedPorts = { 4: byChange(portsIn(4)), 6: byChange(portsIn(6)) } as const;
