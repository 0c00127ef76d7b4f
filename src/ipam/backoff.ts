import type { Clock } from "../net/clock.ts";

/** So often a write may lose to others before it is given up. */
export const maxConflicts = 100;

/** Waits before a write that has lost `conflicts` times is tried again: other writers are done in milliseconds. */
export function afterConflict(clock: Clock, conflicts: number, signal?: AbortSignal): Promise<void> {
  return clock.sleep(2 ** Math.min(conflicts, 8) * (0.5 + clock.random()), signal);
}

/**
 * Calls `attempt` until it answers something else than "conflict"; after `maxConflicts` in a row, or when `attempt`
 * rejects, it rejects.
 */
export async function retryConflicts<T>(
  clock: Clock,
  what: string,
  attempt: () => Promise<T | "conflict">,
): Promise<T> {
  for (let conflicts = 0; conflicts < maxConflicts; conflicts++) {
    if (conflicts > 0) await afterConflict(clock, conflicts);
    const answer = await attempt();
    if (answer !== "conflict") return answer;
  }
  throw new Error(`Cannot ${what}: others changed the same objects first, ${maxConflicts} times in a row. Try again`);
}
