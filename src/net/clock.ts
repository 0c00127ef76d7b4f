/** Time and chance, as code asks for them, so that a test can hand in its own. */
export interface Clock {
  /** Milliseconds since 1970. It jumps when the machine's clock is set: for what others read, not for measuring. */
  now(): number;
  /** Milliseconds since some moment, on a clock that never goes back: for measuring. */
  monotonicNow(): number;
  /** Resolves after `ms` milliseconds; rejects with an `AbortError` as soon as `signal` is aborted. Keeps the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 up to, not including, 1. */
  random(): number;
}
