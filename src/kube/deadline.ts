/** When one request must stop: as its caller says by a signal, or as its time is over. */
export class Deadline {
  /** Aborted by whichever comes first. */
  readonly signal: AbortSignal;
  readonly #timeout = new AbortController();
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;

  /** Default time: 30 s. */
  constructor({ signal, timeoutMs = 30_000 }: { readonly signal?: AbortSignal; readonly timeoutMs?: number }) {
    this.#timeoutMs = timeoutMs;
    this.#timer = setTimeout(() => this.#timeout.abort(this.error()), timeoutMs);
    this.signal = signal === undefined ? this.#timeout.signal : AbortSignal.any([signal, this.#timeout.signal]);
  }

  /** Whether the time is over; an abort by the caller is not that. */
  get expired(): boolean {
    return this.#timeout.signal.aborted;
  }

  error(): Error {
    return new Error(`nothing came within ${this.#timeoutMs / 1000} s`);
  }

  /** Takes the time limit away; the caller's signal still holds. */
  lift(): void {
    clearTimeout(this.#timer);
  }
}
