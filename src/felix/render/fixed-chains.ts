/** The chains and hooks that are the same whatever the plan says, but for which stages it has for host endpoints. */
import { parseCidr } from "../../net/cidr.ts";
import type { Hook, Rule, TableName } from "./desired-state.ts";
import { filterTable } from "./filter-chains.ts";
import { allMarks, markSet, setMark } from "./marks.ts";
import { hostDispatchChain, setName } from "./names.ts";
import type { Family } from "./options.ts";
import { remember } from "./remember.ts";
import { accepted, fromWorkload, jump, knownConnection, notFromWorkload, notToWorkload } from "./rules.ts";
import type { HostStageKey } from "./stages.ts";

/** One table's fixed part. */
export interface FixedTable {
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  readonly hooks: ReadonlyMap<string, Hook>;
}

/** Where host endpoints judge packets; on a node that has none, nowhere. */
export type HostStageKeys = ReadonlySet<HostStageKey>;

/**
 * The tables as they stand before the first endpoint. What only host endpoints need is there for the stages that they have, and
 * mangle only with them. The same objects for the same stages.
 */
export function fixedTables(family: Family, stages: HostStageKeys): ReadonlyMap<TableName, FixedTable> {
  const known = tablesOf(family);
  const key = [...stages].toSorted().join(" ");
  const tables = known.get(key) ?? newTables(family, stages);
  known.set(key, tables);
  return tables;
}

// --- internal ---

const tablesOf = remember((_family: Family) => new Map<string, ReadonlyMap<TableName, FixedTable>>());

function newTables(family: Family, stages: HostStageKeys): ReadonlyMap<TableName, FixedTable> {
  const mangle = mangleTable(family, stages);
  return new Map([
    ["raw", rawTable(family, stages)],
    ...(mangle.chains.size === 0 ? [] : [["mangle", mangle] as const]),
    ["nat", natTable(family)],
    ["filter", filterTable(family, stages)],
  ]);
}

function rawTable(family: Family, stages: HostStageKeys): FixedTable {
  const { marks } = family.options;
  const isMarked = stages.has("raw/fh") || stages.has("mangle/fh");
  const spoofed: Rule = {
    matches: [fromWorkload(family), { kind: "reverse-path-failed" }],
    action: { kind: "drop" },
    comment: "Source is not an address of this workload",
  };
  const prerouting: readonly Rule[] = [
    // What comes later trusts the accept bit.
    ...(isMarked ? [setMark([], 0, allMarks(marks))] : []),
    ...(family.version === 4 ? [toLoopback(family)] : []),
    spoofed,
    ...(stages.has("raw/fh") ? [jump(hostDispatchChain.fh, notFromWorkload(family)), accepted(marks)] : []),
  ];
  const output = [setMark([], 0, allMarks(marks)), jump(hostDispatchChain.th, notToWorkload(family)), accepted(marks)];
  return hooked([["PREROUTING", prerouting], ...(stages.has("raw/th") ? [["OUTPUT", output] as const] : [])]);
}

/**
 * Others use this table to change packets, so what is allowed returns to them. A packet that has passed through the node bears
 * the accept bit when it comes to POSTROUTING, as set at the end of FORWARD; all else is the node's own.
 */
function mangleTable(family: Family, stages: HostStageKeys): FixedTable {
  const { marks } = family.options;
  const passed: Rule = { matches: [markSet(marks.accept)], action: { kind: "return" } };
  const prerouting: readonly Rule[] = [
    { ...knownConnection, action: { kind: "return" } },
    ...(stages.has("raw/fh") ? [passed] : []),
    jump(hostDispatchChain.fh, notFromWorkload(family)),
  ];
  const postrouting: readonly Rule[] = [
    passed,
    setMark([], 0, allMarks(marks)),
    jump(hostDispatchChain.th, { kind: "connection", states: ["DNAT"] }, notToWorkload(family)),
  ];
  return hooked([
    ...(stages.has("mangle/fh") ? [["PREROUTING", prerouting] as const] : []),
    ...(stages.has("mangle/th") ? [["POSTROUTING", postrouting] as const] : []),
  ]);
}

function hooked(hooks: readonly (readonly [string, readonly Rule[]])[]): FixedTable {
  return {
    chains: new Map(hooks.map(([name, rules]) => [`cali-${name}`, rules])),
    hooks: new Map(hooks.map(([name]) => [name, { inserted: [jump(`cali-${name}`)], appended: [] }])),
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
