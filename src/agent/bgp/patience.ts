import type { Clock } from "../../net/clock.ts";

/**
 * How long sessions with neighbours outside the cluster are kept although they are no longer wanted: what only they bring may
 * never come another way, and that they are to go was somebody's wish.
 */
export class Patience {
  readonly #clock: Pick<Clock, "monotonicNow">;
  readonly #since = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonicNow">) {
    this.#clock = clock;
  }

  /** Names of sessions that were kept for a minute. */
  get overdue(): ReadonlySet<string> {
    const now = this.#clock.monotonicNow();
    return new Set([...this.#since].flatMap(([name, since]) => (now - since >= patienceMs ? [name] : [])));
  }

  /** These are kept now. */
  keep(names: readonly string[]): void {
    const now = this.#clock.monotonicNow();
    for (const name of this.#since.keys()) if (!names.includes(name)) this.#since.delete(name);
    for (const name of names) if (!this.#since.has(name)) this.#since.set(name, now);
  }
}

// --- internal ---

const patienceMs = 60_000;
