import type { CniDependencies } from "./dependencies.ts";

/** What `look` finds in the watch cache, which may lag a moment behind the kubelet's. Rejects when `signal` aborts. */
export async function fromCache<T>(
  look: () => T | undefined,
  { clock }: Pick<CniDependencies, "clock">,
  signal: AbortSignal,
): Promise<T | undefined> {
  for (let waited = 0; waited <= waitMs; waited += pollMs) {
    const found = look();
    if (found !== undefined) return found;
    await clock.sleep(pollMs, signal);
  }
  return undefined;
}

// --- internal ---

const waitMs = 300;
const pollMs = 20;
