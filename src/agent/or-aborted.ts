/** Resolves and rejects as `done` does; rejects, and no longer waits for it, when `signal` aborts first. */
export function orAborted(done: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () =>
    reject(new Error("Cannot wait for the policy any longer: the request was cancelled", { cause: signal.reason }));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([done, promise]).finally(() => signal.removeEventListener("abort", abort));
}
