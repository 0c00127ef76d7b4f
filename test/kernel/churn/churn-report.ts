import type { BackendFigures } from "./churn-meter.ts";
import type { ChurnFindings, ChurnSample } from "./felix-churn.ts";
import type { HeldResources } from "./held-resources.ts";

/** What is there of the process at its end that was not there at its beginning: nothing, if all is well. */
export interface LeftBehind {
  readonly files: readonly string[];
  readonly children: number;
  readonly timers: number;
}

/** All that a churn has come to. */
export interface ChurnReport extends Omit<ChurnFindings, "told"> {
  readonly left: LeftBehind;
  readonly problems: Readonly<Record<string, number>>;
  readonly errors: readonly string[];
  readonly repaired: Readonly<Record<string, number>>;
  readonly passes: number;
}

/** How much larger the heap of the last quarter may be than that of the second: they are not of the same policies. */
const heapGrowth = 1.15;

/**
 * Of iptables each family has a program that is kept running, with three pipes, unless it has just ended; and what is to be done
 * later may be due at every one of few moments.
 */
const slack = { fds: 6, children: 2, timers: 2 };

/** In a sentence, when the last quarter's heap is more than 15 % over that of the second. */
export function grownHeap(samples: readonly ChurnSample[]): readonly string[] {
  const [before, after] = [meanHeap(ofQuarter(samples, 1)), meanHeap(ofQuarter(samples, 3))];
  const heap = `the heap has grown from ${before.toFixed(1)} to ${after.toFixed(1)} MB`;
  return after > before * heapGrowth ? [heap] : [];
}

/** A sentence each for descriptors, children and timers of a backend that are more in the last quarter than in the second. */
export function grownCounts(samples: readonly ChurnSample[]): readonly string[] {
  const found: string[] = [];
  for (const [backend, ofBackend] of Map.groupBy(ofQuarter(samples, 3), (one) => one.backend)) {
    const earlier = ofQuarter(samples, 1).filter((one) => one.backend === backend);
    for (const what of ["fds", "children", "timers"] as const) {
      const [before, after] = [least(earlier, what), least(ofBackend, what)];
      if (after > before + slack[what]) found.push(`${what} with ${backend} have grown from ${before} to ${after}`);
    }
  }
  return found;
}

/** Everything that is not as it should be, a sentence each. */
export function faultsOf({ samples, grown, newcomers, left }: ChurnReport): readonly string[] {
  const writes = Object.entries(newcomers).flatMap(([backend, lines]) =>
    lines.map((line) => `a newcomer with ${backend} has something to do: ${line}`),
  );
  const collections = grown.map(
    ({ kind, from, to, last }) => `a ${kind} has grown from ${from} to ${to}: ${last.join(", ")}`,
  );
  return [...grownHeap(samples), ...grownCounts(samples), ...collections, ...writes, ...leftOf(left)];
}

/** What is left at the end, a sentence each. */
export function leftOf({ files, children, timers }: LeftBehind): readonly string[] {
  return [
    ...files.map((file) => `left open: ${file}`),
    ...(children > 0 ? [`children left: ${children}`] : []),
    ...(timers > 0 ? [`timers left: ${timers}`] : []),
  ];
}

/** A line for people. */
export function sampleText({ changes, backend, heapMb, rssMb, fds, children, timers }: ChurnSample): string {
  const memory = `heap ${heapMb.toFixed(1)} MB, RSS ${rssMb.toFixed(0)} MB`;
  return `${changes} changes, ${backend}: ${memory}, descriptors ${fds}, children ${children}, timers ${timers}`;
}

/** Lines for people. */
export function reportText(report: ChurnReport): readonly string[] {
  const { samples, figures, sizes, mutations, repaired, passes, problems, errors } = report;
  const counts = (all: Readonly<Record<string, number>>) =>
    Object.entries(all)
      .map(([what, count]) => `${what} ${count}`)
      .join(", ");
  const quarters = [0, 1, 2, 3].map((index) => meanHeap(ofQuarter(samples, index)).toFixed(1));
  return [
    `at first policy chains ${sizes.policyChains}, sets ${sizes.sets} with ${sizes.members} members; passes that changed something ${passes}`,
    ...Object.entries(figures).map(([backend, one]) => `${backend}: ${figuresText(one)}`),
    `heap by quarter: ${quarters.join(", ")} MB`,
    `changed by others ${mutations}; put right: ${counts(repaired)}`,
    `warnings and errors: ${counts(problems)}`,
    ...errors.map((line) => `one of the last errors: ${line}`),
  ];
}

// --- internal ---

function figuresText({ changes, batches, p50Ms, p99Ms, own, children, wall }: BackendFigures): string {
  const each = (ms: number) => (ms / changes).toFixed(2);
  const cpu = `CPU per change ${each(own)} ms here, ${each(children)} in programs`;
  return `${changes} changes in ${batches} batches, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms; ${cpu}; ${(wall / 1000).toFixed(0)} s`;
}

function ofQuarter(samples: readonly ChurnSample[], index: number): readonly ChurnSample[] {
  return samples.filter(({ quarter }) => quarter === index);
}

function meanHeap(samples: readonly ChurnSample[]): number {
  return samples.reduce((sum, { heapMb }) => sum + heapMb, 0) / samples.length;
}

function least(samples: readonly ChurnSample[], what: keyof HeldResources): number {
  return Math.min(...samples.map((one) => one[what]));
}
