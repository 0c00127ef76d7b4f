/**
 * What policy costs one node's calculator, apart from rendering and the kernel (docs/benchmarks.md), by the size of the
 * cluster:
 *
 *     all objects ─▶ NodeCalculator ─▶ first plan      first_N_s rss_N_mb
 *     one change  ─▶ the same one   ─▶ next plan       edit_p99_ms pod_add_p99_ms label_flip_p99_ms …
 *
 * Each size has a process of its own, several times over with the very same changes: a change costs the median of those,
 * so that what else the machine does at one moment is not taken for a cost.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Bench, BenchOptions } from "./bench.ts";
import { type PlotLabels, plotOf, type Series } from "./plot.ts";
import type { Measured, MeasureRequest } from "./policy/measure.ts";
import type { Figures } from "./report.ts";
import { median, quantile } from "./statistics.ts";

export const policyBench: Bench = {
  targets: {
    first_100k_s: { max: 6 },
    rss_100k_mb: { max: 1500 },
    edit_p99_ms: { max: 2 },
    pod_add_p99_ms: { max: 2 },
    label_flip_p99_ms: { max: 2 },
  },
  comparison: {
    rss_100k_mb: "peak of the process, objects_100k_mb of it the cluster's objects themselves",
  },
  run,
};

// --- internal ---

const sizes = [1_000, 3_000, 10_000, 30_000, 100_000];
const largest = 100_000;
const rounds = 3;

/** One size, over all rounds. */
interface Found {
  readonly pods: number;
  readonly figures: Figures;
}

async function run({ quick, progress, profileFolder, signal }: BenchOptions): Promise<Figures> {
  const found: Found[] = [];
  for (const pods of sizes) {
    const measured: Measured[] = [];
    for (let round = 1; round <= rounds; round++) {
      progress(`${pods} pods: round ${round} of ${rounds}`);
      measured.push(await measure({ pods, changes: quick ? 1000 : 5000 }, { profileFolder, signal }));
    }
    found.push({ pods, figures: figuresOf(measured) });
  }
  for (const file of await drawAll(found)) progress(`drawn: ${file}`);
  return { ...largestFigures(found), ...growthFigures(found) };
}

type ProcessOptions = Pick<BenchOptions, "profileFolder" | "signal">;

async function measure(request: MeasureRequest, { profileFolder, signal }: ProcessOptions): Promise<Measured> {
  const profile = profileFolder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`];
  const script = fileURLToPath(new URL("./policy/measure.ts", import.meta.url));
  const argv = ["--expose-gc", ...profile, script, JSON.stringify(request)];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"], signal });
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, "close")]);
  if (exitCode !== 0)
    throw new Error(`Cannot measure ${request.pods} pods: the process ended with exit code ${exitCode}`);
  return JSON.parse(output) as Measured;
}

function figuresOf(rounds: readonly Measured[]): Figures {
  const [first] = rounds;
  if (first === undefined) throw new Error("Cannot summarise a size: it was not measured");
  const changes = Object.keys(first.changesMs).map((kind): Figures => {
    const ms = changeTimes(rounds.map(({ changesMs }) => changesMs[kind as keyof Measured["changesMs"]]));
    return { [`${kind}_p50_ms`]: quantile(ms, 0.5), [`${kind}_p99_ms`]: quantile(ms, 0.99) };
  });
  return {
    first_s: median(rounds.map(({ firstS }) => firstS)),
    rss_mb: median(rounds.map(({ peakRssMb }) => peakRssMb)),
    objects_mb: median(rounds.map(({ inputMb }) => inputMb)),
    local_policies: first.localPolicies,
    local_sets: first.localSets,
    local_members: first.localMembers,
    ...Object.assign({}, ...changes),
  };
}

/** Each change's median over the rounds. */
function changeTimes(rounds: readonly (readonly number[])[]): readonly number[] {
  const [first = [], ...rest] = rounds;
  return first.map((ms, index) => median([ms, ...rest.flatMap((round) => round[index] ?? [])]));
}

function largestFigures(found: readonly Found[]): Figures {
  const figures = found.find(({ pods }) => pods === largest)?.figures ?? {};
  const { first_s, rss_mb, objects_mb, ...rest } = figures;
  return {
    first_100k_s: first_s ?? Number.NaN,
    rss_100k_mb: rss_mb ?? Number.NaN,
    objects_100k_mb: objects_mb ?? Number.NaN,
    ...rest,
  };
}

/** How many times as much it is at the largest size as at the smallest. */
function growthFigures(found: readonly Found[]): Figures {
  const [small, large] = [found[0]?.figures, found.at(-1)?.figures];
  const kinds = ["first_s", "edit_p50_ms", "pod_add_p50_ms", "label_flip_p50_ms"];
  return Object.fromEntries(
    kinds.map((kind) => [`${kind}_growth`, (large?.[kind] ?? Number.NaN) / (small?.[kind] ?? Number.NaN)]),
  );
}

async function drawAll(found: readonly Found[]): Promise<readonly string[]> {
  const folder = fileURLToPath(new URL("./out/", import.meta.url));
  await mkdir(folder, { recursive: true });
  const series = (name: string, figure: string, factor = 1): Series => ({
    name,
    points: found.map(({ pods, figures }) => [pods, (figures[figure] ?? Number.NaN) * factor]),
  });
  const changes = ["edit", "pod_add", "label_flip"].flatMap((kind) => [
    series(`${kind} p50`, `${kind}_p50_ms`),
    series(`${kind} p99`, `${kind}_p99_ms`),
  ]);
  const drawings: readonly [string, readonly Series[], PlotLabels][] = [
    ["policy-change.svg", changes, { title: "One change, until the next plan", x: "pods", y: "ms" }],
    ["policy-first.svg", [series("first plan", "first_s")], { title: "First plan", x: "pods", y: "s" }],
    [
      "policy-memory.svg",
      [series("process, peak", "rss_mb"), series("objects alone", "objects_mb")],
      { title: "Memory once the first plan is there", x: "pods", y: "MB" },
    ],
  ];
  for (const [name, lines, labels] of drawings) await writeFile(join(folder, name), plotOf(lines, labels));
  return drawings.map(([name]) => join(folder, name));
}
