import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { collectBgpState } from "../../../src/agent/bgp/bgp-metrics.ts";
import { HealthBoard } from "../../../src/agent/health/health-board.ts";
import { collectHealth } from "../../../src/agent/health/health-metrics.ts";
import { AgentMetrics } from "../../../src/agent/metrics/agent-metrics.ts";
import { FelixMetrics } from "../../../src/agent/metrics/felix-metrics.ts";
import { collectFelixState } from "../../../src/agent/metrics/felix-state.ts";
import { PolicyCounters } from "../../../src/agent/metrics/policy-counters.ts";
import { collectProcessMetrics } from "../../../src/agent/metrics/process-metrics.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import { systemClock } from "../../../src/host/clock.ts";

const folder = join(import.meta.dirname, "../../../manifests/monitoring");
const read = (name: string) => readFileSync(join(folder, name), "utf8");

/** Names in an expression: of metrics begin so, and functions and labels do not. */
const metricNames = (expr: string) => expr.match(/\b(?:felix|margay|process|nodejs)_[a-z0-9_]+/g) ?? [];

/** Everything that the agent prints, as Prometheus knows it. */
async function printed(): Promise<ReadonlySet<string>> {
  const registry = new Registry();
  const none = async () => 0;
  const metrics = new AgentMetrics(
    {
      ...{ attachments: none, spooledRequests: none, owedReleases: none, closedPolicies: none },
      rejectedObjects: () => new Map(),
    },
    registry,
  );
  new FelixMetrics(registry);
  collectFelixState(registry, {
    ...{ node: "n", snapshot: emptySnapshot(), inForce: () => undefined, backend: () => "iptables" },
    ...{ sync: () => "waiting", hasConflictingVariants: () => false },
  });
  collectHealth(registry, new HealthBoard());
  collectBgpState(registry, () => ({
    observed: { at: 0, daemon: undefined, trouble: undefined, sessions: [] },
    ...{ tracks: { of: () => undefined, reconfigurations: 0 }, configured: undefined },
    nodes: new Map(),
  }));
  collectProcessMetrics(registry, { process: true, runtime: true });
  new PolicyCounters(registry, {
    ...{ mostPolicies: 1, marks: () => ({ accept: 1, pass: 2 }), inForce: () => undefined },
    ...{ clock: systemClock, logger: pino({ level: "silent" }) },
    source: () => ({ read: async () => [], places: () => [] }),
  });
  const { text } = await metrics.print();
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = "", type]) => {
    if (type === "histogram") return [`${name}_bucket`, `${name}_sum`, `${name}_count`];
    return type === "summary" ? [name, `${name}_sum`, `${name}_count`] : [name];
  });
  return new Set(names);
}

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

test("every figure of the dashboard is one that the agent prints", async () => {
  const names = await printed();
  const { panels, templating } = JSON.parse(read("dashboard.json"));
  const exprs = [
    ...panels.flatMap(({ targets }: Panel) => targets.map(({ expr }) => expr)),
    ...templating.list.map(({ query }: { readonly query: string }) => query),
  ];
  const used = new Set<string>(exprs.flatMap(metricNames));
  expect(used.size).toBeGreaterThan(15);
  expect([...used].filter((name) => !names.has(name))).toEqual([]);
  for (const { title, targets } of panels as readonly Panel[]) {
    expect(
      targets.flatMap(({ expr }) => metricNames(expr)),
      title,
    ).not.toEqual([]);
  }
  expect(new Set(panels.map(({ id }: { readonly id: number }) => id)).size).toBe(panels.length);
});

test("every alert asks for what the agent prints, and says what it is about", async () => {
  const names = await printed();
  const [rules] = parseAllDocuments(read("alerts.yaml")).map((one) => one.toJS({}));
  expect(rules.kind).toBe("PrometheusRule");
  const alerts = rules.spec.groups.flatMap((group: { readonly rules: readonly Alert[] }) => group.rules);
  expect(alerts.map(({ alert }: Alert) => alert)).toEqual([
    ...["MargayAgentDown", "MargayNotReady", "MargayApplyFailing", "MargayPolicySlow", "MargayDriftRepeated"],
    ...["MargayConflictingIptablesVariants", "MargayRejectedObjects", "MargayClosedPolicies"],
    ...["MargayBirdDown", "MargayBgpSessionDown", "MargayBgpSessionFlapping", "MargayBgpRejectedObjects"],
  ]);
  for (const { alert, expr, annotations } of alerts as readonly Alert[]) {
    const used = metricNames(expr);
    // `up` is Prometheus' own.
    if (!expr.startsWith("up{")) expect(used, alert).not.toEqual([]);
    expect(
      used.filter((name) => !names.has(name)),
      alert,
    ).toEqual([]);
    expect([annotations.summary, annotations.description], alert).toEqual([
      expect.stringMatching(/./),
      expect.stringMatching(/./),
    ]);
  }
});

test("the ways to be scraped are well-formed", () => {
  const [podMonitor, config] = parseAllDocuments(read("scrape.yaml")).map((one) => one.toJS({}));
  expect(podMonitor).toMatchObject({ kind: "PodMonitor", spec: { podMetricsEndpoints: [{ path: "/metrics" }] } });
  const [jobs] = parseAllDocuments(config.data["scrape.yaml"]).map((one) => one.toJS({}));
  expect(jobs).toMatchObject([{ job_name: "margay-system/margay-agent" }]);
});

// --- internal ---

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly description: string };
}
