import type { Figures } from "./report.ts";

/** The value that so large a share (0 to 1) of the values does not exceed. Throws when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error("Cannot summarise measurements: there are none");
  return value;
}

/** The middle one of an odd number of values, the mean of the two in the middle of an even number. */
export function median(values: readonly number[]): number {
  const negated = values.map((value) => -value);
  return (quantile(values, 0.5) - quantile(negated, 0.5)) / 2;
}

/** Each figure's median over the rounds that have it. */
export function medianOf(rounds: readonly Figures[]): Figures {
  const names = new Set(rounds.flatMap((round) => Object.keys(round)));
  return Object.fromEntries([...names].map((name) => [name, median(rounds.flatMap((round) => round[name] ?? []))]));
}
