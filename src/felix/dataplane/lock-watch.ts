import type { Host } from "../../host/host.ts";
import type { Clock } from "../../net/clock.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { DataplaneObserver } from "./dataplane-observer.ts";

/** What the watch works with. */
export interface LockWatchParts {
  readonly host: Pick<Host, "readFile">;
  readonly clock: Clock;
  readonly observer: Pick<DataplaneObserver, "waitedForLock">;
}

/**
 * Tells the observer how long iptables of the legacy variant took when it had to wait for the lock that another process held. It
 * says nothing of it itself, so the kernel is asked who waits for a lock (proc_locks(5)) when an answer is late.
 */
export class LockWatch {
  readonly #parts: LockWatchParts;

  constructor(parts: LockWatchParts) {
    this.#parts = parts;
  }

  /** Resolves and rejects as `write` does, which has `program` write. */
  async during(version: IpVersion, program: string, write: () => Promise<void>): Promise<void> {
    const { clock, observer } = this.#parts;
    const startedAt = clock.monotonicNow();
    const ended = new AbortController();
    const [written, waited] = await Promise.allSettled([
      write().finally(() => ended.abort()),
      this.#sawWait(program, ended.signal),
    ]);
    if (waited.status === "fulfilled" && waited.value)
      observer.waitedForLock(version, clock.monotonicNow() - startedAt);
    // That nobody could look is no failure of the write.
    if (written.status === "rejected") throw written.reason;
  }

  async #sawWait(program: string, signal: AbortSignal): Promise<boolean> {
    const { host, clock } = this.#parts;
    while (!signal.aborted) {
      await clock.sleep(probeMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      if (!signal.aborted && (await isWaiting(host, program))) return true;
    }
    return false;
  }
}

// --- internal ---

/** Most writes are over before the first look. */
const probeMs = 100;

async function isWaiting(host: LockWatchParts["host"], program: string): Promise<boolean> {
  const locks = (await host.readFile("/proc/locks")) ?? "";
  const waiters = [...locks.matchAll(/^\d+: +-> +FLOCK +\S+ +\S+ +(\d+) /gm)].map(([, pid]) => pid);
  const names = await Promise.all(waiters.map((pid) => host.readFile(`/proc/${pid}/comm`)));
  // The kernel keeps 15 characters of a name (proc_pid_comm(5)).
  return names.some((name) => name?.trim() === program.slice(0, 15));
}
