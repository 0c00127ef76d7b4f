/** What a policy costs the kernel, worked out from the plan alone. */
import { cidrVersion } from "../../net/cidr.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { MatchPlan, PolicyPlan, PortRange, PortsMatch, RulePlan, SetId } from "./plan.ts";

export interface PolicyCost {
  /** At least as many rules as its chains have, of both directions and both families together. */
  readonly lines: number;
  /** The sets that its rules name. */
  readonly sets: ReadonlySet<SetId>;
}

/** The same object for the same policy: its rules are looked at once. */
export function costOf(policy: PolicyPlan): PolicyCost {
  let cost = known.get(policy);
  if (cost === undefined) {
    const rules = [...policy.ingress, ...policy.egress];
    cost = { lines: sum(rules.map(linesOf)), sets: new Set(rules.flatMap(setsOf)) };
    known.set(policy, cost);
  }
  return cost;
}

// --- internal ---

const known = new WeakMap<PolicyPlan, PolicyCost>();

/** One that matches, and one that returns with its verdict. */
const verdictLines = 2;
/** What takes the result of a block of alternatives of which one must hold, and what such a block begins with. */
const blockLines = 2;

function linesOf(rule: RulePlan): number {
  return sum(([4, 6] as const).map((version) => (mayMatch(rule, version) ? familyLines(rule, version) : 0)));
}

/** False only when no packet of the family can match. */
function mayMatch({ ipVersion, source, destination }: RulePlan, version: IpVersion): boolean {
  const hasOwn = ({ nets }: MatchPlan) => nets === undefined || nets.some((net) => cidrVersion(net) === version);
  return (ipVersion ?? version) === version && hasOwn(source) && hasOwn(destination);
}

function familyLines(rule: RulePlan, version: IpVersion): number {
  const { source, destination, notIcmp } = rule;
  // What asks for ICMP says a protocol by it.
  const protocols = rule.protocol === undefined && rule.icmp === undefined ? protocolsWithPorts : 1;
  const alternatives =
    sideLines(source, protocols, version) +
    sideLines(destination, protocols, version) +
    (notIcmp === undefined ? 0 : 1);
  // One more prepares for them.
  return verdictLines + (alternatives === 0 ? 0 : 1 + alternatives);
}

/** TCP, UDP, DCCP, SCTP and UDP-Lite: a rule that says none of them has its ports written for each. */
const protocolsWithPorts = 5;

function sideLines({ nets, notNets, ports, notPorts }: MatchPlan, protocols: number, version: IpVersion): number {
  const own = (all: MatchPlan["nets"]) => all?.filter((net) => cidrVersion(net) === version).length ?? 0;
  return (
    anyLines(own(nets)) +
    own(notNets) +
    (ports === undefined ? 0 : anyLines(portLines(ports, protocols))) +
    (notPorts === undefined ? 0 : portLines(notPorts, protocols))
  );
}

/** A single alternative stands in the rule itself. */
function anyLines(alternatives: number): number {
  return alternatives > 1 ? alternatives + blockLines : 0;
}

function portLines({ ranges, sets }: PortsMatch, protocols: number): number {
  return protocols * Math.ceil(slotsOf(ranges) / leastSlots) + sets.length;
}

/** One match has 15 slots, of which the last stays free when a range that needs two comes next. */
const leastSlots = 14;

function slotsOf(ranges: readonly PortRange[]): number {
  return sum(ranges.map(({ first, last }) => (first === last ? 1 : 2)));
}

function setsOf({ source, destination }: RulePlan): readonly SetId[] {
  return [source, destination].flatMap(({ sets = [], notSets = [], portSets = [], ports, notPorts }) => [
    ...[...sets, ...notSets, ...portSets],
    ...[...(ports?.sets ?? []), ...(notPorts?.sets ?? [])],
  ]);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
