import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Rules, RulesDriver } from "../../src/felix/dataplane/dataplane.ts";
import type { Hook, Rule, Table, TableName, VerdictMap } from "../../src/felix/render/desired-state.ts";
import { type Cidr, cidrContains, networkOf } from "../../src/net/cidr.ts";
import { type IpVersion, ipFromNumber } from "../../src/net/ip.ts";
import { accept, fromSet, full, jump, one, rulesOf, setOf } from "../contract/rules-driver.ts";
import { type NftBench, nftBench } from "./rules-benches.ts";

let bench: NftBench;
let driver: RulesDriver;

beforeEach(() => {
  bench = nftBench();
  driver = bench.newDriver();
});

afterEach(() => bench[Symbol.dispose]());

const kinds = () => bench.committed.splice(0).map(({ kind }) => kind);
const list = (what: string, name: string) => bench.nft("list", what, "ip", "calico", name);

test("a restart with the same state writes nothing", async () => {
  await driver.apply(withMap({ cali1: "cali-a", cali2: "cali-b" }));
  kinds();
  await bench.newDriver().apply(withMap({ cali1: "cali-a", cali2: "cali-b" }));
  expect(kinds()).toEqual([]);
});

test("a change writes what it changes", async () => {
  const many = Array.from({ length: 5000 }, (_, index) => `10.1.${index >> 8}.${index & 255}`);
  const big = (members: readonly string[]) => setOf("cali40s:big", members);
  const chains = { "cali-FORWARD": [fromSet("cali40s:big"), fromSet(one.name)], "cali-x": [accept] };
  await driver.apply(rulesOf(chains, [one, big(many)]));
  kinds();
  await driver.apply(rulesOf(chains, [one, big(many)]));
  expect(kinds()).toEqual([]);
  await driver.apply(rulesOf(chains, [one, big([...many.slice(1), "10.2.0.0/16"])]));
  expect(
    bench.committed.map((operation) => ("elements" in operation ? operation.elements.length : operation.kind)),
  ).toEqual([1, 1]);
  kinds();
  await driver.apply(rulesOf({ ...chains, "cali-x": [accept, accept] }, [one, big([...many.slice(1), "10.2.0.0/16"])]));
  expect(kinds()).toEqual(["flush-chain", "add-rule", "add-rule"]);
});

test("a long chain keeps its rules but those that change", async () => {
  const rules = Array.from({ length: 100 }, (_, index) => markRule(index));
  await driver.apply(rulesOf({ "cali-FORWARD": rules }));
  const handles = () =>
    new Set(
      [...bench.nft("-a", "list", "chain", "ip", "calico", "filter-cali-FORWARD").matchAll(/# handle (\d+)/g)].map(
        ([, handle]) => handle,
      ),
    );
  const before = handles();
  kinds();
  await driver.apply(rulesOf({ "cali-FORWARD": rules.with(50, markRule(200)) }));
  expect(kinds()).toEqual(["delete-rule", "add-rule"]);
  expect(handles().difference(before).size).toBe(1);
  // Somebody else's rule came between: the numbers of before mean nothing.
  bench.nft("insert", "rule", "ip", "calico", "filter-cali-FORWARD", "accept");
  await driver.apply(rulesOf({ "cali-FORWARD": rules.with(50, markRule(201)) }));
  expect(bench.targets("cali-FORWARD")).toHaveLength(100);
  expect(bench.targets("cali-FORWARD")).not.toContain("accept");
  // As many as there were, and another among them.
  const [handle] = [...handles()].slice(10);
  bench.nft("replace", "rule", "ip", "calico", "filter-cali-FORWARD", "handle", String(handle), "accept");
  await driver.apply(rulesOf({ "cali-FORWARD": rules.with(50, markRule(202)) }));
  expect(bench.targets("cali-FORWARD")).not.toContain("accept");
});

test("base chains are where the tables of iptables are, and as long as something hangs on them", async () => {
  const hooks: Readonly<Record<TableName, readonly string[]>> = {
    raw: ["PREROUTING", "OUTPUT"],
    mangle: ["PREROUTING", "OUTPUT", "POSTROUTING"],
    nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
    filter: ["INPUT", "FORWARD", "OUTPUT"],
  };
  const state = stateOf(Object.entries(hooks).map(([name, chains]) => hookedTable(name as TableName, chains)));
  await driver.apply(state);
  const printed = bench.nft("-n", "list", "table", "ip", "calico");
  const found = [...printed.matchAll(/chain (\S+) \{\n\t\ttype (.+); policy accept;/g)].map(
    ([, name, type]) => `${name}: ${type}`,
  );
  expect(found.sort()).toEqual([
    "filter-FORWARD: filter hook forward priority 0",
    "filter-INPUT: filter hook input priority 0",
    "filter-OUTPUT: filter hook output priority 0",
    "mangle-OUTPUT: route hook output priority -150",
    "mangle-POSTROUTING: filter hook postrouting priority -150",
    "mangle-PREROUTING: filter hook prerouting priority -150",
    "nat-INPUT: nat hook input priority 101",
    "nat-OUTPUT: nat hook output priority -100",
    "nat-POSTROUTING: nat hook postrouting priority 101",
    "nat-PREROUTING: nat hook prerouting priority -100",
    "raw-OUTPUT: filter hook output priority -300",
    "raw-PREROUTING: filter hook prerouting priority -300",
  ]);
  await driver.apply(stateOf([hookedTable("filter", ["FORWARD"])]));
  expect([...bench.nft("list", "chains").matchAll(/hook (\S+)/g)].map(([, hook]) => hook)).toEqual(["forward"]);
});

test("what hangs on a hook changes at either end of it", async () => {
  const state = (inserted: readonly Rule[], appended: readonly Rule[]) =>
    stateOf([{ version: 4, name: "filter", chains: new Map(), hooks: new Map([["FORWARD", { inserted, appended }]]) }]);
  const [inserted, appended] = [[markRule(1)], [accept]];
  await driver.apply(state(inserted, appended));
  const found = () => list("chain", "filter-FORWARD").match(/accept(?!;)|mark set/g);
  expect(found()).toEqual(["mark set", "accept"]);
  const more = [accept, markRule(2)];
  await driver.apply(state(inserted, more));
  expect(found()).toEqual(["mark set", "accept", "mark set"]);
  await driver.apply(state([], more));
  expect(found()).toEqual(["accept", "mark set"]);
});

test("a map's entries come, change and go with their chains in one transaction", async () => {
  await driver.apply(withMap({ cali1: "cali-a", cali2: "cali-b" }));
  const entries = () =>
    [...list("map", "filter-cali-from").matchAll(/"(\S+)" : goto (\S+?)[, ]/g)]
      .map(([, name, chain]) => `${name} ${chain}`)
      .sort();
  expect(entries()).toEqual(["cali1 filter-cali-a", "cali2 filter-cali-b"]);
  expect(list("chain", "filter-cali-FORWARD")).toMatch(/iifname vmap @filter-cali-from/);
  kinds();
  await driver.apply(withMap({ cali1: "cali-b", cali3: "cali-c" }));
  expect(entries()).toEqual(["cali1 filter-cali-b", "cali3 filter-cali-c"]);
  expect(kinds()).toEqual(["flush-chain", "delete-elements", "delete-chain", "add-chain", "add-elements", "add-rule"]);
  expect(await bench.newDriver().drift(withMap({ cali1: "cali-b", cali3: "cali-c" }))).toEqual([]);
  await driver.apply(full);
  expect(bench.nft("list", "maps")).not.toContain("filter-cali-from");
  expectFull();
});

test("a set of another type under our name, which rules use, is made anew in one transaction", async () => {
  await driver.apply(
    rulesOf({ "cali-FORWARD": [fromSet("cali40s:two")], "cali-x": [accept] }, [setOf("cali40s:two", [])]),
  );
  bench.strangeSet(one.name);
  bench.nft("add", "rule", "ip", "calico", "filter-cali-x", "ip", "saddr", "@cali40s-one", "accept");
  const newcomer = bench.newDriver();
  await newcomer.apply(full);
  expectFull();
  expect(list("set", "cali40s-one")).toContain("flags interval");
  const next = {
    ...full,
    sets: new Map([[one.name, { ...one, type: "hash:ip,port" as const, members: new Set(["10.0.0.1,tcp:80"]) }]]),
  };
  const chains = rulesOf({ "cali-FORWARD": [portRule, jump("cali-x")], "cali-x": [accept] }).tables;
  await newcomer.apply({ ...next, tables: chains });
  expect(bench.members(one)).toEqual(["10.0.0.1,tcp:80"]);
});

test("others' tables are never touched, and in ours nothing of others stays", async () => {
  bench.nft("add", "table", "ip", "theirs");
  bench.nft("add", "chain", "ip", "theirs", "cali-FORWARD");
  bench.nft("add", "rule", "ip", "theirs", "cali-FORWARD", "accept");
  bench.nft("add", "table", "inet", "calico");
  bench.nft("add", "set", "inet", "calico", "cali40s-one", "{ type ipv4_addr; }");
  const theirs = bench.dump();
  await driver.apply(full);
  bench.nft("add", "chain", "ip", "calico", "a-strange-one", "{ type filter hook input priority 5; }");
  bench.nft("add", "chain", "ip", "calico", "b");
  bench.nft("add", "rule", "ip", "calico", "a-strange-one", "jump", "b");
  bench.nft("add", "rule", "ip", "calico", "b", "jump", "filter-cali-x");
  bench.nft("add", "map", "ip", "calico", "m", "{ type inet_service : verdict; }");
  bench.nft("add", "element", "ip", "calico", "m", "{ 80 : goto b }");
  bench.nft("add", "set", "ip", "calico", "s", "{ type ipv4_addr; timeout 1h; }");
  await bench.newDriver().apply(full);
  expectFull();
  expect(bench.nft("list", "table", "ip", "calico")).not.toMatch(/strange|map m|set s /);
  await driver.apply(rulesOf({}));
  expect(bench.dump()).toBe(theirs);
});

test("a map and a set that hold on to each other's names, and a chain on a hook that ours has not, are made anew", async () => {
  bench.nft("add", "table", "ip", "calico");
  bench.nft("add", "map", "ip", "calico", "cali40s-one", "{ type ipv4_addr : verdict; }");
  bench.nft("add", "chain", "ip", "calico", "filter-cali-x", "{ type filter hook input priority 5; policy drop; }");
  await driver.apply(full);
  expectFull();
  expect(bench.nft("list", "chains")).not.toContain("hook input");
});

test("both families go in one transaction, and one of which nothing is wanted any more goes whole", async () => {
  const six: Table = { version: 6, name: "filter", chains: new Map([["cali-x", [accept]]]), hooks: new Map() };
  let commits = 0;
  const { commit } = bench.nftables;
  bench.nftables.commit = (operations) => {
    commits++;
    return commit(operations);
  };
  await driver.apply({ ...full, tables: new Map([...full.tables, ["6/filter", six]]) });
  expect(commits).toBe(1);
  expect(bench.nft("list", "tables")).toBe("table ip calico\ntable ip6 calico\n");
  await driver.apply(full);
  expect([commits, bench.nft("list", "tables")]).toEqual([2, "table ip calico\n"]);
});

test("what is refused although it was read is made from nothing the next time", async () => {
  await driver.apply(full);
  const broken = rulesOf({ "cali-FORWARD": [fromSet("cali40s:missing")] });
  for (const attempt of [1, 2, 3]) {
    kinds();
    await expect(driver.apply(broken), `attempt ${attempt}`).rejects.toThrow("filter-cali-FORWARD");
    expect(kinds()[0] === "delete-table").toBe(attempt === 3);
    expectFull();
  }
  await driver.apply(full);
  expectFull();
  kinds();
  await driver.apply(full);
  expect(kinds()).toEqual([]);
});

/** Few bits vary, at both ends of the address space, so that networks meet, touch and contain each other. */
const netOf = (version: IpVersion) => {
  const bits = version === 4 ? 32 : 128;
  const end = (1n << BigInt(bits)) - 1n;
  return fc
    .tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom(0, 1, 2), fc.integer({ min: 0, max: 4 }), fc.boolean())
    .map(([value, place, short, isLong]) => {
      const address = [BigInt(value), BigInt(value) << BigInt(bits - 4), end - BigInt(value)][place] ?? 0n;
      return networkOf(ipFromNumber(address, version), isLong ? bits - short : short);
    });
};

const naive = (nets: readonly Cidr[]) =>
  nets.filter((net) => !nets.some((other) => other !== net && cidrContains(other, net))).sort();

test.for([4, 6] as const)(
  "networks that touch, contain and replace each other are what the kernel holds, IPv%d",
  async (version) => {
    const name = `cali${version}0s:nets`;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uniqueArray(netOf(version), { maxLength: 10 }), { minLength: 2, maxLength: 6 }),
        async (steps) => {
          for (const nets of steps) {
            const bare = nets.map((net) => net.replace(version === 4 ? /\/32$/ : /\/128$/, ""));
            await driver.apply({ tables: new Map(), sets: new Map([[name, setOf(name, bare, { version })]]) });
            expect(printedNets(version, name)).toEqual(naive(nets));
          }
        },
      ),
      { numRuns: 25 },
    );
  },
);

// --- internal ---

function expectFull(): void {
  expect(bench.targets("cali-FORWARD")).toEqual(["drop", "cali-x"]);
  expect(bench.targets("cali-x")).toEqual(["accept"]);
  expect(bench.members(one)).toEqual(["10.0.0.1", "10.0.0.2"]);
}

/** What nft(8) prints of a set, as canonical networks. */
function printedNets(version: IpVersion, name: string): readonly Cidr[] {
  const text = bench.nft("-j", "list", "set", version === 4 ? "ip" : "ip6", "calico", name.replace(":", "-"));
  const found: { nftables: { set?: { elem?: unknown[] } }[] } = JSON.parse(text);
  const elements = found.nftables.flatMap(({ set }) => set?.elem ?? []);
  return elements.map((element) => netOfPrinted(element, version)).sort();
}

function netOfPrinted(element: unknown, version: IpVersion): Cidr {
  if (typeof element === "string") return `${element}/${version === 4 ? 32 : 128}` as Cidr;
  const { prefix, range } = element as { prefix?: { addr: string; len: number }; range?: readonly string[] };
  return (prefix === undefined ? `range ${range}` : `${prefix.addr}/${prefix.len}`) as Cidr;
}

function markRule(value: number): Rule {
  return { matches: [], action: { kind: "set-mark", value, mask: 0xff0000 | 0xff } };
}

const portRule: Rule = {
  matches: [
    { kind: "protocol", protocol: 6, negated: false },
    { kind: "port-set", side: "destination", set: one.name, negated: false },
  ],
  action: { kind: "drop" },
};

function hookedTable(name: TableName, chains: readonly string[]): Table {
  const hook: Hook = { inserted: [accept], appended: [] };
  return { version: 4, name, chains: new Map(), hooks: new Map(chains.map((chain) => [chain, hook])) };
}

function stateOf(tables: readonly Table[]): Rules {
  return { sets: new Map(), tables: new Map(tables.map((table) => [`${table.version}/${table.name}`, table])) };
}

/** A chain each for the interfaces, which the map leads to. */
function withMap(targets: Readonly<Record<string, string>>): Rules {
  const map: VerdictMap = { match: "in-interface", targets: new Map(Object.entries(targets)) };
  const dispatch: Rule = { matches: [], action: { kind: "dispatch", map: "cali-from" } };
  const chains = new Map<string, readonly Rule[]>([["cali-FORWARD", [dispatch]]]);
  for (const chain of Object.values(targets)) chains.set(chain, [accept]);
  const maps = new Map([["cali-from", map]]);
  return stateOf([{ version: 4, name: "filter", chains, hooks: new Map(), maps }]);
}
