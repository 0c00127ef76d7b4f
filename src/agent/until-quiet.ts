import type { Clock } from "../net/clock.ts";

/** Who may have to wait, and by what clock. */
export interface QuietParts {
  /** Whether somebody waits for this node: then what nobody waits for is put off a little. */
  readonly isBusy: () => boolean;
  readonly clock: Pick<Clock, "monotonicNow" | "sleep">;
}

/** How much of such work is under way at once: few, as whoever comes to wait for the API server shares it with them. */
export const quietWorkAtOnce = 2;

/**
 * Resolves once nobody waits for this node, and at the latest half a second after `at`, by the monotonic clock: other nodes wait
 * for some of this work too. Rejects with the signal's reason.
 */
export async function untilQuiet(at: number, { isBusy, clock }: QuietParts, signal: AbortSignal): Promise<void> {
  while (isBusy() && clock.monotonicNow() < at + longestPutOffMs) {
    await clock.sleep(pollMs, signal);
    signal.throwIfAborted();
  }
}

// --- internal ---

const longestPutOffMs = 500;
const pollMs = 20;
