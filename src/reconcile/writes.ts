/** Tells whether something was written while something else was read: such a reading is neither what was nor what will be. */
export class Writes {
  /** Another whenever a write begins or ends. */
  #turn = 0;
  #running = 0;

  /** Whether a write has begun and not ended. */
  get isRunning(): boolean {
    return this.#running > 0;
  }

  /** Resolves and rejects as `write`, which is one. */
  async during<T>(write: () => Promise<T>): Promise<T> {
    this.#turn++;
    this.#running++;
    try {
      return await write();
    } finally {
      this.#turn++;
      this.#running--;
    }
  }

  /** A reading begins. To be asked when it has ended: true when nothing was written at any time between. */
  reading(): () => boolean {
    const turn = this.#turn;
    return () => turn === this.#turn && !this.isRunning;
  }
}
