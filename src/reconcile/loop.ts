/** What a loop runs, and how it waits after a failure. */
export interface LoopOptions {
  /** Does all outstanding work once. A rejection means that it must be tried again. */
  readonly pass: () => Promise<void>;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Told of each failed pass; `attempt` counts from 1 and starts anew after a success. */
  readonly onFailure: (error: unknown, attempt: number) => void;
  /** Wait before attempt n + 1; doubles from `firstRetryMs` up to `maxRetryMs`. */
  readonly firstRetryMs: number;
  readonly maxRetryMs: number;
}

/**
 * Runs one pass at a time. What is requested while a pass runs is done by the next one, however many requests there were;
 * a failed pass is tried again until it succeeds, so a request is never lost.
 */
export class Loop {
  readonly #options: LoopOptions;
  #wanted = 0;
  #done = 0;
  #running = false;
  #stopped = false;
  #waiters: { readonly upTo: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Resolves once a pass that began after this call has succeeded; rejects when the loop is stopped first. */
  request(): Promise<void> {
    if (this.#stopped) return Promise.reject(new Error("Cannot run another pass: the loop was stopped"));
    const upTo = ++this.#wanted;
    const settled = new Promise<void>((resolve, reject) => this.#waiters.push({ upTo, resolve, reject }));
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    }
    return settled;
  }

  /** No pass begins any more; whoever still waits is rejected. */
  stop(): void {
    this.#stopped = true;
    for (const { reject } of this.#waiters.splice(0))
      reject(new Error("Cannot finish the pass: the loop was stopped before it succeeded"));
  }

  async #run(): Promise<void> {
    let attempt = 0;
    while (this.#done < this.#wanted && !this.#stopped) {
      const upTo = this.#wanted;
      try {
        await this.#options.pass();
        this.#done = upTo;
        attempt = 0;
        this.#settle();
      } catch (error) {
        attempt++;
        this.#options.onFailure(error, attempt);
        await this.#options.sleep(Math.min(this.#options.firstRetryMs * 2 ** (attempt - 1), this.#options.maxRetryMs));
      }
    }
    this.#running = false;
  }

  #settle(): void {
    const ready = this.#waiters.filter(({ upTo }) => upTo <= this.#done);
    this.#waiters = this.#waiters.filter(({ upTo }) => upTo > this.#done);
    for (const { resolve } of ready) resolve();
  }
}
