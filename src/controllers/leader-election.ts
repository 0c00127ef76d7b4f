import { apiVersionOf, leaseKind, resourcePath } from "../api/kinds.ts";
import { systemNamespace } from "../api/names.ts";
import { type KubeClient, KubeError } from "../kube/client.ts";
import { readIfThere } from "../kube/read-if-there.ts";
import type { Clock } from "../net/clock.ts";
import type { Logger } from "./logger.ts";

/** Which Lease decides, and who asks for it. */
export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A Lease in `systemNamespace`. */
  readonly name: string;
  /** Nobody else's, not even an earlier run's of this program. */
  readonly identity: string;
  /** Default: client-go's. `renewMs` must be well below `leaseMs`. */
  readonly times?: ElectionTimes;
}

interface ElectionTimes {
  /** A Lease that was seen unchanged for so long is anybody's. */
  readonly leaseMs: number;
  /** Who has not renewed for so long leads no more. */
  readonly renewMs: number;
  /** Between two attempts. */
  readonly retryMs: number;
}

/**
 * One leader among several processes, by a Lease (coordination.k8s.io/v1), as client-go does it. Clocks need not agree:
 * each process measures on its own how long it has seen the Lease unchanged. A leader stops before another can begin,
 * counted from before its last renewal was sent.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #times: ElectionTimes;
  /** The Lease as it was last seen, and since when it has been seen so. */
  #seen: { readonly text: string; readonly atMs: number } | undefined;
  /** When the API server answered last, or else when this was made. */
  #answeredAtMs: number;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#times = options.times ?? { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };
    this.#answeredAtMs = options.clock.monotonicNow();
  }

  /** For how many milliseconds this process has not got to see the Lease: no answer, no right, or it does not ask. */
  get blindMs(): number {
    return this.#options.clock.monotonicNow() - this.#answeredAtMs;
  }

  /**
   * Calls `lead` each time that this process comes to lead, with a signal that aborts when it leads no more; contends
   * again once `lead` has settled. Resolves when `stop` was aborted and all that has ended; the Lease is then given up.
   */
  async run(lead: (signal: AbortSignal) => Promise<void>, stop: AbortSignal): Promise<void> {
    const { clock, logger, identity } = this.#options;
    while (!stop.aborted) {
      const begunMs = clock.monotonicNow();
      if ((await this.#attempt(this.#times.renewMs, stop)) === "mine" && !stop.aborted) {
        logger.info({ identity }, "this process leads");
        await this.#leadUntilLost(lead, begunMs, stop);
        logger.info({ identity }, "this process leads no more");
      }
      await this.#pause(stop);
    }
  }

  async #leadUntilLost(lead: (signal: AbortSignal) => Promise<void>, begunMs: number, stop: AbortSignal) {
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, stop]);
    const leading = Promise.try(lead, signal)
      .catch((error: unknown) => this.#options.logger.error({ err: error }, "leading failed"))
      .finally(() => end.abort(new Error("Cannot go on: the leader's work has ended")));
    await this.#renewUntilLost(begunMs, signal);
    end.abort(new Error("Cannot go on: this process leads no more"));
    await leading;
    // Only when nothing can be written any more may another begin at once.
    if (stop.aborted) await this.#giveUp();
  }

  async #renewUntilLost(begunMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let lastMs = begunMs;
    while (!signal.aborted) {
      await this.#pause(signal, lastMs + this.#times.renewMs - clock.monotonicNow());
      const nowMs = clock.monotonicNow();
      const leftMs = lastMs + this.#times.renewMs - nowMs;
      if (signal.aborted || leftMs <= 0) return;
      const outcome = await this.#attempt(leftMs, signal);
      if (outcome === "theirs") return;
      if (outcome === "mine") lastMs = nowMs;
    }
  }

  /** One try to take or renew the Lease, given up after `limitMs`. */
  async #attempt(limitMs: number, signal: AbortSignal): Promise<"mine" | "theirs" | "failed"> {
    const { clock, logger } = this.#options;
    const limit = new AbortController();
    const done = new AbortController();
    const timer = clock.sleep(limitMs, done.signal).then(
      () => limit.abort(new Error(`Cannot take the Lease: no answer for ${limitMs} ms`)),
      () => undefined,
    );
    try {
      return await orAborted(this.#takeOrRenew(), AbortSignal.any([limit.signal, signal]));
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, "cannot take or renew the leader's Lease: trying again");
      return "failed";
    } finally {
      done.abort();
      await timer;
    }
  }

  async #takeOrRenew(): Promise<"mine" | "theirs" | "failed"> {
    const { client, clock, identity } = this.#options;
    const found = await readIfThere<LeaseJson>(client, this.#path);
    const nowMs = clock.monotonicNow();
    this.#answeredAtMs = nowMs;
    const text = JSON.stringify(found?.spec ?? null);
    if (this.#seen?.text !== text) this.#seen = { text, atMs: nowMs };
    const holder = found?.spec?.holderIdentity || undefined;
    const fresh = nowMs - this.#seen.atMs < this.#times.leaseMs;
    if (holder !== undefined && holder !== identity && fresh) return "theirs";
    const spec = this.#specOf(found?.spec, holder === identity);
    try {
      await this.#write(found, spec);
    } catch (error) {
      // Another was first: its Lease is looked at next time.
      if (error instanceof KubeError && (error.status === 409 || error.status === 404)) return "failed";
      throw error;
    }
    return "mine";
  }

  async #giveUp(): Promise<void> {
    const { client, identity, logger } = this.#options;
    try {
      const found = await readIfThere<LeaseJson>(client, this.#path, { timeoutMs: giveUpMs });
      if (found?.spec?.holderIdentity !== identity) return;
      await this.#write(found, { ...this.#specOf(found.spec, true), holderIdentity: "", leaseDurationSeconds: 1 });
    } catch (error) {
      logger.warn({ err: error }, "cannot give the leader's Lease up: another process leads when it has run out");
    }
  }

  async #write(found: LeaseJson | undefined, spec: LeaseSpec): Promise<void> {
    const { client, name } = this.#options;
    const namespace = systemNamespace;
    const head = { apiVersion: apiVersionOf(leaseKind), kind: leaseKind.kind };
    if (found === undefined) {
      const body = { ...head, metadata: { namespace, name }, spec };
      await client.request("POST", resourcePath(leaseKind, { namespace }), { body });
      return;
    }
    // `metadata` brings the revision that was looked at.
    await client.request("PUT", this.#path, { body: { ...head, metadata: found.metadata, spec } });
  }

  #specOf(before: LeaseSpec | undefined, isRenewal: boolean): LeaseSpec {
    const now = `${new Date(this.#options.clock.now()).toISOString().slice(0, -1)}000Z`;
    const transitions = before?.leaseTransitions ?? 0;
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.ceil(this.#times.leaseMs / 1000),
      acquireTime: isRenewal ? before?.acquireTime : now,
      renewTime: now,
      leaseTransitions: isRenewal || before === undefined ? transitions : transitions + 1,
    };
  }

  /** Resolves too when `signal` aborts. Not all at once: contenders that began together would go on together. */
  async #pause(signal: AbortSignal, mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    const { clock } = this.#options;
    const ms = this.#times.retryMs * (1 + clock.random() / 5);
    await clock.sleep(Math.max(0, Math.min(ms, mostMs)), signal).catch(() => undefined);
  }

  get #path(): string {
    return resourcePath(leaseKind, { namespace: systemNamespace, name: this.#options.name });
  }
}

// --- internal ---

const giveUpMs = 2_000;

interface LeaseSpec {
  readonly holderIdentity?: string | undefined;
  readonly leaseDurationSeconds?: number | undefined;
  readonly acquireTime?: string | undefined;
  readonly renewTime?: string | undefined;
  readonly leaseTransitions?: number | undefined;
}

interface LeaseJson {
  readonly metadata: object;
  readonly spec?: LeaseSpec;
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", abort));
}
