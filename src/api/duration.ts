/** Durations as Go writes them (metav1.Duration): decimal numbers, each with a unit, such as `1m30s` or `1.5h`. */

const millisecondsOf: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go's longest: 2^63 nanoseconds, 292 years. */
const longestMs = 2 ** 63 / 1e6;

/** How long `text` says, in milliseconds; 0 needs no unit. Throws a sentence that quotes a text that is none, or negative. */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  const parts = [...text.matchAll(/([0-9]+(?:[.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h)/g)];
  if (text === "" || parts.map(([whole]) => whole).join("") !== text) {
    throw new Error(`Cannot read ${JSON.stringify(text)} as a duration: write it such as 90s, 15m or 1h30m`);
  }
  const ms = parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (millisecondsOf[unit] ?? 0), 0);
  if (ms < longestMs) return ms;
  throw new Error(`Cannot read ${JSON.stringify(text)} as a duration: it is longer than 292 years`);
}

/** Milliseconds, rounded up to a whole one, as Go would print them, for example `15m0s`. */
export function formatDuration(exactMs: number): string {
  const ms = Math.ceil(exactMs);
  if (ms > 0 && ms < 1000) return `${ms}ms`;
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  const seconds = `${(ms % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
