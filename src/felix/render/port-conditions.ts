import type { MatchPlan, PortRange, PortsMatch, SetId } from "../calc/plan.ts";
import type { Match, Side } from "./desired-state.ts";
import type { Condition } from "./match-blocks.ts";
import { setName } from "./names.ts";
import type { Family } from "./options.ts";

/** Which protocols a rule lets through before its ports are looked at: `only` that one, or any but `not`. */
export interface ProtocolLimit {
  readonly only: number | undefined;
  readonly not: number | undefined;
}

/** What a rule says of one side's ports. A packet of a protocol without ports has none, and is in no set of ports. */
export function portConditions(
  side: Side,
  { portSets = [], ports, notPorts }: MatchPlan,
  limit: ProtocolLimit,
  family: Family,
): readonly Condition[] {
  const inSet = portSetMatcher(side, family);
  return [
    ...portSets.map((set): Condition => ({ matches: [inSet(set, false)] })),
    ...(ports === undefined ? [] : [oneOf(ports, rangeMatches(side, ports.ranges, limit), inSet)]),
    ...(notPorts === undefined ? [] : noneOf(notPorts, rangeMatches(side, notPorts.ranges, limit), inSet)),
  ];
}

// --- internal ---

type PortSetMatcher = (set: SetId, negated: boolean) => Match;

function portSetMatcher(side: Side, { version }: Family): PortSetMatcher {
  return (set, negated) => ({ kind: "port-set", side, set: setName(version, set), negated });
}

/** For each protocol that the rule lets through, and has ports, matches of at most 15 ports. */
interface RangeMatches {
  readonly protocols: readonly number[];
  readonly chunks: readonly Extract<Match, { kind: "ports" }>[];
  /** The rule itself says which protocol. */
  readonly isSaid: boolean;
}

/**
 * So many sets, or matches of ports, stand in one rule at each end. iptables-restore(8) refuses a line of more than 255 words,
 * and with it every change of the tables.
 */
const fewMatches = 4;

/** TCP, UDP, DCCP, SCTP and UDP-Lite, which the multiport match knows. */
const protocolsWithPorts = [6, 17, 33, 132, 136];

function rangeMatches(side: Side, ranges: readonly PortRange[], { only, not }: ProtocolLimit): RangeMatches {
  const protocols = protocolsWithPorts.filter((one) => (only === undefined ? one !== not : one === only));
  const chunks = chunksOfPorts(ranges).map((ports) => ({ kind: "ports", side, ports, negated: false }) as const);
  return { protocols, chunks, isSaid: only !== undefined };
}

function oneOf({ sets }: PortsMatch, { protocols, chunks, isSaid }: RangeMatches, inSet: PortSetMatcher): Condition {
  const inRanges = protocols.flatMap((protocol) => chunks.map((chunk) => [ofProtocol(protocol), chunk]));
  const alternatives = [...inRanges, ...sets.map((set) => [inSet(set, false)])];
  const [first] = alternatives;
  if (first === undefined) return "never";
  if (alternatives.length > 1) return { any: true, alternatives };
  // A rule can say a protocol once.
  return { matches: isSaid ? first.filter(({ kind }) => kind !== "protocol") : first };
}

function noneOf(
  { sets }: PortsMatch,
  { protocols, chunks, isSaid }: RangeMatches,
  inSet: PortSetMatcher,
): readonly Condition[] {
  const notInSets: Condition =
    sets.length <= fewMatches
      ? { matches: sets.map((set) => inSet(set, true)) }
      : { any: false, alternatives: sets.map((set) => [inSet(set, false)]) };
  if (protocols.length === 0 || chunks.length === 0) return [notInSets];
  if (isSaid && chunks.length <= fewMatches)
    return [notInSets, { matches: chunks.map((chunk) => ({ ...chunk, negated: true })) }];
  // A packet without ports is not in them, but the match of ports would not let it through.
  const alternatives = protocols.flatMap((protocol) => chunks.map((chunk) => [ofProtocol(protocol), chunk]));
  return [notInSets, { any: false, alternatives }];
}

function ofProtocol(protocol: number): Match {
  return { kind: "protocol", protocol, negated: false };
}

/** The multiport match holds 15 ports (XT_MULTI_PORTS), and a range counts as two. */
export function chunksOfPorts(ports: readonly PortRange[]): readonly (readonly PortRange[])[] {
  const chunks: PortRange[][] = [];
  let free = 0;
  for (const range of ports) {
    const slots = range.first === range.last ? 1 : 2;
    if (slots > free) {
      chunks.push([]);
      free = 15;
    }
    chunks.at(-1)?.push(range);
    free -= slots;
  }
  return chunks;
}
