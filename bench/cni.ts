/**
 * How long a runtime waits for ADD and DEL (docs/benchmarks.md), with N executions at once:
 *
 *     ours    calico ─▶ agent ─▶ kernel, API server                add_p50_ms_N …
 *     peer    ptp, host-local ─▶ kernel                            ptp_add_p50_ms_N …
 *     floor   ip -batch ─▶ kernel                                  floor_ms_N
 *
 * A round measures these beside one another, so that their ratios hold on a machine that has other work too.
 */
import type { Bench, BenchOptions } from "./bench.ts";
import { readTraces, requireNoTrace } from "./cni/leftovers.ts";
import { type Level, runLevel } from "./cni/level.ts";
import { startCniRig } from "./cni/rig.ts";
import type { Figures } from "./report.ts";
import { medianOf } from "./statistics.ts";

export const cniBench: Bench = {
  targets: {
    add_p50_vs_ptp: { max: 1.5 },
    burst50_vs_ptp: { max: 1 },
    api_calls_per_add: { max: 3 },
  },
  comparison: {
    add_p50_ms: "upstream on such a machine: 159",
    add_p50_vs_ptp: "upstream on such a machine: 20",
    add_total_ms_10: "upstream on such a machine: 5600",
    add_total_ms_50: "upstream on such a machine: 5600",
    burst50_vs_ptp: "upstream on such a machine: 17",
    api_calls_per_add: "upstream: 20",
  },
  run,
};

// --- internal ---

interface Effort {
  readonly rounds: number;
  readonly levels: readonly Level[];
}

const burst: Level = { concurrency: 50, count: 50 };

const quickEffort: Effort = {
  rounds: 2,
  levels: [{ concurrency: 1, count: 20 }, { concurrency: 10, count: 50 }, { concurrency: 20, count: 60 }, burst],
};

const fullEffort: Effort = {
  rounds: 9,
  levels: [{ concurrency: 1, count: 60 }, { concurrency: 10, count: 60 }, { concurrency: 20, count: 60 }, burst],
};

async function run({ quick, progress, signal, profileFolder }: BenchOptions): Promise<Figures> {
  const { rounds, levels } = quick ? quickEffort : fullEffort;
  progress("starting an API server, a node with our agent, and one without");
  const pods = Math.max(...levels.map(({ count }) => count));
  await using rig = await startCniRig({ pods, signal, profileFolder });
  const found: Figures[] = [];
  // The first round opens connections, claims blocks and compiles what is hot.
  for (let round = 0; round <= rounds; round++) {
    progress(round === 0 ? "warming up" : `round ${round} of ${rounds}`);
    const before = await readTraces(rig);
    for (const level of levels) {
      const figures = await runLevel(rig, { ...level, round, signal });
      if (round > 0) found.push(namedFor(level, figures));
    }
    await requireNoTrace(rig, before, signal);
  }
  return withHeadlines(medianOf(found));
}

function namedFor({ concurrency }: Level, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${name}_${concurrency}`, value]));
}

/** The figures that have a name of their own: those one at a time, and what the largest burst takes. */
function withHeadlines(figures: Figures): Figures {
  const headlines = {
    ...{
      add_p50_ms: "add_p50_ms_1",
      add_p99_ms: "add_p99_ms_1",
      del_p50_ms: "del_p50_ms_1",
      floor_ms: "floor_p50_ms_1",
    },
    ...{ add_p50_vs_ptp: "add_p50_vs_ptp_1", burst50_vs_ptp: "add_total_vs_ptp_50" },
    api_calls_per_add: "api_calls_per_add_1",
  };
  const found = Object.entries(headlines).map(([name, from]) => [name, figures[from] ?? Number.NaN]);
  return { ...Object.fromEntries(found), ...figures };
}
