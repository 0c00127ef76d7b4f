/** The chains and hooks that are the same whatever the plan says. */
import { parseCidr } from "../../net/cidr.ts";
import type { Action, Hook, Match, Rule, TableName } from "./desired-state.ts";
import { dispatchChain, setName } from "./names.ts";
import type { Family } from "./options.ts";
import { remember } from "./remember.ts";
import { markSet } from "./rule-matches.ts";

/** One table's fixed part. */
export interface FixedTable {
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  readonly hooks: ReadonlyMap<string, Hook>;
}

/** Raw, nat and filter as they stand before the first endpoint. */
export const fixedTables = remember(
  (family: Family): ReadonlyMap<TableName, FixedTable> =>
    new Map([
      ["raw", rawTable(family)],
      ["nat", natTable(family)],
      ["filter", filterTable(family)],
    ]),
);

// --- internal ---

function rawTable(family: Family): FixedTable {
  const spoofed: Rule = {
    matches: [fromWorkload(family), { kind: "reverse-path-failed" }],
    action: { kind: "drop" },
    comment: "Source is not an address of this workload",
  };
  return {
    chains: new Map([["cali-PREROUTING", family.version === 4 ? [toLoopback(family), spoofed] : [spoofed]]]),
    hooks: new Map([["PREROUTING", { inserted: [jump("cali-PREROUTING")], appended: [] }]]),
  };
}

/** Where route_localnet is set, as kube-proxy does, the kernel would take it for one of the node's own (CVE-2020-8558). */
function toLoopback(family: Family): Rule {
  return {
    matches: [
      fromWorkload(family),
      { kind: "net", side: "destination", net: parseCidr("127.0.0.0/8"), negated: false },
    ],
    action: { kind: "drop" },
    comment: "Workloads do not reach what listens on loopback addresses of their node",
  };
}

function natTable({ version }: Family): FixedTable {
  const masquerade: Rule = {
    matches: [
      { kind: "set", side: "source", set: setName(version, "masq-ipam-pools"), negated: false },
      { kind: "set", side: "destination", set: setName(version, "network-ip-pools"), negated: true },
    ],
    action: { kind: "masquerade" },
  };
  return {
    chains: new Map([
      ["cali-POSTROUTING", [jump("cali-nat-outgoing")]],
      ["cali-nat-outgoing", [masquerade]],
    ]),
    // Behind kube-proxy's, which clears its own mark there.
    hooks: new Map([["POSTROUTING", { inserted: [], appended: [jump("cali-POSTROUTING")] }]]),
  };
}

function filterTable(family: Family): FixedTable {
  const accepted: Rule = {
    matches: [markSet(family.options.marks.accept)],
    action: { kind: "accept" },
    comment: "Policy explicitly accepted packet",
  };
  return {
    chains: new Map([
      ["cali-FORWARD", forwardChain(family)],
      ["cali-INPUT", [{ matches: [fromWorkload(family)], action: { kind: "goto", chain: "cali-wl-to-host" } }]],
      ["cali-wl-to-host", workloadToHostChain(family)],
      ["cali-OUTPUT", outputChain(family)],
    ]),
    hooks: new Map([
      ["INPUT", { inserted: [jump("cali-INPUT")], appended: [] }],
      // The accept stands last, so that rules of others between still see the packet.
      ["FORWARD", { inserted: [jump("cali-FORWARD")], appended: [accepted] }],
      ["OUTPUT", { inserted: [jump("cali-OUTPUT")], appended: [] }],
    ]),
  };
}

function forwardChain(family: Family): readonly Rule[] {
  const { accept, pass, allBlocks, thisBlock } = family.options.marks;
  return [
    workloadBgp(family),
    { matches: [], action: { kind: "set-mark", value: 0, mask: accept | pass | allBlocks | thisBlock } },
    { matches: [fromWorkload(family)], action: { kind: "jump", chain: dispatchChain("egress") } },
    { matches: [toWorkload(family)], action: { kind: "jump", chain: dispatchChain("ingress") } },
    { ...knownConnection, matches: [fromWorkload(family), ...knownConnection.matches] },
  ];
}

/**
 * Masqueraded, a workload's packet comes from the node's own address, with which the neighbour has a session. Here a
 * Service's address has already been exchanged for the one behind it.
 */
function workloadBgp(family: Family): Rule {
  return {
    matches: [
      fromWorkload(family),
      { kind: "protocol", protocol: 6 },
      { kind: "ports", side: "destination", ports: [{ first: 179, last: 179 }] },
      { kind: "set", side: "destination", set: setName(family.version, "bgp-neighbours"), negated: false },
    ],
    action: { kind: "drop" },
    comment: "Workloads do not speak BGP as their node",
  };
}

/** The endpoint's chain has let it return, so that a second endpoint on this node is asked too. */
const knownConnection: Rule = {
  matches: [{ kind: "connection", states: ["RELATED", "ESTABLISHED"] }],
  action: { kind: "accept" },
  comment: "Known connection of an open endpoint",
};

/** Multicast listener messages, router solicitation and neighbour discovery: without them IPv6 does not work at all. */
const neededIcmpv6Types = [130, 131, 132, 133, 135, 136];

/** Router advertisement and redirect (RFC 4861): they would change the node's own routes. */
const forbiddenIcmpv6Types = [134, 137];

function workloadToHostChain(family: Family): readonly Rule[] {
  const [forbidden, needed] = family.version === 6 ? [forbiddenIcmpv6Types, neededIcmpv6Types] : [[], []];
  const { endpointToHostAction } = family.options;
  return [
    ...forbidden.map(
      (type): Rule => ({
        matches: [{ kind: "icmpv6-type", type }],
        action: { kind: "drop" },
        comment: "Workloads are no routers",
      }),
    ),
    ...needed.map((type): Rule => ({ matches: [{ kind: "icmpv6-type", type }], action: { kind: "accept" } })),
    jump(dispatchChain("egress")),
    knownConnection,
    { matches: [], action: { kind: endpointToHostAction }, comment: "Configured endpoint to host action" },
  ];
}

/** The kubelet must reach its pods whatever their policy, so a node's own packets to its workloads are not judged. */
function outputChain(family: Family): readonly Rule[] {
  return [{ matches: [toWorkload(family)], action: { kind: "return" } }];
}

function jump(chain: string): Rule {
  const action: Action = { kind: "jump", chain };
  return { matches: [], action };
}

function fromWorkload({ options }: Family): Match {
  return { kind: "in-interface", name: `${options.interfacePrefix}+`, negated: false };
}

function toWorkload({ options }: Family): Match {
  return { kind: "out-interface", name: `${options.interfacePrefix}+`, negated: false };
}
