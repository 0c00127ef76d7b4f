import { Gauge, type Registry } from "prom-client";
import type { Snapshot } from "../../api/snapshot.ts";
import type { NodePlan } from "../../felix/calc/plan.ts";
import { policyKinds } from "../../felix/calc/policy-kinds.ts";
import type { DesiredState, Table } from "../../felix/render/desired-state.ts";

/** What Felix holds, and is asked for when somebody asks for metrics. */
export interface FelixState {
  readonly node: string;
  readonly snapshot: Snapshot;
  /** What the kernel has acknowledged last; undefined before the first time. */
  readonly inForce: () => { readonly plan: NodePlan; readonly state: DesiredState } | undefined;
  readonly backend: () => "iptables" | "nftables";
  /** `waiting`: the API server has not answered yet; `syncing`: not everything has been read. */
  readonly sync: () => "waiting" | "syncing" | "in sync";
  /** Rules of ours, or of others, were found in the variant of iptables that is not used: 1, else 0. */
  readonly hasConflictingVariants: () => boolean;
}

/** Registers the figures that tell how much there is, in upstream's names. Each is worked out when it is asked for. */
export function collectFelixState(registry: Registry, state: FelixState): void {
  collectSizes(registry, state);
  collectTables(registry, state);
  const host = "Always 1; its label is the name of the node.";
  gauge(registry, { name: "felix_host", help: host, labels: ["host"] }, (set) => set({ host: state.node }, 1));
  collected(registry, "felix_resync_state", "1: waits for the API server, 2: reads everything, 3: in sync.", () => {
    return { waiting: 1, syncing: 2, "in sync": 3 }[state.sync()];
  });
  const variants = "1 when rules stand in both variants of iptables, so that packets meet both; else 0.";
  collected(registry, "margay_conflicting_iptables_variants", variants, () => Number(state.hasConflictingVariants()));
}

// --- internal ---

function collectSizes(registry: Registry, { snapshot, inForce }: FelixState): void {
  const local = (name: string, help: string, count: (plan: NodePlan) => number) =>
    collected(registry, `felix_active_local_${name}`, help, () => {
      const plan = inForce()?.plan;
      return plan === undefined ? 0 : count(plan);
    });
  local("endpoints", "Endpoints of this node, its own interfaces' included, as the kernel holds them.", (plan) => {
    return plan.endpoints.size + plan.hostEndpoints.size;
  });
  local("policies", "Policies that some endpoint of this node has.", ({ policies }) => policies.size);
  local("selectors", "Sets that some policy above refers to.", ({ sets }) => sets.size);
  const cluster = (name: string, help: string, count: () => number) =>
    collected(registry, `felix_cluster_num_${name}`, help, count);
  cluster("hosts", "Nodes of the cluster.", () => snapshot.node.size);
  cluster("host_endpoints", "HostEndpoints of the cluster.", () => snapshot.hostEndpoint.size);
  cluster("workload_endpoints", "Pods of the cluster that have addresses of their own.", () => countPods(snapshot));
  cluster("policies", "Policies of the cluster, of every kind, staged ones too.", () =>
    policyKinds.reduce((sum, { kind }) => sum + snapshot[kind].size, 0),
  );
  cluster("profiles", "Namespaces and service accounts of the cluster.", () => {
    return snapshot.namespace.size + snapshot.serviceAccount.size;
  });
  cluster("tiers", "Tiers of the cluster.", () => snapshot.tier.size);
}

function collectTables(registry: Registry, { inForce, backend }: FelixState): void {
  const tables = ["ip_version", "table"] as const;
  const versions = ["ip_version"] as const;
  const held = (name: "iptables" | "nft") => {
    const isUsed = backend() === (name === "nft" ? "nftables" : "iptables");
    return isUsed ? inForce()?.state : undefined;
  };
  for (const name of ["iptables", "nft"] as const) {
    const perTable = (what: string, help: string, count: (table: Table) => number) =>
      gauge(registry, { name: `felix_${name}_${what}`, help, labels: tables }, (set) => {
        for (const table of held(name)?.tables.values() ?? []) {
          set({ ip_version: `IPv${table.version}`, table: table.name }, count(table));
        }
      });
    perTable("chains", "Chains of ours, by family and table.", ({ chains }) => chains.size);
    perTable("rules", "Rules of ours, by family and table.", countRules);
    const sets = name === "nft" ? "felix_nft_sets" : "felix_ipsets_calico";
    gauge(registry, { name: sets, help: "Sets of ours, by family.", labels: versions }, (set) => {
      for (const [version, ofVersion] of Map.groupBy(held(name)?.sets.values() ?? [], (one) => one.version)) {
        set({ ip_version: `IPv${version}` }, ofVersion.length);
      }
    });
  }
  gauge(registry, { name: "felix_nft_maps", help: "Verdict maps of ours, by family.", labels: versions }, (set) => {
    const sizes = new Map<string, number>();
    for (const { version, maps } of held("nft")?.tables.values() ?? []) {
      sizes.set(`IPv${version}`, (sizes.get(`IPv${version}`) ?? 0) + (maps?.size ?? 0));
    }
    for (const [version, size] of sizes) set({ ip_version: version }, size);
  });
  const routes = "Routes to endpoints of this node.";
  gauge(registry, { name: "felix_route_table_num_routes", help: routes, labels: ["table"] }, (set) => {
    set({ table: "main" }, inForce()?.state.routes.size ?? 0);
  });
}

function countRules({ chains, hooks }: Table): number {
  let count = 0;
  for (const rules of chains.values()) count += rules.length;
  for (const { inserted, appended } of hooks.values()) count += inserted.length + appended.length;
  return count;
}

function countPods({ pod }: Snapshot): number {
  let count = 0;
  for (const { ips, hostNetwork, finished } of pod.values()) if (!hostNetwork && !finished && ips.length > 0) count++;
  return count;
}

function collected(registry: Registry, name: string, help: string, value: () => number): void {
  gauge(registry, { name, help, labels: [] }, (set) => set({}, value()));
}

interface GaugeText<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly L[];
}

/** What it had before goes each time. */
function gauge<L extends string>(
  registry: Registry,
  { name, help, labels }: GaugeText<L>,
  collect: (set: (labels: Record<L, string>, value: number) => void) => void,
): void {
  const one: Gauge<L> = new Gauge({
    ...{ name, help, labelNames: labels, registers: [registry] },
    collect() {
      one.reset();
      collect((labels, value) => one.labels(labels).set(value));
    },
  });
}
