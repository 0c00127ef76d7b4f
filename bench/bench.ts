import type { Figures, Targets } from "./report.ts";

/** One benchmark. It cleans up after itself, also when it fails. */
export interface Bench {
  readonly targets: Targets;
  /** By figure, what it can be compared with. */
  readonly comparison: Readonly<Record<string, string>>;
  run(options: BenchOptions): Promise<Figures>;
}

/** How a benchmark is run. */
export interface BenchOptions {
  /** Within two minutes, at the price of accuracy. */
  readonly quick: boolean;
  /** Takes a line for the person who waits. */
  readonly progress: (line: string) => void;
  /** Where to leave CPU profiles of the processes of ours that are measured. Figures are of no use then. */
  readonly profileFolder?: string | undefined;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
}
