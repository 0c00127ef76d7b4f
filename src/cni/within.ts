import type { Clock } from "../net/clock.ts";

/** What `work` comes to, or "late" after `ms` milliseconds. Work that is late goes on; a failure of it then is nobody's. */
export async function within<T>(work: Promise<T>, ms: number, clock: Clock): Promise<T | "late"> {
  const enough = new AbortController();
  const late = () => "late" as const;
  try {
    return await Promise.race([work, clock.sleep(ms, enough.signal).then(late, late)]);
  } finally {
    enough.abort();
  }
}
