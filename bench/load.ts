/** How much to do, and how much of it at once. */
export interface LoadOptions {
  readonly count: number;
  readonly concurrency: number;
  /** Aborted, nothing more is begun, and `drive` rejects with its reason. */
  readonly signal: AbortSignal;
}

/** What a load came to. */
export interface Load<T> {
  readonly perSecond: number;
  /** How long each took, in milliseconds. */
  readonly tookMs: readonly number[];
  readonly answers: readonly T[];
}

/** Calls `act` with 0, 1 … `count - 1`, always `concurrency` calls at once. Rejects with the first failure once nothing runs. */
export async function drive<T>(
  { count, concurrency, signal }: LoadOptions,
  act: (index: number) => Promise<T>,
): Promise<Load<T>> {
  const tookMs: number[] = [];
  const answers: T[] = [];
  let next = 0;
  const work = async () => {
    while (next < count) {
      signal.throwIfAborted();
      const begun = performance.now();
      answers.push(await act(next++));
      tookMs.push(performance.now() - begun);
    }
  };
  const begun = performance.now();
  const workers = Array.from({ length: Math.min(count, concurrency) }, work);
  await Promise.allSettled(workers);
  await Promise.all(workers);
  return { perSecond: (count * 1000) / (performance.now() - begun), tookMs, answers };
}
