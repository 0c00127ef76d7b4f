import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FelixMetrics } from "../../src/agent/metrics/felix-metrics.ts";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { variantPrograms } from "../../src/felix/dataplane/iptables-programs.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { LockWatch } from "../../src/felix/dataplane/lock-watch.ts";
import type { DesiredState, IpSet, Rule, Table, TableName } from "../../src/felix/render/desired-state.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { systemClock } from "../../src/host/clock.ts";
import { openSetNetlink, type SetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { Loop } from "../../src/reconcile/loop.ts";
import { type Fault, FaultyHost } from "../fakes/faulty-host.ts";
import { holdLock, lockWaits } from "./lock-holder.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

const nothing = async () => undefined;
const unshaped = { upsert: nothing, prune: nothing, forget: () => undefined };
const unrouted = { upsert: nothing, prune: nothing, drift: async () => [], forget: () => undefined };

const jump = (chain: string): Rule => ({ matches: [], action: { kind: "jump", chain } });
const drop: Rule = { matches: [], action: { kind: "drop" } };
const fromSet = (set: string): Rule => ({
  matches: [{ kind: "set", side: "source", set, negated: false }],
  action: { kind: "accept" },
});

const setOf = (name: string, members: readonly string[]): IpSet => {
  return { name, type: "hash:net", version: 4, maxElements: 1024, members: new Set(members) };
};

/** Chains of the same name in raw and in filter, which are written in that order. */
function stateOf(rules: readonly Rule[], sets: readonly IpSet[] = []): DesiredState {
  const tableOf = (name: TableName, hook: string): Table => ({
    ...{ version: 4, name },
    chains: new Map([[`cali-${hook}`, rules]]),
    hooks: new Map([[hook, { inserted: [jump(`cali-${hook}`)], appended: [] }]]),
  });
  return {
    sets: new Map(sets.map((set) => [set.name, set])),
    tables: new Map([
      ["4/raw", tableOf("raw", "PREROUTING")],
      ["4/filter", tableOf("filter", "FORWARD")],
    ]),
    routes: new Map(),
    shapings: new Map(),
  };
}

const closed = stateOf([drop]);
const open = stateOf([fromSet("cali40s:x"), drop], [setOf("cali40s:x", ["10.0.0.1", "10.1.0.0/16"])]);

describe.each(["nft", "legacy"] as const)("with iptables (%s)", (variant) => {
  let namespace: TestNamespace;
  let folder: string;
  let sets: SetNetlink;
  let host: FaultyHost;
  let rules: IptablesRules;
  let dataplane: Dataplane;

  /** The lock is a path that all namespaces share. */
  const inNamespace = (program: string) => ["env", `XTABLES_LOCKFILE=${join(folder, "lock")}`, program] as const;
  const sh = (program: string, ...argv: readonly string[]) =>
    execFileSync("ip", ["netns", "exec", namespace.name, ...inNamespace(program), ...argv], { encoding: "utf8" });
  const iptables = (...argv: readonly string[]) => sh(`iptables-${variant}`, ...argv);
  const chain = (table: string, name: string) =>
    iptables("-t", table, "-S", name)
      .split("\n")
      .filter((line) => line.startsWith("-A"));
  const all = () => iptables("-t", "raw", "-S") + iptables("-t", "filter", "-S");
  /** Without the lock. */
  const saved = () => sh(`iptables-${variant}-save`).replaceAll(/^#.*$|\[\d+:\d+\]/gm, "");

  class LockedHost extends NamespaceHost {
    override run(
      [program, ...argv]: Parameters<NamespaceHost["run"]>[0],
      options?: Parameters<NamespaceHost["run"]>[1],
    ) {
      return super.run([inNamespace(program)[0], ...inNamespace(program).slice(1), ...argv], options);
    }
    override keep([program, ...argv]: Parameters<NamespaceHost["keep"]>[0]) {
      return super.keep([inNamespace(program)[0], ...inNamespace(program).slice(1), ...argv]);
    }
  }

  function newRules(host: FaultyHost, of: "nft" | "legacy" = variant): IptablesRules {
    return new IptablesRules({ host, sets, print: printTable, programs: variantPrograms[of] });
  }

  beforeEach(() => {
    namespace = makeNamespace();
    folder = mkdtempSync(join(tmpdir(), "margay-lock-"));
    sets = openSetNetlink(namespace.path);
    host = new FaultyHost(new LockedHost(namespace.name));
    rules = newRules(host);
    dataplane = new Dataplane({ rules, routes: unrouted, shapings: unshaped });
  });

  afterEach(() => {
    sets.close();
    rmSync(folder, { recursive: true });
    namespace[Symbol.dispose]();
  });

  async function expectInForce(state: DesiredState): Promise<void> {
    const count = state.tables.get("4/raw")?.chains.get("cali-PREROUTING")?.length ?? 0;
    expect(chain("raw", "cali-PREROUTING")).toHaveLength(count);
    expect(chain("filter", "cali-FORWARD")).toHaveLength(count);
    expect(chain("raw", "PREROUTING")).toHaveLength(1);
    expect(chain("filter", "FORWARD")).toHaveLength(1);
    expect(await dataplane.drift(state)).toEqual([]);
  }

  /** The next pass after any failure. */
  async function expectRecovery(state: DesiredState): Promise<void> {
    expect(host.ahead).toBe(0);
    await dataplane.apply(state);
    await expectInForce(state);
  }

  test.each<[string, Fault]>([
    ["refused", { kind: "ends", exitCode: 2, stderr: "line 3 failed" }],
    ["out of memory", { kind: "ends", exitCode: 4, stderr: "Memory allocation problem" }],
    ["killed for want of memory", { kind: "ends", exitCode: 137 }],
    ["killed before it did anything", { kind: "killed-after", transactions: 0 }],
    ["killed after the first table", { kind: "killed-after", transactions: 1 }],
    ["killed before it could tell that it was done", { kind: "killed-after", transactions: 2 }],
    ["hanging", { kind: "ends", exitCode: undefined }],
  ])("a restore that is %s leaves no gap, and the next pass puts it right", async (_, fault) => {
    await dataplane.apply(closed);
    host.plan(/-restore$/, fault);
    await expect(dataplane.apply(open)).rejects.toThrow(`Cannot run iptables-${variant}-restore`);
    for (const lines of [chain("raw", "cali-PREROUTING"), chain("filter", "cali-FORWARD")]) {
      expect(lines.at(-1)).toContain("-j DROP");
    }
    await expectRecovery(open);
  });

  test("a table that the kernel itself refuses leaves the one before it in force, and the next pass puts it right", async () => {
    await dataplane.apply(closed);
    const bad = stateOf([drop]);
    const filter = bad.tables.get("4/filter") as Table;
    const tables = new Map(bad.tables).set("4/filter", {
      ...filter,
      chains: new Map([["cali-FORWARD", [fromSet("none"), drop]]]),
    });
    const raw = bad.tables.get("4/raw") as Table;
    tables.set("4/raw", { ...raw, chains: new Map([["cali-PREROUTING", [drop, drop]]]) });
    await expect(dataplane.apply({ ...bad, tables })).rejects.toThrow(/Set none doesn't exist/);
    expect(chain("raw", "cali-PREROUTING")).toHaveLength(2);
    expect(chain("filter", "cali-FORWARD")).toHaveLength(1);
    await expectRecovery(open);
  });

  test.each<[string, Fault]>([
    ["prints nonsense", { kind: "prints", instead: () => "iptables: Resource temporarily unavailable.\n" }],
    ["prints nothing", { kind: "prints", instead: () => "" }],
    ["stops in the midst of a table", { kind: "prints", instead: (text) => text.slice(0, text.lastIndexOf("COMMIT")) }],
    [
      "stops in the midst of a line",
      { kind: "prints", instead: (text) => text.slice(0, text.lastIndexOf("-A ") + 20) },
    ],
    ["leaves out a table", { kind: "prints", instead: (text) => text.replace(/\*filter[\s\S]*?COMMIT\n/, "") }],
    ["fails", { kind: "ends", exitCode: 1, stderr: "Segmentation fault" }],
    ["hangs", { kind: "ends", exitCode: undefined }],
  ])("a save that %s changes nothing, and the next pass puts it right", async (_, fault) => {
    await dataplane.apply(open);
    const before = all();
    // As after a failure, or at the start.
    rules.forget();
    host.plan(/-save$/, fault);
    await expect(dataplane.apply(closed)).rejects.toThrow(/Cannot (run|tell)/);
    expect(all()).toBe(before);
    await expectRecovery(closed);
  });

  test.each<[string, string, Fault]>([
    ["that says nothing of our sets", "is no harm", { kind: "prints", instead: () => "" }],
    ["that is cut off", "Cannot tell what ipset holds", { kind: "prints", instead: (text) => text.slice(0, -2) }],
    ["that is nonsense", "is no harm", { kind: "prints", instead: () => "ipset v7.17: Kernel error received\n" }],
    ["that fails", "Cannot run ipset save", { kind: "ends", exitCode: 1 }],
  ])("a list of sets %s takes no member away: %s", async (_, outcome, fault) => {
    await dataplane.apply(open);
    const members = () => sh("ipset", "save", "cali40s:x").split("\n").sort();
    const before = members();
    rules.forget();
    host.plan(/^ipset$/, fault);
    const told = await dataplane.apply(open).then(() => "is no harm", String);
    expect(told).toContain(outcome);
    expect(members()).toEqual(before);
    await expectRecovery(open);
    expect(members()).toEqual(before);
  });

  test("a chain and a set that are named like ours and are not are told, and go; others' stay", async () => {
    await dataplane.apply(open);
    iptables("-N", "cali-strange");
    iptables("-N", "theirs");
    sh("ipset", "create", "cali40strange", "hash:net");
    sh("ipset", "create", "theirs", "hash:net");
    const drift = await dataplane.drift(open);
    expect(drift.map(({ where }) => where).sort()).toEqual([
      "chain cali-strange of IPv4 table filter",
      "set cali40strange",
    ]);
    await dataplane.apply(open);
    await dataplane.tidy(open);
    expect(iptables("-S")).not.toContain("cali-strange");
    expect(iptables("-S")).toContain("-N theirs");
    expect(sh("ipset", "list", "-n").trim().split("\n").sort()).toEqual(["cali40s:x", "theirs"]);
    expect(await dataplane.drift(open)).toEqual([]);
  });

  test("what is ours is removed from the variant that is not used any more, and no set that the other one has", async () => {
    const other = variant === "nft" ? "legacy" : "nft";
    iptables("-N", "theirs");
    iptables("-A", "FORWARD", "-j", "theirs");
    await dataplane.apply({
      ...open,
      sets: new Map([...open.sets, ["cali40s:old", setOf("cali40s:old", ["10.9.0.1"])]]),
    });
    const next = newRules(host, other);
    await next.apply(open);
    await expect.poll(() => rules.removeOwn(open.sets)).toEqual([]);
    expect(all()).not.toContain("cali");
    expect(chain("filter", "FORWARD")).toEqual(["-A FORWARD -j theirs"]);
    expect(await next.drift(open)).toEqual([]);
    expect(sh("ipset", "list", "-n").trim()).toBe("cali40s:x");
    await expect.poll(() => next.removeOwn()).toEqual([]);
    expect(sh("ipset", "list", "-n").trim()).toBe("");
    expect(sh(`iptables-${other}`, "-t", "raw", "-S")).not.toContain("cali");
  });

  test("more sets than go at once are gone in the end, and each call takes some", async () => {
    const many = Array.from({ length: 40 }, (_, index) => setOf(`cali40s:${index}`, []));
    await dataplane.apply(stateOf([drop], many));
    let calls = 1;
    while (!(await dataplane.tidy(closed))) calls++;
    expect(calls).toBeGreaterThan(1);
    expect(calls).toBeLessThan(10);
    expect(sh("ipset", "list", "-n").trim()).toBe("");
  });

  test("the lock that another process holds is waited for by legacy alone; the wait is told, and no change is lost", async () => {
    const heldMs = variant === "legacy" ? 5_000 : 500;
    const registry = new Registry();
    const lockWatch = new LockWatch({ host, clock: systemClock, observer: new FelixMetrics(registry) });
    const watched = new IptablesRules({ host, sets, print: printTable, programs: variantPrograms[variant], lockWatch });
    const target = new Dataplane({ rules: watched, routes: unrouted, shapings: unshaped });
    const failures: unknown[] = [];
    let wanted = closed;
    const loop = newLoop(() => target.apply(wanted), failures);
    await loop.request();
    expect(await lockWaits(registry)).toEqual({ count: 0, seconds: 0 });
    const before = saved();
    const release = await holdLock(join(folder, "lock"));
    let done = 0;
    const changes = [1, 2, 3, 4, 5].map(async (step) => {
      await sleep(((step - 1) * heldMs) / 5);
      wanted = stateOf([...Array(step).fill(fromSet("cali40s:x")), drop], [setOf("cali40s:x", [`10.0.0.${step}`])]);
      await loop.request();
      done++;
    });
    await sleep(heldMs);
    if (variant === "nft") await Promise.all(changes);
    expect(done).toBe(variant === "legacy" ? 0 : changes.length);
    if (variant === "legacy") expect(saved()).toBe(before);
    release();
    await Promise.all(changes);
    await expectInForce(wanted);
    expect(chain("filter", "cali-FORWARD")).toHaveLength(6);
    expect(sh("ipset", "save", "cali40s:x")).toContain("add cali40s:x 10.0.0.5\n");
    expect(failures).toEqual([]);
    const { count, seconds } = await lockWaits(registry);
    expect(count).toBe(variant === "legacy" ? 1 : 0);
    // As long as it was held, and not only as long as the kernel was watched.
    expect(Math.round(seconds)).toBeGreaterThanOrEqual(variant === "legacy" ? 5 : 0);
    // What comes after it waits for nobody.
    wanted = closed;
    await loop.request();
    await expectInForce(closed);
    expect((await lockWaits(registry)).count).toBe(count);
  });
});

// --- internal ---

/** As Felix runs its passes. */
function newLoop(pass: () => Promise<void>, failures: unknown[]): Loop {
  return new Loop({
    ...{ pass, sleep: (ms, signal) => sleep(ms, undefined, { signal }), firstRetryMs: 50, maxRetryMs: 10_000 },
    onFailure: (error) => failures.push(error),
  });
}
