/** What is done for each key, and how it waits after a failure. */
export interface KeyedWorkOptions<K, V> {
  /** Does what `value` asks for. A rejection means that it must be tried again. */
  readonly work: (key: K, value: V) => Promise<void>;
  /** How many keys are worked on at once. */
  readonly limit: number;
  /** Resolves after so many milliseconds; what it does after `stop` is of no consequence. */
  readonly sleep: (ms: number) => Promise<void>;
  /** From 0 up to, not including, 1: spreads out those that failed together. */
  readonly random: () => number;
  /** Wait before the second attempt; doubles up to `maxRetryMs`, and each wait is from half of that to one and a half. */
  readonly firstRetryMs: number;
  readonly maxRetryMs: number;
  /** Told of each failed attempt. */
  readonly onFailure: (key: K, error: unknown) => void;
}

/**
 * Work that nobody waits for, one piece a key at a time: the newest wish for a key replaces one that has not been begun,
 * also one that waits after a failure, and is begun once the one under way has ended.
 */
export class KeyedWork<K, V> {
  readonly #options: KeyedWorkOptions<K, V>;
  /** What is still wished, whether or not it is under way. */
  readonly #wishes = new Map<K, Wish<V>>();
  /** Those to be begun, oldest first. */
  readonly #ready = new Set<K>();
  readonly #running = new Map<K, Promise<void>>();
  #stopped = false;

  constructor(options: KeyedWorkOptions<K, V>) {
    this.#options = options;
  }

  /** From now on `value` is what is wished for `key`. */
  put(key: K, value: V): void {
    if (this.#stopped) return;
    this.#wishes.set(key, { value, failures: 0 });
    this.#ready.add(key);
    this.#begin();
  }

  /** Whether something is wished for `key` that has not been done yet. */
  has(key: K): boolean {
    return this.#wishes.has(key);
  }

  /** Begins nothing any more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.clear();
    await Promise.all(this.#running.values());
  }

  #begin(): void {
    for (const key of this.#ready) {
      if (this.#running.size >= this.#options.limit) return;
      const wish = this.#wishes.get(key);
      if (wish === undefined || this.#running.has(key)) continue;
      this.#ready.delete(key);
      this.#running.set(key, this.#attempt(key, wish));
    }
  }

  async #attempt(key: K, wish: Wish<V>): Promise<void> {
    const { work, onFailure } = this.#options;
    try {
      await work(key, wish.value);
      if (this.#wishes.get(key) === wish) this.#wishes.delete(key);
    } catch (error) {
      if (!this.#stopped) {
        onFailure(key, error);
        void this.#resume(key, wish);
      }
    }
    this.#running.delete(key);
    this.#begin();
  }

  async #resume(key: K, wish: Wish<V>): Promise<void> {
    const { sleep, random, firstRetryMs, maxRetryMs } = this.#options;
    const ms = Math.min(firstRetryMs * 2 ** wish.failures++, maxRetryMs) * (0.5 + random());
    await sleep(ms).catch(() => undefined);
    if (this.#stopped || this.#wishes.get(key) !== wish) return;
    this.#ready.add(key);
    this.#begin();
  }
}

// --- internal ---

interface Wish<V> {
  readonly value: V;
  failures: number;
}
