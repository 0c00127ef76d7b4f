import type { Rule } from "./desired-state.ts";
import type { FixedTable, HostStageKeys } from "./fixed-chains.ts";
import { allMarks, markClear, setMark } from "./marks.ts";
import { dispatchChain, hostDispatchChain, setName } from "./names.ts";
import type { Family } from "./options.ts";
import {
  accepted,
  allowing,
  fromWorkload,
  hookFor,
  jump,
  knownConnection,
  notFromWorkload,
  notToWorkload,
  toWorkload,
} from "./rules.ts";
import { serviceLoopChain, serviceLoopRules } from "./service-loop.ts";

/** The fixed part of filter. */
export function filterTable(family: Family, stages: HostStageKeys): FixedTable {
  const { marks, allowAction } = family.options;
  const hasHosts = stages.has("filter/fhfw") || stages.has("filter/thfw");
  const blocked = serviceLoopRules(family);
  // The accept stands last, so that rules of others between still see the packet. What the host's policy decides then is told by
  // the mark that this packet is not one that the node sends itself.
  const last = [accepted(marks, allowAction.filter), ...(hasHosts ? [setMark([], marks.accept, marks.accept)] : [])];
  return {
    chains: new Map([
      ["cali-FORWARD", forwardChain(family, stages)],
      ["cali-INPUT", inputChain(family, stages)],
      ["cali-wl-to-host", workloadToHostChain(family)],
      ["cali-OUTPUT", outputChain(family, stages)],
      ...(blocked.length === 0 ? [] : [[serviceLoopChain, blocked] as const]),
    ]),
    hooks: new Map([
      ["INPUT", hookFor(jump("cali-INPUT"), family)],
      ["FORWARD", hookFor(jump("cali-FORWARD"), family, last)],
      ["OUTPUT", hookFor(jump("cali-OUTPUT"), family)],
    ]),
  };
}

// --- internal ---

/** Whether host endpoints may have allowed a packet that comes in before filter sees it; raw has then cleared our marks. */
function isJudgedBefore(stages: HostStageKeys): boolean {
  return stages.has("raw/fh") || stages.has("mangle/fh");
}

function forwardChain(family: Family, stages: HostStageKeys): readonly Rule[] {
  const { marks } = family.options;
  const [isBefore, hasFrom] = [isJudgedBefore(stages), stages.has("filter/fhfw")];
  const undecided = isBefore ? [markClear(marks.accept)] : [];
  const ofWorkload = {
    matches: [fromWorkload(family), ...knownConnection.matches],
    comment: "Known connection of an open endpoint",
  };
  const ofHost = {
    matches: [...accepted(marks).matches, ...knownConnection.matches],
    comment: "Known connection of a host endpoint",
  };
  return [
    ...workloadBgp(family),
    setMark([], 0, isBefore ? allMarks(marks) - marks.accept : allMarks(marks)),
    ...(hasFrom ? [jump(hostDispatchChain.fhfw, notFromWorkload(family), ...undecided)] : []),
    jump(dispatchChain("egress"), fromWorkload(family)),
    jump(dispatchChain("ingress"), toWorkload(family)),
    ...(stages.has("filter/thfw") ? [jump(hostDispatchChain.thfw, notToWorkload(family))] : []),
    ...(serviceLoopRules(family).length > 0 ? [jump(serviceLoopChain, notToWorkload(family))] : []),
    // The endpoint's chain has let it return, so that a second endpoint on this node is asked too.
    ...allowing(ofWorkload, family),
    ...(hasFrom ? allowing(ofHost, family) : []),
  ];
}

/**
 * Masqueraded, a workload's packet comes from the node's own address, with which the neighbour has a session. Here a
 * Service's address has already been exchanged for the one behind it.
 */
function workloadBgp(family: Family): readonly Rule[] {
  const { bgpPorts } = family.options;
  const groups = Array.from({ length: Math.ceil(bgpPorts.length / mostPorts) }, (_, index) =>
    bgpPorts.slice(index * mostPorts, (index + 1) * mostPorts),
  );
  return groups.map((ports) => ({
    matches: [
      fromWorkload(family),
      { kind: "protocol", protocol: 6, negated: false },
      { kind: "ports", side: "destination", ports: ports.map((port) => ({ first: port, last: port })), negated: false },
      { kind: "set", side: "destination", set: setName(family.version, "bgp-neighbours"), negated: false },
    ],
    action: { kind: "drop" },
    comment: "Workloads do not speak BGP as their node",
  }));
}

/** In one rule of iptables (multiport). */
const mostPorts = 15;

function inputChain(family: Family, stages: HostStageKeys): readonly Rule[] {
  const { marks, allowAction } = family.options;
  return [
    { matches: [fromWorkload(family)], action: { kind: "goto", chain: "cali-wl-to-host" } },
    ...(isJudgedBefore(stages) ? [accepted(marks, allowAction.filter)] : []),
    ...(stages.has("filter/fh") ? hostRules(hostDispatchChain.fh, family) : []),
  ];
}

/** Policy of the host, and what becomes of the packets that it allows. */
function hostRules(dispatch: string, { options: { marks, allowAction } }: Family): readonly Rule[] {
  return [setMark([], 0, allMarks(marks)), jump(dispatch), accepted(marks, allowAction.filter)];
}

/** Multicast listener messages, router solicitation and neighbour discovery: without them IPv6 does not work at all. */
const neededIcmpv6Types = [130, 131, 132, 133, 135, 136];

/** Router advertisement and redirect (RFC 4861): they would change the node's own routes. */
const forbiddenIcmpv6Types = [134, 137];

function workloadToHostChain(family: Family): readonly Rule[] {
  const [forbidden, needed] = family.version === 6 ? [forbiddenIcmpv6Types, neededIcmpv6Types] : [[], []];
  const { endpointToHostAction, allowAction } = family.options;
  const allow = { kind: allowAction.filter };
  return [
    ...forbidden.map((type): Rule => ({ ...ofIcmpv6(type, "drop"), comment: "Workloads are no routers" })),
    ...needed.map((type) => ofIcmpv6(type, allow.kind)),
    jump(dispatchChain("egress")),
    { ...knownConnection, action: allow, comment: "Known connection of an open endpoint" },
    { matches: [], action: { kind: endpointToHostAction }, comment: "Configured endpoint to host action" },
  ];
}

function ofIcmpv6(type: number, kind: "accept" | "return" | "drop"): Rule {
  const matches = [
    { kind: "protocol", protocol: 58, negated: false },
    { kind: "icmp", type, negated: false },
  ] as const;
  return { matches, action: { kind } };
}

/**
 * The kubelet must reach its pods whatever their policy, so a node's own packets to its workloads are not judged. Those to a
 * Service are judged in mangle, when their interface is known.
 */
function outputChain(family: Family, stages: HostStageKeys): readonly Rule[] {
  const { marks, allowAction } = family.options;
  const toPods: Rule = { matches: [toWorkload(family)], action: { kind: "return" } };
  if (!stages.has("filter/th")) return [toPods];
  const toService: Rule = { matches: [{ kind: "connection", states: ["DNAT"] }], action: { kind: "return" } };
  const [clear, ...judge] = hostRules(hostDispatchChain.th, family);
  return [
    ...(stages.has("raw/th") ? [accepted(marks, allowAction.filter)] : []),
    ...(clear === undefined ? [] : [clear]),
    toPods,
    toService,
    ...judge,
  ];
}
