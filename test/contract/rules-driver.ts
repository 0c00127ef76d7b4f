import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Rules, RulesDriver } from "../../src/felix/dataplane/dataplane.ts";
import type { Hook, IpSet, Rule, Table } from "../../src/felix/render/desired-state.ts";

/** A kernel of its own with one backend, and what its own programs say of it and do to it. */
export interface RulesBench extends Disposable {
  /** One without memory. */
  newDriver(): RulesDriver;
  /** Where the rules of a chain of the IPv4 table filter lead, in order (`accept`, `drop` or a chain); undefined without the chain. */
  targets(chain: string): readonly string[] | undefined;
  /** The members of a set as rendering writes them, sorted; undefined without the set. */
  members(set: IpSet): readonly string[] | undefined;
  /** All rules and sets, without what was counted. */
  dump(): string;
  /** Others empty our chain, put a rule that accepts before ours, or take a member out and put another in. */
  flush(chain: string): void;
  accept(chain: string): void;
  exchange(set: IpSet, out: string, into: string): void;
  /** Others make a chain, or a set of addresses, where ours are. */
  strangeChain(name: string): void;
  strangeSet(name: string): void;
  /** Where a driver says that something has drifted. */
  readonly where: { chain(name: string): string; set(name: string): string };
}

/** A set of networks, or with `more` of something else. */
export function setOf(name: string, members: readonly string[], more: Partial<IpSet> = {}): IpSet {
  return { name, type: "hash:net", version: 4, maxElements: 1024, members: new Set(members), ...more };
}

/** Rules to build states of. */
export const accept: Rule = { matches: [], action: { kind: "accept" } };
export const jump = (chain: string): Rule => ({ matches: [], action: { kind: "jump", chain } });
export const fromSet = (set: string): Rule => ({
  matches: [{ kind: "set", side: "source", set, negated: false }],
  action: { kind: "drop" },
  comment: "Policy knp/a/b ingress 0",
});

/** A state of the IPv4 table filter, which hangs on FORWARD when it has chains. */
export function rulesOf(chains: Readonly<Record<string, readonly Rule[]>>, sets: readonly IpSet[] = []): Rules {
  const hook: Hook = { inserted: [jump("cali-FORWARD")], appended: [accept] };
  const hasChains = Object.keys(chains).length > 0;
  const hooks = new Map<string, Hook>(hasChains ? [["FORWARD", hook]] : []);
  const table: Table = { version: 4, name: "filter", chains: new Map(Object.entries(chains)), hooks };
  return { sets: new Map(sets.map((set) => [set.name, set])), tables: new Map([["4/filter", table]]) };
}

/** Two chains and a set. */
export const one = setOf("cali40s:one", ["10.0.0.1", "10.0.0.2"]);
export const full = rulesOf({ "cali-FORWARD": [fromSet(one.name), jump("cali-x")], "cali-x": [accept] }, [one]);

/** What every backend promises (`RulesDriver`). Call it inside `describe`. */
export function rulesDriverContract(open: () => RulesBench): void {
  let bench: RulesBench;
  let driver: RulesDriver;
  let empty: string;

  beforeEach(() => {
    bench = open();
    driver = bench.newDriver();
    empty = bench.dump();
  });

  afterEach(() => bench[Symbol.dispose]());

  /** Applies the state, and has everything go that it does not use. */
  const settle = async (by: RulesDriver, state: Rules) => {
    await by.apply(state);
    await vi.waitFor(async () => expect(await by.prune(state)).toEqual([]), { timeout: 10_000, interval: 20 });
  };
  const expectFull = () => {
    expect(bench.targets("cali-FORWARD")).toEqual(["drop", "cali-x"]);
    expect(bench.targets("cali-x")).toEqual(["accept"]);
    expect(bench.members(one)).toEqual(["10.0.0.1", "10.0.0.2"]);
  };

  test("rules and sets come, and go without a trace", async () => {
    await driver.apply(full);
    expectFull();
    await settle(driver, rulesOf({}));
    expect(bench.targets("cali-FORWARD")).toBeUndefined();
    expect(bench.members(one)).toBeUndefined();
    await driver.apply(full);
    expectFull();
    await settle(bench.newDriver(), rulesOf({}));
    expect(bench.dump().includes("cali")).toBe(empty.includes("cali"));
  });

  test("what is so already is not touched, also by a newcomer", async () => {
    await driver.apply(full);
    const before = bench.dump();
    await driver.apply(full);
    await bench.newDriver().apply(full);
    expect(bench.dump()).toBe(before);
    expect(await driver.drift(full)).toEqual([]);
  });

  test("chains and sets change, come and go in one call", async () => {
    await driver.apply(full);
    const two = setOf("cali40s:two", ["10.0.0.2", "10.1.0.0/16"]);
    const next = rulesOf({ "cali-FORWARD": [jump("cali-y"), fromSet(two.name)], "cali-y": [accept, accept] }, [two]);
    await settle(driver, next);
    expect(bench.targets("cali-FORWARD")).toEqual(["cali-y", "drop"]);
    expect(bench.targets("cali-y")).toEqual(["accept", "accept"]);
    expect(bench.targets("cali-x")).toBeUndefined();
    expect(bench.members(two)).toEqual(["10.0.0.2", "10.1.0.0/16"]);
    expect(bench.members(one)).toBeUndefined();
    expect(await driver.drift(next)).toEqual([]);
    expect(await bench.newDriver().drift(next)).toEqual([]);
  });

  test("a long chain changes at any place", async () => {
    const [rules, x] = [Array.from({ length: 40 }, (_, index) => markRule(index)), jump("cali-x")];
    const variants = [
      rules,
      rules.with(20, x),
      rules.toSpliced(0, 1, x, x),
      [...rules, x],
      rules.slice(3),
      rules.toSpliced(30, 5),
      [x],
      rules.toReversed(),
      [x, ...rules],
    ];
    for (const variant of variants) {
      const state = rulesOf({ "cali-FORWARD": variant, "cali-x": [accept] });
      await driver.apply(state);
      expect(await bench.newDriver().drift(state)).toEqual([]);
      expect(bench.targets("cali-FORWARD")?.map((target) => target === "cali-x")).toEqual(
        variant.map((rule) => rule === x),
      );
    }
  });

  test("sets that rules still use are told of, and stay", async () => {
    await driver.apply(full);
    const [used, ...more] = await driver.prune({ ...full, sets: new Map() });
    expect([used?.replaceAll(":", "-"), more]).toEqual(["cali40s-one", []]);
    expectFull();
  });

  test("members that others took and put are told of, and put right", async () => {
    await driver.apply(full);
    bench.exchange(one, "10.0.0.1", "10.0.0.9");
    const difference = expect.stringMatching(/^1 of 2 (members|elements) are missing, and 1 are not ours$/);
    expect(await driver.drift(full)).toEqual([{ part: "sets", where: bench.where.set(one.name), difference }]);
    await driver.apply(full);
    expectFull();
    expect(await driver.drift(full)).toEqual([]);
  });

  test("rules that others took and put are told of, and put right", async () => {
    await driver.apply(full);
    bench.flush("cali-FORWARD");
    bench.accept("cali-x");
    const tell = (chain: string, difference: string) => ({
      part: "rules",
      where: bench.where.chain(chain),
      difference,
    });
    expect(await driver.drift(full)).toEqual([
      tell("cali-FORWARD", "2 of 2 rules are missing, and 0 are not ours"),
      tell("cali-x", "0 of 1 rules are missing, and 1 are not ours"),
    ]);
    await driver.apply(full);
    expectFull();
    expect(await driver.drift(full)).toEqual([]);
  });

  test("a newcomer puts right what others did meanwhile", async () => {
    await driver.apply(full);
    bench.flush("cali-x");
    bench.accept("cali-FORWARD");
    bench.exchange(one, "10.0.0.2", "10.9.0.0/16");
    bench.strangeChain("cali-stale");
    bench.strangeSet("cali40s:stale");
    await settle(bench.newDriver(), full);
    expectFull();
    expect(bench.targets("cali-stale")).toBeUndefined();
    expect(bench.members(setOf("cali40s:stale", []))).toBeUndefined();
  });

  test("an unused set of another type under our name is replaced", async () => {
    bench.strangeSet(one.name);
    await driver.apply(full);
    expectFull();
  });

  test("members of IPv6, and ports, are found again in whatever spelling", async () => {
    const nets = setOf("cali60s:one", ["2001:db8::/32", "::102:304", "::ffff:102:304"], { version: 6 });
    const ports = setOf("cali40n:one", ["10.0.0.1,tcp:80", "10.0.0.2,sctp:65535"], { type: "hash:ip,port" });
    const state = { ...full, sets: new Map([...full.sets, [nets.name, nets], [ports.name, ports]]) };
    await driver.apply(state);
    expect(bench.members(ports)).toEqual([...ports.members].sort());
    const before = bench.dump();
    await bench.newDriver().apply(state);
    expect(bench.dump()).toBe(before);
    expect(await bench.newDriver().drift(state)).toEqual([]);
    const fewer = { ...ports, members: new Set(["10.0.0.1,udp:80", "10.0.0.2,sctp:65535"]) };
    await driver.apply({ ...state, sets: new Map([...full.sets, [nets.name, nets], [ports.name, fewer]]) });
    expect(bench.members(ports)).toEqual([...fewer.members].sort());
  });

  test("what the kernel refuses leaves the rules as they were, and the next attempt succeeds", async () => {
    await driver.apply(full);
    const before = bench.dump();
    const broken = rulesOf({ "cali-FORWARD": [fromSet("cali40s:missing")], "cali-x": [accept] }, [one]);
    await expect(driver.apply(broken)).rejects.toThrow(/cali40s:missing|chain filter-cali-FORWARD/);
    expect(bench.dump()).toBe(before);
    await driver.apply(full);
    expectFull();
    const next = rulesOf({ "cali-FORWARD": [jump("cali-x")], "cali-x": [accept] });
    await settle(driver, next);
    expect(bench.targets("cali-FORWARD")).toEqual(["cali-x"]);
  });

  test("faults of single chains are told", async () => {
    await driver.apply(full);
    const table = full.tables.get("4/filter") as Table;
    const both = ["cali-FORWARD", "cali-x"];
    expect(await driver.faultsOf(table, both)).toEqual([]);
    bench.accept("cali-x");
    expect(await driver.faultsOf(table, both)).toEqual([expect.stringMatching(/cali-x .* has 2 rules, not 1$/)]);
    expect(await driver.faultsOf(table, ["cali-FORWARD"])).toEqual([]);
    expect(await driver.faultsOf(table, ["cali-gone"])).toEqual([
      expect.stringMatching(/^there is no chain .*cali-gone/),
    ]);
  });
}

// --- internal ---

/** Each is another one. */
function markRule(value: number): Rule {
  return { matches: [], action: { kind: "set-mark", value: value << 16, mask: 0xff0000 } };
}
