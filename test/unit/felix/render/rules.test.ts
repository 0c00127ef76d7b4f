import fc from "fast-check";
import { expect, test } from "vitest";
import type { IcmpMatch, MatchPlan, PortMember, PortsMatch, RulePlan } from "../../../../src/felix/calc/plan.ts";
import type { Match, Rule, Table } from "../../../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { type Cidr, cidrContainsIp, cidrVersion } from "../../../../src/net/cidr.ts";
import { type Ip, versionOf } from "../../../../src/net/ip.ts";
import { forwarded, type Packet } from "../../../oracle/simulate-rules.ts";
import { addresses, members, type Plan, planOf, plans, portMembers, ports } from "./random-rules.ts";

test("rules, tiers and profile decide as the plan says, whatever a rule matches on", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(plans, (plan) => {
      expect(firstDifference(plan)).toBeUndefined();
    }),
    { numRuns: 250 },
  );
});

const { marks } = defaultRenderOptions;
const verdict = marks.accept | marks.pass;

test.for<[string, (rule: Rule) => readonly Rule[]]>([
  ["a block keeps what the block before it found", withoutSetMark(marks.thisBlock, 0)],
  ["a rule begins with what the rule before it found", withoutSetMark(marks.allBlocks | marks.thisBlock, 0)],
  ["a failed block does not count", withoutSetMark(marks.allBlocks, 0)],
  ["a policy is asked after another has passed", withoutMarkOf(marks.pass, "jump")],
  ["the end of a tier drops what was passed", withoutMarkOf(marks.pass, "drop")],
  ["a group goes on after a verdict", (one) => (one.comment === "Return on verdict" ? [] : [one])],
  ["a group asks after a verdict", withoutMarkOf(verdict)],
  ["a staged policy decides", (one) => (isStaged(one) ? [{ ...one, action: { kind: "drop" } }] : [one])],
  ["a tier begins with the pass of the one before it", withoutSetMark(marks.pass, 0)],
])("the planted fault is seen: %s", { timeout: 60_000 }, ([, spoil]) => {
  let found: object | undefined;
  const property = fc.property(plans, (plan) => {
    found = firstDifference(plan, spoil);
    return found === undefined;
  });
  fc.check(property, { numRuns: 250, seed: 1, endOnFailure: true });
  expect(found).toBeDefined();
});

test("every rule is one that iptables can hold", () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const { tables } = render(planOf(plan), defaultRenderOptions);
      for (const { chains } of tables.values()) for (const line of [...chains.values()].flat()) expectPrintable(line);
    }),
  );
});

// --- internal ---

/** The first packet, of every combination, that the rules and the plan judge differently. */
function firstDifference(plan: Plan, spoil: (rule: Rule) => readonly Rule[] = (one) => [one]): Packet | undefined {
  const state = render(planOf(plan), defaultRenderOptions);
  const tables = new Map([...state.tables].map(([key, table]) => [key, { ...table, chains: spoilt(table, spoil) }]));
  return packets.find((packet) => {
    const verdict = forwarded({ ...state, tables }, packet, "eth0").verdict;
    return verdict !== (verdictOf(plan, packet) === "allow" ? "accept" : "drop");
  });
}

const packets: readonly Packet[] = addresses
  .flatMap((source) => addresses.map((destination) => ({ source, destination, state: "NEW" as const, mark: 0x1b0000 })))
  .filter(({ source, destination }) => versionOf(source) === versionOf(destination))
  .flatMap((pair): Packet[] => [
    ...[6, 17, 33, 132, 136].flatMap((protocol) =>
      [2, 31].flatMap((sourcePort) =>
        ports.map((destinationPort) => ({ ...pair, protocol, sourcePort, destinationPort })),
      ),
    ),
    { ...pair, protocol: 47 },
    ...[8, 0].flatMap((icmpType) =>
      [0, 1].map((icmpCode) => ({ ...pair, protocol: versionOf(pair.source) === 4 ? 1 : 58, icmpType, icmpCode })),
    ),
  ]);

function spoilt(table: Table, spoil: (rule: Rule) => readonly Rule[]): Table["chains"] {
  return new Map([...table.chains].map(([name, rules]) => [name, rules.flatMap(spoil)]));
}

/** Leaves out the rules that set the bits of `mask` to `value`. */
function withoutSetMark(mask: number, value: number): (rule: Rule) => readonly Rule[] {
  return (one) => {
    const { action } = one;
    return action.kind === "set-mark" && action.mask === mask && action.value === value ? [] : [one];
  };
}

/** Takes the match of these bits from rules with this action. */
function withoutMarkOf(mask: number, kind: Rule["action"]["kind"] = "jump"): (rule: Rule) => readonly Rule[] {
  return (one) => {
    if (one.action.kind !== kind) return [one];
    return [{ ...one, matches: one.matches.filter((match) => match.kind !== "mark" || match.mask !== mask) }];
  };
}

function isStaged({ action, comment }: Rule): boolean {
  return action.kind === "return" && comment?.includes(" rule ") === true;
}

function verdictOf({ tiers, profile }: Plan, one: Packet): "allow" | "deny" {
  for (const { policies, endAction } of tiers) {
    const rules = policies.flatMap(({ staged, rules }) => (staged ? [] : rules));
    const decisive = rules.find((rule) => rule.action !== "log" && rule.http === undefined && matches(rule, one));
    if (decisive?.action === "allow" || decisive?.action === "deny") return decisive.action;
    if (decisive === undefined && endAction === "deny") return "deny";
  }
  return profile;
}

function matches(rule: RulePlan, one: Packet): boolean {
  const { ipVersion, protocol, notProtocol, icmp: ofType, notIcmp, source, destination } = rule;
  return (
    (ipVersion ?? versionOf(one.source)) === versionOf(one.source) &&
    (protocol ?? one.protocol) === one.protocol &&
    notProtocol !== one.protocol &&
    (ofType === undefined || isOfType(ofType, one)) &&
    !(notIcmp !== undefined && isOfType(notIcmp, one)) &&
    sideMatches(source, one, { ip: one.source, port: one.sourcePort }) &&
    sideMatches(destination, one, { ip: one.destination, port: one.destinationPort })
  );
}

function isOfType({ type, code }: IcmpMatch, { icmpType, icmpCode }: Packet): boolean {
  return icmpType === type && (code ?? icmpCode) === icmpCode;
}

interface End {
  readonly ip: Ip;
  readonly port: number | undefined;
}

function sideMatches(match: MatchPlan, { protocol }: Packet, { ip, port }: End): boolean {
  const { nets, notNets, sets, notSets, portSets, ports: oneOf, notPorts } = match;
  const isIn = (net: Cidr) => cidrVersion(net) === versionOf(ip) && cidrContainsIp(net, ip);
  // No set can hold a port of DCCP.
  const isMember = protocol !== 33 && portMembers.has(`${ip},${protocol}:${port}` as PortMember);
  const hasPort = ({ ranges, sets: named }: PortsMatch) =>
    ranges.some(({ first, last }) => port !== undefined && first <= port && port <= last) ||
    (named.length > 0 && isMember);
  return (
    (nets?.some(isIn) ?? true) &&
    !(notNets?.some(isIn) ?? false) &&
    (sets === undefined || members.has(ip)) &&
    !(notSets !== undefined && members.has(ip)) &&
    (portSets === undefined || isMember) &&
    (oneOf === undefined || hasPort(oneOf)) &&
    !(notPorts !== undefined && hasPort(notPorts))
  );
}

/** One address option a side, few matches of ports, at most 15 ports in each, and ports only beside a protocol that has them. */
function expectPrintable({ matches: all }: Rule): void {
  const ofKind = <K extends Match["kind"]>(kind: K) =>
    all.filter((one): one is Match & { kind: K } => one.kind === kind);
  for (const side of ["source", "destination"]) {
    expect(ofKind("net").filter((one) => one.side === side).length).toBeLessThanOrEqual(1);
    // One for those that it wants, and four for those that it does not.
    expect(ofKind("ports").filter((one) => one.side === side).length).toBeLessThanOrEqual(5);
  }
  expect(ofKind("protocol").length).toBeLessThanOrEqual(1);
  for (const { kind } of [...ofKind("ports"), ...ofKind("icmp")]) {
    expect(ofKind("protocol"), kind).toMatchObject([{ negated: false }]);
  }
  for (const { ports: ranges } of ofKind("ports")) {
    const slots = ranges.reduce((sum, { first, last }) => sum + (first === last ? 1 : 2), 0);
    expect(slots).toBeLessThanOrEqual(15);
  }
}
