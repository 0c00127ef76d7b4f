/** One hook of one table: what its rules, and the chains that they jump to, do with a packet. */
import type {
  Action,
  ConnectionState,
  DesiredState,
  Match,
  Rule,
  Side,
  Table,
} from "../../src/felix/render/desired-state.ts";
import { type Cidr, cidrContainsIp } from "../../src/net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../../src/net/ip.ts";
import type { Packet } from "./simulate-rules.ts";

/** E.g. `filter/FORWARD`. */
export type Hook = `${"raw" | "mangle" | "nat" | "filter"}/${string}`;

/** How a hook lets a packet go: `exchanged` with another address, `fallthrough` when no rule has decided. */
export type End = "accept" | "drop" | "reject" | "masquerade" | "exchanged" | "fallthrough";

/** A packet under way. */
export interface Journey {
  readonly state: DesiredState;
  readonly packet: Packet;
  mark: number;
  untracked: boolean;
  /** Its destination is no longer the one that it was addressed to. */
  exchanged: boolean;
  /** What our own rules have exchanged its addresses for. */
  destination: Ip | undefined;
  source: Ip | undefined;
  /** What our own rules have written. */
  dscp: number | undefined;
  readonly logged: string[];
  table: string;
  interfaces: {
    readonly in: string | undefined;
    readonly out: string | undefined;
    /** The interface that an answer would leave by. */
    readonly backToSource: string;
    readonly version: IpVersion;
  };
}

/** The packet before its first hook. */
export function startOf(state: DesiredState, packet: Packet): Journey {
  const interfaces = { in: undefined, out: undefined, backToSource: "", version: versionOf(packet.source) };
  const mark = packet.mark ?? 0;
  const unchanged = { exchanged: false, destination: undefined, source: undefined, dscp: undefined };
  return { state, packet, mark, untracked: false, ...unchanged, logged: [], table: "raw", interfaces };
}

/** Takes the packet through our rules at one hook. Throws where the kernel would have refused the rules. */
export function walkHook(hook: Hook, journey: Journey, interfaces: Journey["interfaces"]): End {
  const [table = "", chain = ""] = hook.split("/");
  const found = journey.state.tables.get(`${interfaces.version}/${table as "raw"}`);
  const rules = found?.hooks.get(chain);
  if (found === undefined || rules === undefined) return "fallthrough";
  journey.table = table;
  journey.interfaces = interfaces;
  return walkRules([...rules.inserted, ...rules.appended], journey, found);
}

// --- internal ---

function walkRules(rules: readonly Rule[], journey: Journey, table: Table): End {
  for (const { matches, action } of rules) {
    if (!matches.every((match) => holds(match, journey))) continue;
    switch (action.kind) {
      case "accept":
      case "drop":
        return action.kind;
      case "reject":
        if (journey.table !== "filter") throw new Error("Cannot reject a packet outside filter");
        return action.kind;
      case "masquerade":
      case "source-nat":
      case "destination-nat":
        return exchanged(action, journey);
      case "set-dscp":
        if (journey.table !== "mangle") throw new Error("Cannot write a code point outside mangle");
        journey.dscp = action.dscp;
        break;
      case "return":
        return "fallthrough";
      case "jump":
      case "goto": {
        const end = walkRules(chainOf(table, action.chain), journey, table);
        if (end !== "fallthrough" || action.kind === "goto") return end;
        break;
      }
      case "dispatch": {
        const chain = dispatched(action.map, journey, table);
        if (chain !== undefined) return walkRules(chainOf(table, chain), journey, table);
        break;
      }
      case "set-mark":
        journey.mark = (journey.mark & ~action.mask) | action.value;
        break;
      case "log":
        journey.logged.push(action.prefix);
        break;
      case "no-track":
        if (journey.table !== "raw") throw new Error("Cannot take a packet out of connection tracking after raw");
        journey.untracked = true;
    }
  }
  return "fallthrough";
}

function chainOf({ chains }: Table, name: string): readonly Rule[] {
  const chain = chains.get(name);
  if (chain === undefined) throw new Error(`Cannot follow a jump to ${name}: there is no such chain`);
  return chain;
}

function dispatched(name: string, { interfaces }: Journey, { maps }: Table): string | undefined {
  const map = maps?.get(name);
  if (map === undefined) throw new Error(`Cannot look into ${name}: there is no such map`);
  return map.targets.get((map.match === "in-interface" ? interfaces.in : interfaces.out) ?? "");
}

type Nat = Extract<Action, { readonly kind: "masquerade" | "source-nat" | "destination-nat" }>;

function exchanged(action: Nat, journey: Journey): End {
  if (journey.table !== "nat") throw new Error("Cannot exchange addresses outside nat");
  if ("ports" in action && action.ports !== undefined && journey.packet.sourcePort === undefined) {
    throw new Error(`Cannot give protocol ${journey.packet.protocol} a port`);
  }
  if (action.kind === "masquerade") return "masquerade";
  if (versionOf(action.to) !== journey.interfaces.version)
    throw new Error("Cannot exchange an address for another family's");
  if (action.kind === "source-nat") journey.source = action.to;
  else journey.destination = action.to;
  return "exchanged";
}

function holds(match: Match, journey: Journey): boolean {
  const { packet, interfaces, mark } = journey;
  switch (match.kind) {
    case "protocol":
      return (packet.protocol === match.protocol) !== match.negated;
    case "net":
      return cidrContainsIp(match.net, addressOf(journey, match.side)) !== match.negated;
    case "set":
      return inSet(journey, match.set, addressOf(journey, match.side)) !== match.negated;
    case "port-set":
      return inPortSet(journey, match.set, match.side) !== match.negated;
    case "ports":
      return portsMatch(match, journey) !== match.negated;
    case "icmp":
      return icmpMatches(match, packet) !== match.negated;
    case "in-interface":
      return interfaceMatches(match.name, interfaces.in) !== match.negated;
    case "out-interface":
      return interfaceMatches(match.name, interfaces.out) !== match.negated;
    case "connection":
      return match.states.some((state) => statesOf(journey).includes(state));
    case "mark":
      return ((mark & match.mask) === match.value) !== match.negated;
    case "reverse-path-failed":
      return interfaces.backToSource !== interfaces.in;
    case "limit":
      return true;
  }
}

/** Before connection tracking has seen a packet, the kernel's answer is INVALID. */
function statesOf({ packet, table, untracked, exchanged, destination }: Journey): readonly ConnectionState[] {
  if (untracked) return ["UNTRACKED"];
  if (table === "raw") return ["INVALID"];
  const isExchanged =
    exchanged || destination !== undefined || (packet.addressedTo !== undefined && packet.state === "ESTABLISHED");
  return isExchanged ? [packet.state, "DNAT"] : [packet.state];
}

function addressOf({ packet, exchanged, destination }: Journey, side: Side): Ip {
  if (side === "source") return packet.source;
  if (destination !== undefined) return destination;
  return exchanged ? packet.destination : (packet.addressedTo?.ip ?? packet.destination);
}

function portOf({ packet, exchanged }: Journey, side: Side): number | undefined {
  if (side === "source") return packet.sourcePort;
  return packet.addressedTo === undefined || exchanged ? packet.destinationPort : packet.addressedTo.port;
}

function portsMatch({ ports, side }: Match & { kind: "ports" }, journey: Journey): boolean {
  const port = portOf(journey, side);
  if (port === undefined) {
    throw new Error(
      `Cannot look for ports in protocol ${journey.packet.protocol}: no match of one that has them is before`,
    );
  }
  if (ports.reduce((slots, { first, last }) => slots + (first === last ? 1 : 2), 0) > 15) {
    throw new Error("Cannot match more than 15 ports in one rule");
  }
  return ports.some(({ first, last }) => first <= port && port <= last);
}

function icmpMatches({ type, code }: Match & { kind: "icmp" }, packet: Packet): boolean {
  if (packet.protocol !== (versionOf(packet.source) === 4 ? 1 : 58)) {
    throw new Error(`Cannot look for an ICMP type in protocol ${packet.protocol}: no match of the protocol is before`);
  }
  return packet.icmpType === type && (code === undefined || (packet.icmpCode ?? 0) === code);
}

function inSet({ state, interfaces }: Journey, name: string, ip: Ip): boolean {
  const members = membersOf(state, { name, type: "hash:net", version: interfaces.version });
  if (members.has(ip)) return true;
  return [...members].some((member) => member.includes("/") && cidrContainsIp(member as Cidr, ip));
}

/** ipset(8)'s names of the protocols whose ports it can tell. */
const portProtocols: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp", 132: "sctp", 136: "udplite" };

function inPortSet(journey: Journey, name: string, side: Side): boolean {
  const members = membersOf(journey.state, { name, type: "hash:ip,port", version: journey.interfaces.version });
  const protocol = portProtocols[journey.packet.protocol];
  const port = portOf(journey, side);
  if (protocol === undefined || port === undefined) return false;
  return members.has(`${addressOf(journey, side)},${protocol}:${port}`);
}

function membersOf(
  state: DesiredState,
  { name, type, version }: { readonly name: string; readonly type: string; readonly version: IpVersion },
): ReadonlySet<string> {
  const set = state.sets.get(name);
  if (set === undefined) throw new Error(`Cannot match against ${name}: there is no such set`);
  if (set.version !== version)
    throw new Error(`Cannot match an IPv${version} packet against ${name}: it is of the other family`);
  if (set.type !== type) throw new Error(`Cannot match against ${name} as ${type}: it is ${set.type}`);
  if (set.members.has("0.0.0.0/0") || set.members.has("::/0")) {
    throw new Error(`Cannot hold every address in ${name} as one network: no set can`);
  }
  return set.members;
}

function interfaceMatches(pattern: string, name: string | undefined): boolean {
  if (name === undefined) return false;
  return pattern.endsWith("+") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
