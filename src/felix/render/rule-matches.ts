import { type Cidr, cidrVersion, prefixLength } from "../../net/cidr.ts";
import type { IcmpMatch, MatchPlan, RulePlan } from "../calc/plan.ts";
import type { Match, Rule, Side } from "./desired-state.ts";
import { markSet } from "./marks.ts";
import { type Condition, prepareBlocks } from "./match-blocks.ts";
import { setName } from "./names.ts";
import type { Family } from "./options.ts";
import { type ProtocolLimit, portConditions } from "./port-conditions.ts";

/** A packet matches when `matches` all hold after `preparation` has run. */
export interface ExpandedRule {
  readonly preparation: readonly Rule[];
  readonly matches: readonly Match[];
}

/** The rule in kernel terms; undefined when no packet of this family can match it. */
export function expandRule(rule: RulePlan, family: Family): ExpandedRule | undefined {
  if (rule.ipVersion !== undefined && rule.ipVersion !== family.version) return undefined;
  const conditions = conditionsOf(rule, family);
  const matches: Match[] = [];
  const blocks: Exclude<Condition, { readonly matches: readonly Match[] } | "never">[] = [];
  for (const condition of conditions) {
    if (condition === "never") return undefined;
    if ("matches" in condition) matches.push(...condition.matches);
    else blocks.push(condition);
  }
  if (blocks.length === 0) return { preparation: [], matches };
  const { marks } = family.options;
  return { preparation: prepareBlocks(blocks, marks), matches: [...matches, markSet(marks.allBlocks)] };
}

// --- internal ---

function conditionsOf(rule: RulePlan, family: Family): readonly Condition[] {
  const { notProtocol, icmp, notIcmp } = rule;
  const ownIcmp = icmpProtocol[family.version];
  const protocol = rule.protocol ?? (icmp === undefined ? undefined : ownIcmp);
  const limit: ProtocolLimit = { only: protocol, not: notProtocol };
  return [
    protocolCondition(limit),
    ...(icmp === undefined ? [] : [protocol === ownIcmp ? { matches: [icmpMatch(icmp, false)] } : ("never" as const)]),
    ...(notIcmp === undefined ? [] : [notIcmpCondition(notIcmp, limit, ownIcmp)]),
    ...sideConditions("source", rule.source, limit, family),
    ...sideConditions("destination", rule.destination, limit, family),
  ];
}

/** ICMP and ICMPv6. */
const icmpProtocol = { 4: 1, 6: 58 } as const;

/** One rule says one protocol, negated or not. */
function protocolCondition({ only, not }: ProtocolLimit): Condition {
  if (only !== undefined) {
    return only === not ? "never" : { matches: [{ kind: "protocol", protocol: only, negated: false }] };
  }
  return { matches: not === undefined ? [] : [{ kind: "protocol", protocol: not, negated: true }] };
}

function icmpMatch({ type, code }: IcmpMatch, negated: boolean): Match {
  return { kind: "icmp", type, ...(code === undefined ? {} : { code }), negated };
}

/** Packets of other protocols are of no type, so they are let through; the match itself stands behind one of the protocol. */
function notIcmpCondition(icmp: IcmpMatch, { only, not }: ProtocolLimit, ownIcmp: number): Condition {
  if (only === ownIcmp) return { matches: [icmpMatch(icmp, true)] };
  if (only !== undefined || not === ownIcmp) return { matches: [] };
  const isThat: Match[] = [{ kind: "protocol", protocol: ownIcmp, negated: false }, icmpMatch(icmp, false)];
  return { any: false, alternatives: [isThat] };
}

function sideConditions(side: Side, match: MatchPlan, limit: ProtocolLimit, family: Family): readonly Condition[] {
  const inSets = (match.sets ?? []).map((set) => setMatch(side, setName(family.version, set), false));
  const inNoSets = (match.notSets ?? []).map((set) => setMatch(side, setName(family.version, set), true));
  return [
    ...netConditions(side, match, family),
    { matches: [...inSets, ...inNoSets] },
    ...portConditions(side, match, limit, family),
  ];
}

function setMatch(side: Side, set: string, negated: boolean): Match {
  return { kind: "set", side, set, negated };
}

function netConditions(side: Side, match: MatchPlan, family: Family): readonly Condition[] {
  const own = (net: Cidr) => cidrVersion(net) === family.version;
  const notNets = match.notNets?.filter(own) ?? [];
  const someNets = match.nets?.filter(own);
  if (someNets?.length === 0 || notNets.some(isEverything)) return ["never"];
  const nets = someNets === undefined || someNets.some(isEverything) ? [] : someNets;
  const netMatch = (net: Cidr, negated: boolean): Match => ({ kind: "net", side, net, negated });
  const oneEach = (all: readonly Cidr[]) => all.map((net) => [netMatch(net, false)]);
  // One rule takes one -s and one -d, negated or not.
  const isNegatedDirect = notNets.length === 1 && nets.length !== 1;
  return [
    nets.length > 1 ? { any: true, alternatives: oneEach(nets) } : { matches: oneEach(nets).flat() },
    ...(isNegatedDirect ? [{ matches: notNets.map((net) => netMatch(net, true)) }] : []),
    ...(isNegatedDirect || notNets.length === 0 ? [] : [{ any: false, alternatives: oneEach(notNets) }]),
  ];
}

/** The iptables programs differ in what such a network means when it is negated, and say nothing of it when it is not. */
function isEverything(net: Cidr): boolean {
  return prefixLength(net) === 0;
}
