/** Turns one policy rule into kernel matches. What iptables cannot say in one rule is worked out beforehand in mark bits. */
import { cidrVersion } from "../../net/cidr.ts";
import type { MatchPlan, PortRange, RulePlan } from "../calc/plan.ts";
import type { Match, Rule, Side } from "./desired-state.ts";
import { setName } from "./names.ts";
import type { Family, Marks } from "./options.ts";

/** A packet matches when `matches` all hold after `preparation` has run. */
export interface ExpandedRule {
  readonly preparation: readonly Rule[];
  readonly matches: readonly Match[];
}

/** The rule in kernel terms; undefined when no packet of this family can match it. */
export function expandRule(rule: RulePlan, family: Family): ExpandedRule | undefined {
  if (rule.ipVersion !== undefined && rule.ipVersion !== family.version) return undefined;
  const conditions: Condition[] = [];
  if (rule.protocol !== undefined) conditions.push(only(protocolMatch(rule.protocol)));
  for (const side of ["source", "destination"] as const) {
    const found = sideConditions(side, rule[side], rule.protocol, family);
    if (found === "never") return undefined;
    conditions.push(...found);
  }
  const direct: Match[] = [];
  const blocks: Block[] = [];
  for (const condition of conditions) {
    if ("match" in condition) direct.push(condition.match);
    else blocks.push(condition);
  }
  const { marks } = family.options;
  if (blocks.length === 0) return { preparation: [], matches: direct };
  return { preparation: prepareBlocks(blocks, marks), matches: [...direct, markSet(marks.allBlocks)] };
}

// --- internal ---

type Condition = { readonly match: Match } | Block;

/** `any`: one of the alternatives must hold; otherwise none of them may. */
interface Block {
  readonly alternatives: readonly (readonly Match[])[];
  readonly any: boolean;
}

function only(match: Match): Condition {
  return { match };
}

function protocolMatch(protocol: number): Match {
  return { kind: "protocol", protocol };
}

function sideConditions(
  side: Side,
  match: MatchPlan,
  protocol: number | undefined,
  family: Family,
): readonly Condition[] | "never" {
  const conditions: Condition[] = [];
  const nets = match.nets?.filter((net) => cidrVersion(net) === family.version);
  const notNets = (match.notNets ?? []).filter((net) => cidrVersion(net) === family.version);
  if (nets?.length === 0 || match.ports?.length === 0) return "never";
  const netMatch = (net: (typeof notNets)[number], negated: boolean): Match => ({ kind: "net", side, net, negated });
  const [net, ...moreNets] = nets ?? [];
  if (net !== undefined && moreNets.length === 0) conditions.push(only(netMatch(net, false)));
  if (nets !== undefined && moreNets.length > 0) {
    conditions.push({ any: true, alternatives: nets.map((one) => [netMatch(one, false)]) });
  }
  const [notNet] = notNets;
  // One rule takes one -s and one -d, negated or not.
  if (notNet !== undefined && notNets.length === 1 && nets === undefined) conditions.push(only(netMatch(notNet, true)));
  else if (notNet !== undefined) {
    conditions.push({ any: false, alternatives: notNets.map((one) => [netMatch(one, false)]) });
  }
  for (const set of match.sets ?? []) {
    conditions.push(only({ kind: "set", side, set: setName(family.version, set), negated: false }));
  }
  if (match.ports !== undefined) conditions.push(portsCondition(side, match.ports, protocol));
  return conditions;
}

const protocolsWithPorts = [6, 17, 132];

function portsCondition(side: Side, ports: readonly PortRange[], protocol: number | undefined): Condition {
  const chunks = chunksOfPorts(ports).map((chunk): Match => ({ kind: "ports", side, ports: chunk }));
  const [chunk, ...more] = chunks;
  if (chunk !== undefined && more.length === 0 && protocol !== undefined) return only(chunk);
  const protocols = protocol === undefined ? protocolsWithPorts : [protocol];
  return { any: true, alternatives: protocols.flatMap((each) => chunks.map((one) => [protocolMatch(each), one])) };
}

/** The multiport match holds 15 ports (XT_MULTI_PORTS), and a range counts as two. */
function chunksOfPorts(ports: readonly PortRange[]): readonly (readonly PortRange[])[] {
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

/** Leaves the `allBlocks` bit set when every block holds. */
function prepareBlocks(blocks: readonly Block[], { allBlocks, thisBlock }: Marks): readonly Rule[] {
  const startsTrue = blocks[0]?.any === false;
  const rules: Rule[] = [setMark([], startsTrue ? allBlocks : 0, allBlocks | thisBlock)];
  for (const [index, { any, alternatives }] of blocks.entries()) {
    if (!any) {
      for (const matches of alternatives) rules.push(setMark(matches, 0, allBlocks));
    } else if (index === 0) {
      for (const matches of alternatives) rules.push(setMark(matches, allBlocks, allBlocks));
    } else {
      rules.push(setMark([], 0, thisBlock));
      for (const matches of alternatives) rules.push(setMark(matches, thisBlock, thisBlock));
      rules.push(setMark([markClear(thisBlock)], 0, allBlocks));
    }
  }
  return rules;
}

function setMark(matches: readonly Match[], value: number, mask: number): Rule {
  return { matches, action: { kind: "set-mark", value, mask } };
}

/** Holds when the bit is set. */
export function markSet(bit: number): Match {
  return { kind: "mark", value: bit, mask: bit, negated: false };
}

/** Holds when the bit is not set. */
export function markClear(bit: number): Match {
  return { kind: "mark", value: 0, mask: bit, negated: false };
}
