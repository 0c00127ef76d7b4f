import { cidrContainsIp } from "../../../net/cidr.ts";
import { type Ip, versionOf } from "../../../net/ip.ts";
import { portProtocolNames } from "../../../net/protocol-numbers.ts";
import type { IcmpMatch, MatchPlan, NodePlan, PortMember, PortsMatch, RulePlan, SetId } from "../plan.ts";
import { isMember } from "./set-membership.ts";
import type { TrackedConnection } from "./tracked-connection.ts";

/** Whether the rule is about the connection's first packet, whatever it does with it. */
export function ruleHolds(rule: RulePlan, connection: TrackedConnection, sets: NodePlan["sets"]): boolean {
  const { protocol, source, destination, sourcePort, destinationPort } = connection;
  if (rule.ipVersion !== undefined && rule.ipVersion !== versionOf(source)) return false;
  if (rule.protocol !== undefined && rule.protocol !== protocol) return false;
  if (rule.notProtocol === protocol) return false;
  if (rule.icmp !== undefined && !isOfType(connection, rule.icmp)) return false;
  if (rule.notIcmp !== undefined && isOfType(connection, rule.notIcmp)) return false;
  return (
    sideHolds(rule.source, { ip: source, port: sourcePort, protocol }, sets) &&
    sideHolds(rule.destination, { ip: destination, port: destinationPort, protocol }, sets)
  );
}

// --- internal ---

/** One side of a connection. */
interface End {
  readonly ip: Ip;
  readonly port: number | undefined;
  readonly protocol: number;
}

/** TCP, UDP, DCCP, SCTP and UDP-Lite: what a rule says of ports is about these. */
const protocolsWithPorts = [6, 17, 33, 132, 136];

function isOfType({ protocol, source, icmp }: TrackedConnection, { type, code }: IcmpMatch): boolean {
  if (protocol !== (versionOf(source) === 4 ? 1 : 58)) return false;
  return icmp?.type === type && (code === undefined || icmp.code === code);
}

function sideHolds(match: MatchPlan, end: End, sets: NodePlan["sets"]): boolean {
  const { nets, notNets = [], sets: inSets = [], notSets = [], portSets = [], ports, notPorts } = match;
  const isIn = (id: SetId) => isMember(membersOf(sets, id), end.ip);
  if (nets !== undefined && !nets.some((net) => cidrContainsIp(net, end.ip))) return false;
  if (notNets.some((net) => cidrContainsIp(net, end.ip))) return false;
  if (!inSets.every(isIn) || notSets.some(isIn)) return false;
  if (!portSets.every((id) => isInPorts(sets, id, end))) return false;
  if (ports !== undefined && !portsHold(ports, end, sets)) return false;
  return notPorts === undefined || !portsHold(notPorts, end, sets);
}

function portsHold({ ranges, sets: ids }: PortsMatch, end: End, sets: NodePlan["sets"]): boolean {
  const { port, protocol } = end;
  const isInRange =
    port !== undefined &&
    protocolsWithPorts.includes(protocol) &&
    ranges.some(({ first, last }) => first <= port && port <= last);
  return isInRange || ids.some((id) => isInPorts(sets, id, end));
}

/** The kernel's sets know the ports of some protocols only. */
function isInPorts(sets: NodePlan["sets"], id: SetId, { ip, port, protocol }: End): boolean {
  if (port === undefined || !portProtocolNames.has(protocol)) return false;
  return membersOf(sets, id).has(`${ip},${protocol}:${port}` as PortMember);
}

/** Throws when a plan refers to a set that it has not: nothing could be said of any connection then. */
function membersOf(sets: NodePlan["sets"], id: SetId): ReadonlySet<string> {
  const set = sets.get(id);
  if (set === undefined) throw new Error(`Cannot judge a connection by set ${id}: the plan has no such set`);
  return set.members;
}
