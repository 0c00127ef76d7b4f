/** How turns are kept short. */
export interface TurnsOptions {
  /** Resolves after so many milliseconds; rejects once `signal` is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Gives turns to work that must not go on side by side: one at a time, first come, first served, so that nobody waits for ever. */
export class Turns {
  readonly #options: TurnsOptions;
  /** Oldest first. */
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;
  #isStopped = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * Does `work` when all who came before have had their turn, and resolves and rejects as it does. Others wait for it at most
   * `mostMs`; then it goes on beside them. Resolves to undefined, without having begun, once stopped. `work` must not take another
   * turn and wait for it: that would come after its own.
   */
  async take<T>(work: () => Promise<T>, mostMs: number = Number.POSITIVE_INFINITY): Promise<T | undefined> {
    if (this.#isTaken && !this.#isStopped) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#isStopped) return undefined;
    this.#isTaken = true;
    let hasEnded = false;
    // Aborting costs more than a short turn does, so only what sleeps is told.
    const sleeping = Number.isFinite(mostMs) ? new AbortController() : undefined;
    const passOn = () => {
      if (hasEnded) return;
      hasEnded = true;
      sleeping?.abort();
      this.#next();
    };
    if (sleeping !== undefined) this.#options.sleep(mostMs, sleeping.signal).then(passOn, () => undefined);
    try {
      return await work();
    } finally {
      passOn();
    }
  }

  /** Nobody gets a turn any more; who has one keeps it. */
  stop(): void {
    this.#isStopped = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  #next(): void {
    const go = this.#waiting.shift();
    // Who goes has the turn at once: nobody who comes meanwhile is before them.
    if (go === undefined) this.#isTaken = false;
    else go();
  }
}
