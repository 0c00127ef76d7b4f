/**
 * How long a change takes from the API server to the kernel of a node with a hundred pods (docs/benchmarks.md), by the number of
 * pods and policies in the cluster, with either backend:
 *
 *     PUT of a policy ─▶ API server ─▶ agent ─▶ rule in the kernel      policy_p50_ms … heard_p50_ms: another watcher hears of it
 *     PATCH of a label ─▶ API server ─▶ agent ─▶ member in the kernel    label_p50_ms …
 *     starting a program for one such change                            spawn_p50_ms: the floor of what works that way
 */
import type { Bench, BenchOptions } from "./bench.ts";
import { spawnFloor } from "./programming/floors.ts";
import { type Backend, type ProgrammingRig, startProgrammingRig } from "./programming/rig.ts";
import type { Figures } from "./report.ts";
import { median, quantile } from "./statistics.ts";

const backends: readonly Backend[] = ["iptables", "nft"];
const largest = 10_000;

export const programmingBench: Bench = {
  targets: Object.assign(
    {},
    ...backends.map((one) => ({
      [`${one}_policy_p50_ms`]: { max: 10 },
      [`${one}_policy_p99_ms`]: { max: 50 },
      [`${one}_label_p99_ms`]: { max: 20 },
      [`${one}_insync_10k_s`]: { max: 2 },
      [`${one}_rss_10k_mb`]: { max: 200 },
      [`${one}_churn100_p99_ms`]: { max: 500 },
    })),
  ),
  comparison: {
    iptables_policy_p50_ms: "upstream on such a machine: 71 (34 in an empty cluster)",
    iptables_policy_p99_ms: "upstream: 354 (45 in an empty cluster)",
    iptables_policy_cpu_ms: "upstream: 79",
    iptables_label_p50_ms: "upstream: 23",
    iptables_label_p99_ms: "upstream: 60",
    iptables_insync_10k_s: "upstream: 2.3",
    iptables_rss_10k_mb: "upstream: 126, peak 191",
    iptables_idle_cpu_ms_per_s: "upstream: 24",
    nft_policy_p50_ms: "upstream: 27 (21 in an empty cluster)",
    nft_policy_cpu_ms: "upstream: 24",
  },
  run,
};

// --- internal ---

async function run({ quick, progress, signal }: BenchOptions): Promise<Figures> {
  const sizes = quick ? [largest] : [0, 1000, largest];
  progress("starting an API server, and a node with our agent");
  await using rig = await startProgrammingRig(largest, signal);
  const figures: Record<string, number> = {};
  let isWired = false;
  for (const size of sizes) {
    progress(`making ${size} pods and policies`);
    await rig.grow(size);
    for (const backend of backends) {
      progress(`${size} pods and policies: ${backend}`);
      await rig.restart(backend);
      if (!isWired) await rig.wirePods();
      isWired = true;
      Object.assign(
        figures,
        named(backend, size, await figuresOf(rig, { backend, quick, isLargest: size === largest })),
      );
    }
  }
  return figures;
}

interface Effort {
  readonly backend: Backend;
  readonly quick: boolean;
  readonly isLargest: boolean;
}

async function figuresOf(rig: ProgrammingRig, { backend, quick, isLargest }: Effort): Promise<Figures> {
  const starts: number[] = [];
  for (let round = 0; round < (quick ? 2 : 3); round++) starts.push((await rig.restart(backend)).inSyncMs);
  const changes = quick ? 100 : 200;
  const policies = await rig.work("policies", changes);
  const labels = await rig.work("labels", changes);
  const idle = await idleCpu(rig);
  const churn = isLargest ? await rig.work("churn", 0) : undefined;
  const { nowMb, peakMb } = await rig.memory();
  const spawned = await spawnFloor(rig.netns, backend, 20);
  return {
    ...quantiles("policy", policies.measured["policy"] ?? []),
    ...quantiles("heard", policies.measured["heard"] ?? []),
    policy_cpu_ms: (policies.agentCpuMs - (idle * policies.tookMs) / 1000) / changes,
    ...quantiles("label", labels.measured["label"] ?? []),
    ...(churn === undefined ? {} : churnFigures(churn.measured, churn.agentCpuMs / churn.tookMs)),
    idle_cpu_ms_per_s: idle,
    insync_s: median(starts) / 1000,
    rss_mb: nowMb,
    rss_peak_mb: peakMb,
    spawn_p50_ms: quantile(spawned, 0.5),
  };
}

function churnFigures(measured: Readonly<Record<string, readonly number[]>>, cores: number): Figures {
  const perSecond = ((measured["changed"]?.[0] ?? 0) * 1000) / (measured["tookMs"]?.[0] ?? 1);
  return { ...quantiles("churn100", measured["policy"] ?? []), churn100_cores: cores, churn100_pods_per_s: perSecond };
}

function quantiles(name: string, values: readonly number[]): Figures {
  return { [`${name}_p50_ms`]: quantile(values, 0.5), [`${name}_p99_ms`]: quantile(values, 0.99) };
}

/** Milliseconds a second, once what the last work has left behind is cleared away. */
async function idleCpu(rig: ProgrammingRig): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const [before, begun] = [await rig.cpuMs(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 5000));
  return ((await rig.cpuMs()) - before) / ((performance.now() - begun) / 1000);
}

/** The largest size's figures are those that have targets. */
function named(backend: Backend, size: number, figures: Figures): Figures {
  const isLargest = size === largest;
  const of10k = ["insync_s", "rss_mb", "rss_peak_mb"];
  const nameOf = (name: string) => {
    if (!isLargest) return `${backend}_${name.replace(/_(ms|s|mb|ms_per_s)$/, `_${size}_$1`)}`;
    return `${backend}_${of10k.includes(name) ? name.replace(/_(s|mb)$/, "_10k_$1") : name}`;
  };
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [nameOf(name), value]));
}
