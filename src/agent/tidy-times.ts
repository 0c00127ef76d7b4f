import type { Clock } from "../net/clock.ts";

/** What tidying waits with, and what it is asked of. */
export interface TidyTimesParts {
  readonly clock: Pick<Clock, "sleep">;
  /** It has become due. */
  readonly onDue: () => void;
}

/**
 * When what nothing uses any more is taken away: once no change has come for a tenth of a second, as it would keep the next one
 * waiting; under steady change after a second; and what could not be taken away, again after an ever longer time.
 */
export class TidyTimes {
  readonly #parts: TidyTimesParts;
  readonly #stopped = new AbortController();
  /** How many changes have come. */
  #changes = 0;
  #isResting = false;
  #isDue = false;
  /** How often in a row something could not be taken away. */
  #failures = 0;
  /** The last try did not end: changes do not bring the next one on. */
  #hasFailed = false;
  /** Ends the wait for the next try. */
  #trying: AbortController | undefined;

  constructor(parts: TidyTimesParts) {
    this.#parts = parts;
  }

  /** Whether it is to be done now. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** Something may have fallen out of use. */
  changed(): void {
    this.#changes++;
    if (this.#hasFailed) return;
    this.#failures = 0;
    this.#trying?.abort();
    this.#trying = undefined;
    if (this.#isResting || this.#stopped.signal.aborted) return;
    // It could not be done before this change.
    if (this.#isDue) this.#due();
    else void this.#rest();
  }

  /** It was done, wholly or in part, or could not be done. */
  done(outcome: "all" | "part" | "failed"): void {
    this.#isDue = false;
    this.#hasFailed = outcome === "failed";
    if (outcome === "all") this.#failures = 0;
    if (outcome === "all" || this.#stopped.signal.aborted) return;
    // A rest that is under way leads to the next try.
    if (outcome === "part" && this.#isResting) return;
    const pauseMs = Math.min(againMs * 2 ** this.#failures++, mostAgainMs);
    // One is enough, however often something was found in use.
    this.#trying?.abort();
    const trying = new AbortController();
    this.#trying = trying;
    this.#parts.clock.sleep(pauseMs, trying.signal).then(
      () => this.#due(),
      () => undefined,
    );
  }

  /** It never becomes due again. */
  stop(): void {
    this.#stopped.abort();
    this.#trying?.abort();
  }

  async #rest(): Promise<void> {
    this.#isResting = true;
    for (let count = 0; count < mostRests; count++) {
      const before = this.#changes;
      try {
        await this.#parts.clock.sleep(restMs, this.#stopped.signal);
      } catch {
        // It is stopped.
        return;
      }
      if (before === this.#changes) break;
    }
    this.#isResting = false;
    this.#due();
  }

  #due(): void {
    if (this.#stopped.signal.aborted) return;
    this.#isDue = true;
    this.#parts.onDue();
  }
}

// --- internal ---

const restMs = 100;
/** Beyond so many, a change that comes has to wait. */
const mostRests = 10;

/** About as long as the kernel takes to free rules that it has forgotten. */
const againMs = 50;
const mostAgainMs = 60_000;
