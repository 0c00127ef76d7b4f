/**
 * Who makes a pair of interfaces. The kernel makes links one at a time (RTNL), and while one is being made on another thread a request
 * or a sysctl of this one waits for that lock and holds up the whole agent. So pairs are made one after the other, and meanwhile this
 * thread does what needs no lock.
 */
export class WireTurns {
  #last: Promise<void> = Promise.resolve();
  #asked = 0;

  /** Whether so many want one that what shortens the wait of a single one costs all of them more. */
  get isCrowded(): boolean {
    return this.#asked >= crowd;
  }

  /** How many want one, or make theirs. */
  get asked(): number {
    return this.#asked;
  }

  /** Resolves and rejects as `make`, which begins when those before it have ended, or have called their `leave`. */
  async run<T>(make: (leave: () => void) => Promise<T>): Promise<T> {
    const { promise, resolve: leave } = Promise.withResolvers<void>();
    const before = this.#last;
    this.#last = promise;
    this.#asked++;
    try {
      await before;
      return await make(leave);
    } finally {
      leave();
      this.#asked--;
    }
  }
}

// --- internal ---

const crowd = 4;
