/** Walks a packet through rendered rules as the kernel would: tables, hooks, jumps, marks, sets and the routes of the plan. */
import type { Action, DesiredState, Match, Rule, TableName } from "../../src/felix/render/desired-state.ts";
import { type Cidr, cidrContainsIp, hostCidr } from "../../src/net/cidr.ts";
import { type Ip, versionOf } from "../../src/net/ip.ts";

export interface Packet {
  readonly source: Ip;
  readonly destination: Ip;
  /** IANA number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmpv6Type?: number;
  readonly state: "NEW" | "ESTABLISHED" | "RELATED" | "INVALID";
  /** What it bears when it arrives; nothing when absent. */
  readonly mark?: number;
}

/** `untouched`: no rule of ours decided, so the chains of others and their policies do. */
export interface Outcome {
  readonly verdict: "accept" | "drop" | "untouched";
  readonly masqueraded: boolean;
}

/** A packet that comes in on `inInterface` and goes on by route: to a local endpoint, or out of the node's uplink. */
export function forwarded(state: DesiredState, packet: Packet, inInterface: string): Outcome {
  const outInterface = routeOf(state, packet.destination);
  return walk({ state, packet, inInterface, outInterface }, ["raw/PREROUTING", "filter/FORWARD", "nat/POSTROUTING"]);
}

/** A packet that comes in on `inInterface` for the node itself. */
export function toHost(state: DesiredState, packet: Packet, inInterface: string): Outcome {
  return walk({ state, packet, inInterface, outInterface: undefined }, ["raw/PREROUTING", "filter/INPUT"]);
}

/** A packet that the node itself sends. */
export function fromHost(state: DesiredState, packet: Packet): Outcome {
  const outInterface = routeOf(state, packet.destination);
  return walk({ state, packet, inInterface: undefined, outInterface }, [
    "raw/OUTPUT",
    "filter/OUTPUT",
    "nat/POSTROUTING",
  ]);
}

/** The interface of everything that is not a local endpoint. */
export const uplink = "eth0";

// --- internal ---

interface Journey {
  readonly state: DesiredState;
  readonly packet: Packet;
  readonly inInterface: string | undefined;
  readonly outInterface: string | undefined;
}

type End = "accept" | "drop" | "masquerade" | "fallthrough";

function walk(journey: Journey, hooks: readonly `${TableName}/${string}`[]): Outcome {
  const marked = { mark: journey.packet.mark ?? 0 };
  let verdict: Outcome["verdict"] = "untouched";
  let masqueraded = false;
  for (const hook of hooks) {
    const [tableName = "", hookName = ""] = hook.split("/");
    const table = journey.state.tables.get(`${versionOf(journey.packet.source)}/${tableName as TableName}`);
    const found = table?.hooks.get(hookName);
    if (table === undefined || found === undefined) continue;
    const end = walkRules([...found.inserted, ...found.appended], journey, marked, table.chains);
    if (end === "drop") return { verdict: "drop", masqueraded };
    if (end === "accept" && tableName === "filter") verdict = "accept";
    if (end === "masquerade") masqueraded = true;
  }
  return { verdict, masqueraded };
}

function walkRules(
  rules: readonly Rule[],
  journey: Journey,
  marked: { mark: number },
  chains: ReadonlyMap<string, readonly Rule[]>,
): End {
  for (const { matches, action } of rules) {
    if (!matches.every((match) => holds(match, journey, marked.mark))) continue;
    switch (action.kind) {
      case "accept":
      case "drop":
      case "masquerade":
        return action.kind;
      case "return":
        return "fallthrough";
      case "set-mark":
        marked.mark = (marked.mark & ~action.mask) | action.value;
        break;
      case "jump":
      case "goto": {
        const end = walkRules(chainOf(chains, action), journey, marked, chains);
        if (end !== "fallthrough" || action.kind === "goto") return end;
      }
    }
  }
  return "fallthrough";
}

function chainOf(chains: ReadonlyMap<string, readonly Rule[]>, action: Action & { chain: string }): readonly Rule[] {
  const chain = chains.get(action.chain);
  if (chain === undefined) throw new Error(`Cannot follow a jump to ${action.chain}: there is no such chain`);
  return chain;
}

function holds(match: Match, journey: Journey, mark: number): boolean {
  const { packet, inInterface, outInterface } = journey;
  switch (match.kind) {
    case "protocol":
      return packet.protocol === match.protocol;
    case "net":
      return cidrContainsIp(match.net, addressOf(packet, match.side)) !== match.negated;
    case "set":
      return inSet(journey.state, match.set, addressOf(packet, match.side)) !== match.negated;
    case "ports": {
      const port = match.side === "source" ? packet.sourcePort : packet.destinationPort;
      return port !== undefined && match.ports.some(({ first, last }) => first <= port && port <= last);
    }
    case "in-interface":
      return interfaceMatches(match.name, inInterface) !== match.negated;
    case "out-interface":
      return interfaceMatches(match.name, outInterface) !== match.negated;
    case "connection":
      return match.states.includes(packet.state);
    case "mark":
      return ((mark & match.mask) === match.value) !== match.negated;
    case "reverse-path-failed":
      return routeOf(journey.state, packet.source) !== inInterface;
    case "icmpv6-type":
      return packet.protocol === 58 && packet.icmpv6Type === match.type;
  }
}

function addressOf(packet: Packet, side: "source" | "destination"): Ip {
  return packet[side];
}

function inSet(state: DesiredState, name: string, ip: Ip): boolean {
  const set = state.sets.get(name);
  if (set === undefined) throw new Error(`Cannot match against ${name}: there is no such set`);
  if (set.version !== versionOf(ip)) throw new Error(`Cannot match ${ip} against ${name}: it is of the other family`);
  if (set.members.has(ip)) return true;
  return [...set.members].some((member) => member.includes("/") && cidrContainsIp(member as Cidr, ip));
}

function interfaceMatches(pattern: string, name: string | undefined): boolean {
  if (name === undefined) return false;
  return pattern.endsWith("+") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function routeOf(state: DesiredState, ip: Ip): string {
  return state.routes.get(hostCidr(ip))?.hostInterface ?? uplink;
}
