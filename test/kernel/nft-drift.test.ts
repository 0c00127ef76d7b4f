import { afterEach, beforeEach, expect, test } from "vitest";
import type { Drift, Rules, RulesDriver } from "../../src/felix/dataplane/dataplane.ts";
import type { Rule, Table, VerdictMap } from "../../src/felix/render/desired-state.ts";
import { accept, full, jump, one } from "../contract/rules-driver.ts";
import { type NftBench, nftBench } from "./rules-benches.ts";

let bench: NftBench;
let driver: RulesDriver;

beforeEach(async () => {
  bench = nftBench();
  driver = bench.newDriver();
  await driver.apply(state);
});

afterEach(() => bench[Symbol.dispose]());

const map: VerdictMap = {
  match: "in-interface",
  targets: new Map([
    ["cali1", "cali-a"],
    ["cali2", "cali-b"],
  ]),
};
const dispatch: Rule = { matches: [], action: { kind: "dispatch", map: "cali-from" } };
const filter = full.tables.get("4/filter") as Table;
const chains = new Map<string, readonly Rule[]>([
  ...filter.chains,
  ["cali-a", [accept]],
  ["cali-b", [accept, jump("cali-x")]],
  ["cali-root", [dispatch]],
]);
const table: Table = { ...filter, chains, maps: new Map([["cali-from", map]]) };
const state: Rules = { ...full, tables: new Map([["4/filter", table]]) };

const ip = (what: string) => `${what} of nftables table ip calico`;
const rules = (what: string, difference: string): Drift => ({ part: "rules", where: ip(what), difference });
const sets = (what: string, difference: string): Drift => ({ part: "sets", where: ip(what), difference });

/** What others do, as lines of nft(8) behind the verb's table, and what is told of it. */
const deeds: Readonly<Record<string, readonly [readonly string[], Drift]>> = {
  "a chain more": [["add chain ip calico odd"], rules("chain odd", "it is not ours")],
  "a set more": [["add set ip calico odd { type ipv4_addr; }"], sets("set odd", "it is not ours")],
  "a map more": [["add map ip calico odd { type ifname : verdict; }"], rules("map odd", "it is not ours")],
  "a policy that drops": [
    ["add chain ip calico filter-FORWARD { policy drop; }"],
    rules("chain filter-FORWARD", "it does not hang on its hook as it should"),
  ],
  "another place on the hook": [
    [
      "flush chain ip calico filter-FORWARD",
      "delete chain ip calico filter-FORWARD",
      "add chain ip calico filter-FORWARD { type filter hook forward priority 10; }",
    ],
    rules("chain filter-FORWARD", "it does not hang on its hook as it should"),
  ],
  "a table put to sleep": [
    ["add table ip calico { flags dormant; }"],
    { part: "rules", where: "nftables table ip calico", difference: "it is dormant: its chains hang on no hook" },
  ],
  "a base chain gone": [
    ["flush chain ip calico filter-FORWARD", "delete chain ip calico filter-FORWARD"],
    rules("chain filter-FORWARD", "it is not there"),
  ],
  "an entry gone": [
    ["delete element ip calico filter-cali-from { cali1 }"],
    rules("map filter-cali-from", "1 of 2 elements are missing, and 0 are not ours"),
  ],
  "an entry that leads elsewhere": [
    [
      "delete element ip calico filter-cali-from { cali1 }",
      "add element ip calico filter-cali-from { cali1 : goto filter-cali-b }",
    ],
    rules("map filter-cali-from", "1 of 2 elements are missing, and 1 are not ours"),
  ],
  "a set emptied": [
    ["flush set ip calico cali40s-one"],
    sets("set cali40s-one", "2 of 2 elements are missing, and 0 are not ours"),
  ],
  "a wide range": [
    ["add element ip calico cali40s-one { 10.1.0.0/16 }"],
    sets("set cali40s-one", "0 of 2 elements are missing, and 1 are not ours"),
  ],
  "everything gone": [
    ["delete table ip calico"],
    { part: "rules", where: "nftables table ip calico", difference: "it is not there" },
  ],
  "a table where none is wanted": [
    ["add table ip6 calico", "add chain ip6 calico odd"],
    { part: "rules", where: "chain odd of nftables table ip6 calico", difference: "it is not ours" },
  ],
};

test.for(Object.entries(deeds))("%s is told and put right", async ([, [lines, told]]) => {
  const before = withoutHandles();
  bench.nft(lines.join("; "));
  expect(await driver.drift(state)).toEqual([told]);
  const other = told.part === "rules" ? "sets" : "rules";
  expect(await driver.drift(state, new Set([other]))).toEqual([]);
  expect(await driver.drift(state, new Set([told.part]))).toEqual([told]);
  await driver.apply(state);
  expect(await driver.drift(state)).toEqual([]);
  expect(withoutHandles()).toBe(before);
});

test("rules in another order, and one that stands twice, are told", async () => {
  const listed = bench.nft("-a", "list", "chain", "ip", "calico", "filter-cali-b");
  const [first] = [...listed.matchAll(/# handle (\d+)/g)].slice(1).map(([, handle]) => handle);
  const comment = /accept comment "([^"]+)"/.exec(listed)?.[1];
  bench.nft(`add rule ip calico filter-cali-b accept comment "${comment}"`);
  expect(await driver.drift(state)).toEqual([rules("chain filter-cali-b", "it has 3 rules, not 2")]);
  bench.nft("delete", "rule", "ip", "calico", "filter-cali-b", "handle", String(first));
  expect(await driver.drift(state)).toEqual([rules("chain filter-cali-b", "its 2 rules stand in another order")]);
  await driver.apply(state);
  expect(await driver.drift(state)).toEqual([]);
});

test("what is found right leaves what is remembered: the next call writes nothing and asks nothing", async () => {
  expect(await driver.drift(state)).toEqual([]);
  bench.committed.length = 0;
  bench.nftables.rules = () => Promise.reject(new Error("asked"));
  await driver.apply(state);
  expect(bench.committed).toEqual([]);
});

test("what is overtaken by a call that writes is not kept", async () => {
  bench.nft("flush", "chain", "ip", "calico", "filter-cali-x");
  const fewer: Rules = {
    sets: new Map(),
    tables: new Map([
      ["4/filter", { ...table, chains: new Map([["cali-x", [accept]]]), hooks: new Map(), maps: new Map() }],
    ]),
  };
  const [drift] = await Promise.all([driver.drift(state), driver.apply(fewer)]);
  expect(drift).toEqual([]);
  await driver.apply(state);
  expect(bench.targets("cali-root")).toHaveLength(1);
});

test("faults of a path are told with the entry of the map that leads to it, and no other's", async () => {
  const path = ["cali-a", "cali-root"];
  expect(await driver.faultsOf(table, path)).toEqual([]);
  bench.nft("delete", "element", "ip", "calico", "filter-cali-from", "{ cali2 }");
  expect(await driver.faultsOf(table, path)).toEqual([]);
  expect(await driver.faultsOf(table, ["cali-b", "cali-root"])).toEqual([
    `${ip("map filter-cali-from")} does not lead cali2 to filter-cali-b`,
  ]);
  bench.nft("flush", "chain", "ip", "calico", "filter-cali-a");
  bench.nft("insert", "rule", "ip", "calico", "filter-cali-root", "accept");
  expect(await driver.faultsOf(table, path)).toEqual([
    `${ip("chain filter-cali-a")} has 0 rules, not 1`,
    `${ip("chain filter-cali-root")} has 2 rules, not 1`,
  ]);
});

test("what is removed is all of it, and nobody else's", async () => {
  bench.nft("add", "table", "ip", "theirs");
  bench.nft("add", "table", "ip6", "calico");
  const removed = bench.newDriver();
  expect(await removed.removeOwn()).toEqual([]);
  expect(bench.nft("list", "ruleset")).toBe("table ip theirs {\n}\n");
  expect(await removed.removeOwn()).toEqual([]);
  await removed.apply(state);
  expect(bench.members(one)).toHaveLength(2);
});

// --- internal ---

/** Sorted, as what was made anew stands last. */
function withoutHandles(): string {
  return bench
    .nft("list", "ruleset")
    .replaceAll(/packets \d+ bytes \d+/g, "")
    .split("\n")
    .sort()
    .join("\n");
}
