import { KeyedLock } from "./keyed-lock.ts";

/**
 * Who makes a pair of interfaces. The kernel makes links one at a time (RTNL), and while one is being made on another thread a request
 * or a sysctl of this one waits for that lock and holds up the whole agent. So pairs are made one after the other, and meanwhile this
 * thread does what needs no lock.
 */
export class WireTurns {
  readonly #lock = new KeyedLock();
  #asked = 0;

  /** Whether so many want one that what shortens the wait of a single one costs all of them more. */
  get isCrowded(): boolean {
    return this.#asked >= crowd;
  }

  /** Resolves and rejects as `make`, which begins when those before it have ended. */
  async run<T>(make: () => Promise<T>): Promise<T> {
    this.#asked++;
    try {
      return await this.#lock.run("", make);
    } finally {
      this.#asked--;
    }
  }
}

// --- internal ---

const crowd = 4;
