/** What a loop runs, and how it waits after a failure. */
export interface LoopOptions {
  /** Does all outstanding work once. A rejection means that it must be tried again. */
  readonly pass: () => Promise<void>;
  /** Resolves after so many milliseconds; it may reject once `signal` is aborted, as nobody waits any more. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told of each failed pass; `attempt` counts from 1 and starts anew after a success. */
  readonly onFailure: (error: unknown, attempt: number) => void;
  /** Wait before attempt n + 1; doubles from `firstRetryMs` up to `maxRetryMs`. */
  readonly firstRetryMs: number;
  readonly maxRetryMs: number;
  /**
   * How long the next pass had better wait so that more share it, when `waiting` want it. Asked again every few milliseconds, it
   * begins once it has waited as long as the last answer. At once without.
   */
  readonly gatherMs?: (waiting: number) => number;
}

/**
 * Runs one pass at a time. What is requested while a pass runs is done by the next one, however many requests there were;
 * a failed pass is tried again until it succeeds, so a request is never lost.
 */
export class Loop {
  readonly #options: LoopOptions;
  #wanted = 0;
  #done = 0;
  #isRunning = false;
  #ended: Promise<void> = Promise.resolve();
  readonly #stopped = new AbortController();
  #waiters: { readonly upTo: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Resolves once a pass that began after this call has succeeded; rejects when the loop is stopped first. */
  request(): Promise<void> {
    if (this.#stopped.signal.aborted) return Promise.reject(new Error("Cannot run another pass: the loop was stopped"));
    const upTo = ++this.#wanted;
    const settled = new Promise<void>((resolve, reject) => this.#waiters.push({ upTo, resolve, reject }));
    if (!this.#isRunning) {
      this.#isRunning = true;
      this.#ended = this.#run();
    }
    return settled;
  }

  /** No pass begins any more; whoever still waits is rejected. */
  stop(): void {
    this.#stopped.abort();
    for (const { reject } of this.#waiters.splice(0))
      reject(new Error("Cannot finish the pass: the loop was stopped before it succeeded"));
  }

  /** Resolves when no pass runs. */
  ended(): Promise<void> {
    return this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    let attempt = 0;
    while (this.#done < this.#wanted && !signal.aborted) {
      try {
        if (this.#options.gatherMs !== undefined) await this.#gather(this.#options.gatherMs);
        if (signal.aborted) break;
        const upTo = this.#wanted;
        await this.#options.pass();
        this.#done = upTo;
        attempt = 0;
        this.#settle();
      } catch (error) {
        attempt++;
        this.#options.onFailure(error, attempt);
        await this.#pause(attempt);
      }
    }
    this.#isRunning = false;
  }

  async #gather(gatherMs: (waiting: number) => number): Promise<void> {
    for (let waited = 0; waited < gatherMs(this.#waiters.length); waited += stepMs) await this.#sleep(stepMs);
  }

  /** After so many failures. */
  #pause(attempt: number): Promise<void> {
    const { firstRetryMs, maxRetryMs } = this.#options;
    return this.#sleep(Math.min(firstRetryMs * 2 ** (attempt - 1), maxRetryMs));
  }

  /** Ends early when stopped. */
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#stopped;
    try {
      await this.#options.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #settle(): void {
    const ready = this.#waiters.filter(({ upTo }) => upTo <= this.#done);
    this.#waiters = this.#waiters.filter(({ upTo }) => upTo > this.#done);
    for (const { resolve } of ready) resolve();
  }
}

// --- internal ---

/** Between two questions whether more are still to come. */
const stepMs = 5;
