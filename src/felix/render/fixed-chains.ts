/** The chains and hooks that are the same whatever the plan says, but for which stages it has for host endpoints, and code points. */
import { parseCidr } from "../../net/cidr.ts";
import type { Hook, Rule, TableName } from "./desired-state.ts";
import { toDscpChain } from "./dscp-chain.ts";
import { filterTable } from "./filter-chains.ts";
import { foreignSourcesChain, spoofedComment } from "./foreign-sources.ts";
import { allMarks, markSet, setMark } from "./marks.ts";
import { hostDispatchChain } from "./names.ts";
import { natTable } from "./nat-chains.ts";
import type { Family } from "./options.ts";
import { remember } from "./remember.ts";
import { accepted, fromWorkload, hookFor, jump, knownConnection, notFromWorkload, notToWorkload } from "./rules.ts";
import type { HostStageKey } from "./stages.ts";

/** One table's fixed part. */
export interface FixedTable {
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  readonly hooks: ReadonlyMap<string, Hook>;
}

/** Where host endpoints judge packets; on a node that has none, nowhere. */
export type HostStageKeys = ReadonlySet<HostStageKey>;

/** What of the plan decides which chains and hooks there are. */
export interface FixedNeeds {
  readonly stages: HostStageKeys;
  /** Whether some endpoint has a code point for what it sends. */
  readonly hasDscp: boolean;
  /** Whether some endpoint may send from addresses that are not its own. */
  readonly hasForeignSources: boolean;
}

/**
 * The tables as they stand before the first endpoint. What only host endpoints need is there for the stages that they have, and
 * mangle only with them or with code points. The same objects for the same needs.
 */
export function fixedTables(family: Family, needs: FixedNeeds): ReadonlyMap<TableName, FixedTable> {
  const known = tablesOf(family);
  const key = `${needs.hasDscp} ${needs.hasForeignSources} ${[...needs.stages].toSorted().join(" ")}`;
  const tables = known.get(key) ?? newTables(family, needs);
  known.set(key, tables);
  return tables;
}

// --- internal ---

const tablesOf = remember((_family: Family) => new Map<string, ReadonlyMap<TableName, FixedTable>>());

function newTables(family: Family, needs: FixedNeeds): ReadonlyMap<TableName, FixedTable> {
  const { stages } = needs;
  const mangle = mangleTable(family, needs);
  return new Map([
    ["raw", rawTable(family, needs)],
    ...(mangle.chains.size === 0 ? [] : [["mangle", mangle] as const]),
    ["nat", natTable(family)],
    ["filter", filterTable(family, stages)],
  ]);
}

function rawTable(family: Family, { stages, hasForeignSources }: FixedNeeds): FixedTable {
  const { marks } = family.options;
  const isMarked = stages.has("raw/fh") || stages.has("mangle/fh");
  const spoofed: Rule = {
    matches: [fromWorkload(family), { kind: "reverse-path-failed" }],
    action: hasForeignSources ? { kind: "jump", chain: foreignSourcesChain } : { kind: "drop" },
    comment: spoofedComment,
  };
  const prerouting: readonly Rule[] = [
    // What comes later trusts the accept bit.
    ...(isMarked ? [setMark([], 0, allMarks(marks))] : []),
    ...(family.version === 4 ? [toLoopback(family)] : []),
    spoofed,
    ...(stages.has("raw/fh") ? [jump(hostDispatchChain.fh, notFromWorkload(family)), accepted(marks)] : []),
  ];
  const output = [setMark([], 0, allMarks(marks)), jump(hostDispatchChain.th, notToWorkload(family)), accepted(marks)];
  return hooked([["PREROUTING", prerouting], ...(stages.has("raw/th") ? [["OUTPUT", output] as const] : [])], family);
}

/**
 * A packet that has passed through the node bears the accept bit when it comes to POSTROUTING, as set at the end of FORWARD; all
 * else is the node's own. There what is allowed returns whatever is configured: others change packets there.
 */
function mangleTable(family: Family, { stages, hasDscp }: FixedNeeds): FixedTable {
  const { marks, allowAction } = family.options;
  const prerouting: readonly Rule[] = [
    { ...knownConnection, action: { kind: allowAction.mangle } },
    ...(stages.has("raw/fh") ? [accepted(marks, allowAction.mangle)] : []),
    jump(hostDispatchChain.fh, notFromWorkload(family)),
    accepted(marks, allowAction.mangle),
  ];
  const ofHosts: readonly Rule[] = [
    { matches: [markSet(marks.accept)], action: { kind: "return" } },
    setMark([], 0, allMarks(marks)),
    jump(hostDispatchChain.th, { kind: "connection", states: ["DNAT"] }, notToWorkload(family)),
  ];
  const postrouting = [...(hasDscp ? [toDscpChain(family)] : []), ...(stages.has("mangle/th") ? ofHosts : [])];
  const hooks = [
    ...(stages.has("mangle/fh") ? [["PREROUTING", prerouting] as const] : []),
    ...(postrouting.length > 0 ? [["POSTROUTING", postrouting] as const] : []),
  ];
  return hooked(hooks, family);
}

function hooked(hooks: readonly (readonly [string, readonly Rule[]])[], family: Family): FixedTable {
  return {
    chains: new Map(hooks.map(([name, rules]) => [`cali-${name}`, rules])),
    hooks: new Map(hooks.map(([name]) => [name, hookFor(jump(`cali-${name}`), family)])),
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
