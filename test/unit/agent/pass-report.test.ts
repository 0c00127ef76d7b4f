import { pino } from "pino";
import { Registry } from "prom-client";
import { beforeEach, expect, test } from "vitest";
import { FelixMetrics } from "../../../src/agent/metrics/felix-metrics.ts";
import type { AppliedPass } from "../../../src/agent/pass-observer.ts";
import { PassReport, type ToldPass } from "../../../src/agent/pass-report.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import { defaultRenderOptions } from "../../../src/felix/render/options.ts";
import { render } from "../../../src/felix/render/render.ts";
import { smallPlan } from "../felix/small-plan.ts";

const pass: AppliedPass = { plan: smallPlan, state: render(smallPlan, defaultRenderOptions) };

let now: number;
let lines: { readonly msg: string; readonly level: number; readonly [fact: string]: unknown }[];
let applied: ToldPass[];
let report: PassReport;
let metrics: FelixMetrics;
let registry: Registry;

beforeEach(() => {
  now = 1000;
  lines = [];
  applied = [];
  registry = new Registry();
  metrics = new FelixMetrics(registry);
  report = new PassReport({
    clock: { monotonicNow: () => now },
    logger: pino({ level: "debug" }, { write: (line: string) => lines.push(JSON.parse(line)) }),
    isToldOfWrites: true,
    onReceived: metrics.received,
    onApplied: (told) => {
      applied.push(told);
      metrics.applied(told);
    },
    onFailed: metrics.failed,
  });
});

/** What is gone is a change too. */
const changed = (kind: Change["kind"], ...keys: readonly string[]) =>
  keys.map((key) => ({ kind, key, value: undefined }) as Change);

const info = 30;
const debug = 20;

test("a line for a pass says what it wrote and why", () => {
  report.received(changed("pod", "a/1", "a/2", "a/3", "a/4", "a/5", "a/6"), now);
  report.received([...changed("networkPolicy", "shop/web"), ...changed("lease", "x/y")], now);
  report.began();
  report.wrote({ chains: 1, rules: 2, sets: 0 });
  report.wrote({ rules: 3, routesRemoved: 1 });
  now += 12.3456;
  report.applied(pass);
  expect(lines).toEqual([
    expect.objectContaining({
      ...{ msg: "the kernel holds the plan", level: info, ms: 12.35 },
      ...{ written: { chains: 1, rules: 5, routesRemoved: 1 }, changes: { pod: 6, policy: 1 }, more: 2 },
      objects: ["policy shop/web", "pod a/1", "pod a/2", "pod a/3", "pod a/4"],
      ...{ endpoints: smallPlan.endpoints.size, policies: smallPlan.policies.size, sets: pass.state.sets.size },
    }),
  ]);
});

test("a pass that writes nothing is told at debug, and what is tidied up at info", () => {
  report.began();
  report.applied(pass);
  report.received(changed("pod", "a/1"), now);
  report.began();
  report.idled();
  report.began();
  report.wrote({ setsRemoved: 2 });
  report.idled();
  expect(lines.map(({ msg, level }) => [msg, level])).toEqual([
    ["the kernel holds the plan", debug],
    ["the changes are nothing to this node", debug],
    ["the kernel is rid of what nothing uses any more", info],
  ]);
  expect(lines[2]).toMatchObject({ written: { setsRemoved: 2 } });
});

test("the line is short whatever comes, and whatever waits is bounded", () => {
  for (let n = 0; n < 20_000; n++) report.received(changed("globalNetworkPolicy", `${n}${"x".repeat(2000)}`), now);
  report.began();
  report.applied(pass);
  expect(JSON.stringify(lines).length).toBeLessThan(3000);
  expect(lines[0]).toMatchObject({ more: 19_995 });
  expect(applied[0]?.causes.arrivals.length).toBe(10_000);
});

test("what came before a pass that failed, and what came then, is the next one's", () => {
  report.received(changed("tier", "one"), 900);
  report.began();
  report.received(changed("networkPolicy", "shop/late"), 950);
  expect(report.runningMs).toBe(0);
  now += 50;
  expect(report.runningMs).toBe(50);
  report.failed(new Error("no memory"));
  expect([report.runningMs, report.failure, report.hasApplied]).toEqual([undefined, "no memory", false]);
  report.began();
  report.applied(pass);
  expect([report.failure, report.hasApplied, report.inForce]).toEqual([undefined, true, pass]);
  expect(applied[0]?.causes.arrivals).toEqual([
    { kind: "tier", at: 900 },
    { kind: "policy", at: 950 },
  ]);
  report.began();
  report.idled();
  expect(lines.at(-1)).toMatchObject({ changes: {} });
});

test("who waits is measured from when the changes came to the kernel's word, but for the first pass", async () => {
  report.received(changed("networkPolicy", "shop/first"), 0);
  report.began();
  report.applied(pass);
  report.received(changed("networkPolicy", "shop/a", "shop/b"), now - 15);
  report.received(changed("pod", "shop/a"), now - 1);
  report.began();
  now += 4;
  report.wrote({ rules: 7, membersRemoved: 3 });
  report.applied(pass);
  report.began();
  report.failed(new Error("no memory"));
  const text = (await registry.metrics()).split("\n");
  for (const line of [
    'margay_policy_programming_seconds_bucket{le="0.01",kind="policy"} 0',
    'margay_policy_programming_seconds_bucket{le="0.02",kind="policy"} 1',
    'margay_policy_programming_seconds_count{kind="policy"} 1',
    'margay_policy_programming_seconds_bucket{le="0.005",kind="pod"} 1',
    'felix_int_dataplane_messages{type="policy"} 3',
    'felix_calc_graph_updates_processed{type="networkPolicy"} 3',
    'felix_calc_graph_updates_processed{type="pod"} 1',
    "felix_int_dataplane_apply_time_seconds_count 2",
    "felix_int_dataplane_failures 1",
    'margay_apply_written_sum{what="rules"} 7',
    'margay_apply_removed_total{what="members"} 3',
  ]) {
    expect(text).toContain(line);
  }
});

test("without word of what is written, every pass is taken to have written", () => {
  const logger = pino({ level: "debug" }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const deaf = new PassReport({ clock: { monotonicNow: () => now }, logger, isToldOfWrites: false });
  deaf.began();
  deaf.applied(pass);
  expect(lines.map(({ level }) => level)).toEqual([info]);
});
