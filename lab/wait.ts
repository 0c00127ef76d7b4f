import { setTimeout as sleep } from "node:timers/promises";

export interface WaitOptions {
  readonly timeoutMs: number;
  /** Default 200 ms. */
  readonly everyMs?: number;
  /** Aborted, it ends the wait with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks again and again until `probe` answers with something, and gives that. An error of `probe` counts as "not yet";
 * after `timeoutMs` it throws a sentence with the last of them as its cause.
 */
export async function waitFor<T>(what: string, options: WaitOptions, probe: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const answer = await probe().then(
      (value) => ({ value, cause: undefined }),
      (cause: unknown) => ({ value: undefined, cause }),
    );
    if (answer.value !== undefined) return answer.value;
    if (answer.cause instanceof GivenUp) throw answer.cause;
    if (Date.now() >= end) {
      const why = answer.cause instanceof Error ? `: ${answer.cause.message}` : "";
      throw new Error(`Cannot see ${what} after ${options.timeoutMs / 1000} s${why}`, { cause: answer.cause });
    }
    await sleep(options.everyMs ?? 200);
  }
}

/** Thrown by a probe that knows that waiting longer is in vain: it ends `waitFor` at once. */
export class GivenUp extends Error {
  override name = "GivenUp";
}
