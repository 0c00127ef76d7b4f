import { pino } from "pino";
import { Registry } from "prom-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Felix } from "../../src/agent/felix.ts";
import { dataplaneHealth } from "../../src/agent/health/agent-health.ts";
import { FelixMetrics } from "../../src/agent/metrics/felix-metrics.ts";
import { PassReport } from "../../src/agent/pass-report.ts";
import { parseIpPool } from "../../src/api/ip-pool.ts";
import type { NodeName } from "../../src/api/names.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { observedHost } from "../../src/felix/dataplane/observed-host.ts";
import { observedNetlink, observedSets } from "../../src/felix/dataplane/observed-netlink.ts";
import { NetlinkRouteDriver } from "../../src/felix/dataplane/route-driver.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { Netlink } from "../../src/host/netlink/netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openSetNetlink, type SetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

let namespace: TestNamespace;
let netlink: Netlink;
let sets: SetNetlink;
let felix: Felix;
let report: PassReport;
let lines: { readonly msg: string; readonly level: number; readonly [fact: string]: unknown }[];
let registry: Registry;
let programOf: (name: string) => string;

beforeEach(() => {
  namespace = makeNamespace();
  netlink = openNetlink(namespace.path);
  sets = openSetNetlink(namespace.path);
  registry = new Registry();
  lines = [];
  programOf = (name) => name;
  const metrics = new FelixMetrics(registry);
  const logger = pino({ level: "debug" }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const { monotonicNow } = systemClock;
  report = new PassReport({
    ...{ clock: systemClock, logger, isToldOfWrites: true },
    ...{ onApplied: metrics.applied, onFailed: metrics.failed },
  });
  const observer = { wrote: report.wrote, called: metrics.called, waitedForLock: metrics.waitedForLock };
  const host = observedHost(new NamespaceHost(namespace.name, (name) => programOf(name)), observer, monotonicNow);
  felix = new Felix({
    podsToCome: () => 0,
    calculator: new NodeCalculator("node-1" as NodeName),
    dataplane: new Dataplane({
      rules: new IptablesRules({ host, sets: observedSets(sets, observer, monotonicNow), print: printTable }),
      routes: new NetlinkRouteDriver(observedNetlink(netlink, observer), "cali"),
      shapings: { upsert: async () => {}, prune: async () => {}, forget: () => {} },
    }),
    ...{ renderOptions: defaultRenderOptions, clock: systemClock, logger, observer: report },
  });
});

afterEach(() => {
  felix.stop();
  netlink.close();
  sets.close();
  namespace[Symbol.dispose]();
});

const pool = (cidr: string): Change => {
  const value = parseIpPool({ metadata: { name: "pool" }, spec: { cidr, natOutgoing: true } });
  return { kind: "ipPool", key: "pool", value };
};

test("a pass tells what it wrote into the kernel and why, and how long those who wait have waited", async () => {
  await felix.begin();
  expect(lines.find(({ msg }) => msg === "the kernel holds the plan")).toMatchObject({
    level: 30,
    written: { chains: expect.any(Number), rules: expect.any(Number), sets: expect.any(Number) },
  });
  lines = [];
  await felix.apply([pool("10.1.0.0/16")], systemClock.monotonicNow() - 100);
  expect(lines.find(({ msg }) => msg === "the kernel holds the plan")).toMatchObject({
    ...{ level: 30, changes: { pool: 1 }, objects: ["pool pool"], more: 0, written: { members: 2 } },
  });
  const text = await registry.metrics();
  expect(text).toMatch(/^margay_policy_programming_seconds_bucket\{le="0.1",kind="pool"\} 0$/m);
  expect(text).toMatch(/^margay_policy_programming_seconds_count\{kind="pool"\} 1$/m);
  expect(text).toMatch(/^felix_iptables_save_calls 2$/m);
  expect(text).toMatch(/^felix_iptables_lines_executed\{ip_version="IPv6",table="filter"\} \d+$/m);
  expect(text).toMatch(/^felix_ipset_lines_executed \d+$/m);
  lines = [];
  await felix.apply([pool("10.1.0.0/16")]);
  expect(lines.filter(({ level }) => level >= 30)).toEqual([]);
});

test("a pass that the kernel refuses is counted, is told by health, and its changes are the next one's", async () => {
  const health = () => dataplaneHealth(report, 90_000);
  programOf = (name) => (name === "ipset" ? "false" : name);
  const begun = felix.begin();
  await expect.poll(() => report.failure).toContain("Cannot run");
  expect(health()).toMatchObject({ live: true, ready: false, detail: expect.stringContaining("the last pass failed") });
  programOf = (name) => name;
  await begun;
  expect(health()).toEqual({ live: true, ready: true, detail: "the kernel holds a plan" });
  const text = await registry.metrics();
  expect(text).toMatch(/^felix_int_dataplane_failures [1-9]/m);
  expect(text).toMatch(/^felix_ipset_errors [1-9]/m);
});
