import type { FreedCount } from "../../api/held-release.ts";
import type { Clock } from "../../net/clock.ts";
import { type Candidate, countedOf } from "./candidates.ts";

/**
 * What was freed in the last hour without an approval, by this leader and those before it, as `countedOf` counts. It is written
 * down before anything is freed, so it may count more than was, never less.
 */
export class FreedLately {
  readonly #clock: Pick<Clock, "now" | "monotonicNow">;
  /** By `at`. */
  #entries: ReadonlyMap<string, Entry> = new Map();

  constructor(clock: Pick<Clock, "now" | "monotonicNow">) {
    this.#clock = clock;
  }

  /** Takes in what is written down, by an earlier leader perhaps, and forgets what is too old. */
  learn(written: readonly FreedCount[]): void {
    const [now, wallNow] = [this.#clock.monotonicNow(), this.#clock.now()];
    const entries = new Map(this.#entries);
    for (const { at, count } of written) {
      const known = entries.get(at);
      // One that is said to be of the future is of another clock, and counts from now on.
      const sinceMs = known?.sinceMs ?? now - Math.max(0, wallNow - Date.parse(at));
      entries.set(at, { sinceMs, count: Math.max(count, known?.count ?? 0), keys: known?.keys ?? new Set() });
    }
    this.#entries = new Map([...entries].filter(([, { sinceMs }]) => sinceMs > now - windowMs));
  }

  /** How many addresses, other than these: what failed, or what the cache has not seen to be gone, is no second one. */
  countBeside(wanted: readonly Candidate[]): number {
    const counted = this.#keys();
    const again = countedOf(wanted).intersection(counted).size;
    return this.#entries.values().reduce((sum, { count }) => sum + count, 0) - again;
  }

  /** Counts these as freed. */
  add(candidates: readonly Candidate[]): void {
    const keys = countedOf(candidates).difference(this.#keys());
    if (keys.size === 0) return;
    const at = new Date(this.#clock.now()).toISOString();
    const known = this.#entries.get(at) ?? { sinceMs: this.#clock.monotonicNow(), count: 0, keys: new Set() };
    const entry = { ...known, count: known.count + keys.size, keys: known.keys.union(keys) };
    this.#entries = new Map(this.#entries).set(at, entry);
  }

  /** Whether `written` says all of it. */
  isIn(written: readonly FreedCount[]): boolean {
    const counts = new Map(written.map(({ at, count }) => [at, count]));
    return this.toWrite().every(({ at, count }) => (counts.get(at) ?? 0) >= count);
  }

  toWrite(): readonly FreedCount[] {
    return [...this.#entries].map(([at, { count }]) => ({ at, count }));
  }

  #keys(): ReadonlySet<string> {
    return new Set(this.#entries.values().flatMap(({ keys }) => keys));
  }
}

// --- internal ---

const windowMs = 3_600_000;

interface Entry {
  /** Of the monotonic clock. */
  readonly sinceMs: number;
  readonly count: number;
  /** Those of them that this process has counted. */
  readonly keys: ReadonlySet<string>;
}
