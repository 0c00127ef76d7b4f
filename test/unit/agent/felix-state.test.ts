import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { FelixMetrics } from "../../../src/agent/metrics/felix-metrics.ts";
import { collectFelixState, type FelixState } from "../../../src/agent/metrics/felix-state.ts";
import { collectProcessMetrics } from "../../../src/agent/metrics/process-metrics.ts";
import { parsePod } from "../../../src/api/kubernetes/pod.ts";
import { type NodeName, namespacedName } from "../../../src/api/names.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import { defaultRenderOptions } from "../../../src/felix/render/options.ts";
import { render } from "../../../src/felix/render/render.ts";
import { smallPlan } from "../felix/small-plan.ts";

const state = render(smallPlan, defaultRenderOptions);
const held = { plan: smallPlan, state };

async function linesOf(parts: Partial<FelixState>): Promise<readonly string[]> {
  const registry = new Registry();
  collectFelixState(registry, {
    ...{ node: "node-1", snapshot: emptySnapshot(), inForce: () => held, backend: () => "iptables" },
    ...{ sync: () => "in sync", hasConflictingVariants: () => true },
    ...parts,
  });
  return (await registry.metrics()).split("\n");
}

test("what the kernel holds is counted by family and table, under the names of the backend in use", async () => {
  const table = state.tables.get("4/filter");
  const chains = table?.chains.size;
  const sets = [...state.sets.values()].filter(({ version }) => version === 6).length;
  const iptables = await linesOf({});
  expect(chains).toBeGreaterThan(5);
  for (const line of [
    `felix_active_local_endpoints ${smallPlan.endpoints.size + smallPlan.hostEndpoints.size}`,
    `felix_active_local_policies ${smallPlan.policies.size}`,
    `felix_iptables_chains{ip_version="IPv4",table="filter"} ${chains}`,
    `felix_ipsets_calico{ip_version="IPv6"} ${sets}`,
    `felix_route_table_num_routes{table="main"} ${state.routes.size}`,
    'felix_host{host="node-1"} 1',
    "felix_resync_state 3",
    "margay_conflicting_iptables_variants 1",
  ]) {
    expect(iptables).toContain(line);
  }
  expect(iptables.filter((line) => line.startsWith("felix_nft_"))).toEqual([]);
  const nft = await linesOf({ backend: () => "nftables" });
  expect(nft).toContain(`felix_nft_chains{ip_version="IPv4",table="filter"} ${chains}`);
  expect(nft).toContain(`felix_nft_sets{ip_version="IPv6"} ${sets}`);
  expect(nft.filter((line) => line.startsWith("felix_iptables_") || line.startsWith("felix_ipsets"))).toEqual([]);
});

test("the rules of hooks count too", async () => {
  const table = state.tables.get("4/filter");
  const rules =
    [...(table?.chains.values() ?? [])].flat().length +
    [...(table?.hooks.values() ?? [])].flatMap(({ inserted, appended }) => [...inserted, ...appended]).length;
  expect(await linesOf({})).toContain(`felix_iptables_rules{ip_version="IPv4",table="filter"} ${rules}`);
});

test("before the first plan there is nothing, and the cluster is what the snapshot says", async () => {
  const pod = (name: string, status: object, spec: object = {}) => {
    const value = parsePod({ metadata: { name, namespace: "shop", uid: name }, spec, status });
    return [namespacedName("shop", name), value] as const;
  };
  const podIPs = [{ ip: "10.0.0.1" }];
  const snapshot = {
    ...emptySnapshot(),
    pod: new Map([
      pod("one", { podIPs }),
      pod("none", {}),
      pod("host", { podIPs }, { hostNetwork: true }),
      pod("done", { podIPs, phase: "Succeeded" }),
    ]),
    node: new Map([["node-1" as NodeName, {} as never]]),
    namespace: new Map([["shop", {} as never]]),
    tier: new Map([["default", {} as never]]),
    stagedNetworkPolicy: new Map([[namespacedName("shop", "a"), {} as never]]),
  };
  const lines = await linesOf({ snapshot, inForce: () => undefined, sync: () => "waiting" });
  for (const line of [
    "felix_active_local_endpoints 0",
    "felix_cluster_num_workload_endpoints 1",
    "felix_cluster_num_hosts 1",
    "felix_cluster_num_policies 1",
    "felix_cluster_num_profiles 1",
    "felix_cluster_num_tiers 1",
    "felix_resync_state 1",
  ]) {
    expect(lines).toContain(line);
  }
});

test("calls, lines and waits are counted under upstream's names", async () => {
  const registry = new Registry();
  const metrics = new FelixMetrics(registry);
  const lines = new Map([["filter", 7]]);
  metrics.called({ what: "iptables-restore", version: 6, ms: 20, failed: false, started: true, lines });
  metrics.called({ what: "iptables-restore", version: 4, ms: 1, failed: true, started: false, lines: new Map() });
  metrics.called({ what: "set-netlink", ms: 1, failed: false, started: false, lines: new Map([["", 5]]) });
  metrics.called({ what: "other", ms: 1, failed: true, started: true, lines: new Map() });
  metrics.called({ what: "nft", ms: 1, failed: true, started: false, lines: new Map() });
  metrics.waitedForLock(4, 5_000);
  metrics.repaired("rules", 2);
  metrics.resyncStarted();
  metrics.logFailed();
  const text = (await registry.metrics()).split("\n");
  for (const line of [
    "felix_iptables_restore_calls 2",
    "felix_iptables_restore_errors 1",
    'felix_iptables_lines_executed{ip_version="IPv6",table="filter"} 7',
    "felix_ipset_calls 1",
    "felix_ipset_errors 0",
    "felix_ipset_lines_executed 5",
    "felix_nft_errors 1",
    "felix_exec_time_micros_count 2",
    "felix_exec_time_micros_sum 21000",
    'margay_iptables_lock_wait_seconds_bucket{le="5",ip_version="IPv4"} 1',
    'margay_drift_repairs_total{part="rules"} 2',
    'margay_drift_repairs_total{part="sets"} 0',
    "felix_resyncs_started 1",
    "felix_log_errors 1",
  ]) {
    expect(text).toContain(line);
  }
});

test("figures of the process are there as they are wanted", async () => {
  const names = async (wanted: { readonly process: boolean; readonly runtime: boolean }) => {
    const registry = new Registry();
    collectProcessMetrics(registry, wanted);
    const text = await registry.metrics();
    return [/^process_resident_memory_bytes \d/m.test(text), /^nodejs_heap_size_used_bytes \d/m.test(text)];
  };
  expect(await names({ process: true, runtime: false })).toEqual([true, false]);
  expect(await names({ process: false, runtime: true })).toEqual([false, true]);
  expect(await names({ process: false, runtime: false })).toEqual([false, false]);
});
