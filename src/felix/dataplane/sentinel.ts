import type { EventOrigin, KernelEvent } from "../../host/netlink/kernel-event.ts";
import { isOwnPort } from "../../host/netlink/own-ports.ts";
import type { Clock } from "../../net/clock.ts";
import type { Drift, DriftPart } from "./dataplane.ts";

/** What can be compared with the kernel, and put right. */
export interface Prover {
  readonly parts: ReadonlySet<DriftPart>;
  /**
   * How the kernel differs in these parts; undefined when that cannot be said now, since something is being written: ask again. Who
   * `insists` has writing wait meanwhile, as that may go on for ever.
   */
  drift(parts: ReadonlySet<DriftPart>, insists: boolean): Promise<readonly Drift[] | undefined>;
  /** Puts right what `drift` has found. Resolves when the kernel has it. */
  repair(): Promise<void>;
}

/** What of one part was found changed by somebody else, and has been put right. */
export interface Repair {
  readonly part: DriftPart;
  readonly found: readonly Drift[];
  /** For how long it was so at the most, in ms: since the first event that may have been it, or else the last proof without a fault. */
  readonly wrongForMs: number | undefined;
  readonly since: "event" | "last proof";
  /** Who may have done it: those who have changed this part meanwhile. Empty when the kernel does not tell. */
  readonly by: readonly EventOrigin[];
}

export interface SentinelParts {
  /** In order: what one repairs the next may need, as routes need their links. */
  readonly provers: readonly Prover[];
  /** Which parts an event of somebody else's may have changed. It sees all events. */
  readonly partsOf: (event: KernelEvent) => readonly DriftPart[];
  /** Each part is compared so often, in ms, though no event asks for it; absent or 0: never. */
  readonly periodsMs: Readonly<Partial<Record<DriftPart, number>>>;
  readonly clock: Clock;
  /** Told of each part of a repair. */
  readonly onRepaired: (repair: Repair) => void;
  /** A proof or repair has failed, and is tried again. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Looks after what is ours in the kernel. Whoever else changes it is noticed by the kernel's events, and where it sends none by
 * looking now and then; what differs is put right and told of. One proof at a time, of the parts that were touched, and none while
 * others write what it would read, who wait only for one that they have overtaken several times or keep from ending. Between two there is a pause, the
 * longer the more a proof costs.
 */
export class Sentinel {
  readonly #parts: SentinelParts;
  readonly #stopped = new AbortController();
  readonly #wanted = new Map<DriftPart, Suspicion>();
  /** When each part was last known to be right, on the monotonic clock. */
  readonly #lastGood = new Map<DriftPart, number>();
  /** When each part was last looked at. */
  readonly #lastProof = new Map<DriftPart, number>();
  #wake = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(parts: SentinelParts) {
    this.#parts = parts;
  }

  /** To be called once, when everything has been written for the first time; everything is proven at once. */
  start(): void {
    for (const prover of this.#parts.provers) this.suspect([...prover.parts]);
    this.#running = this.#run();
  }

  /** Something may be wrong with these parts; `by` whom, if that is known. */
  suspect(parts: readonly DriftPart[], by?: EventOrigin): void {
    const now = this.#parts.clock.monotonicNow();
    for (const part of parts) {
      const suspicion = this.#wanted.get(part) ?? { firstEventAt: undefined, by: [] };
      this.#wanted.set(part, by === undefined ? suspicion : withOrigin(suspicion, by, now));
    }
    if (parts.length > 0) this.#wake.resolve();
  }

  /** To be told of every event, as the monitor tells them. */
  take(event: KernelEvent): void {
    const parts = this.#parts.partsOf(event);
    if (event.kind === "overrun") this.suspect(parts);
    else if (!isOwnPort(event.by.port)) this.suspect(parts, event.by);
  }

  /** Resolves when no proof runs any more. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, onFailure } = this.#parts;
    while (!this.#stopped.signal.aborted) {
      await this.#untilWanted();
      await this.#sleep(COALESCE_MS);
      if (this.#stopped.signal.aborted) return;
      const startedAt = clock.monotonicNow();
      const wanted = new Map(this.#wanted);
      this.#wanted.clear();
      try {
        await this.#round(wanted);
        await this.#sleep(Math.min((clock.monotonicNow() - startedAt) * PAUSE_FACTOR, MAX_PAUSE_MS));
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        onFailure(error);
        for (const [part, suspicion] of wanted) if (!this.#wanted.has(part)) this.#wanted.set(part, suspicion);
        await this.#sleep(RETRY_MS);
      }
    }
  }

  /** Until an event or a period asks for a proof. */
  async #untilWanted(): Promise<void> {
    const { clock, periodsMs } = this.#parts;
    while (this.#wanted.size === 0 && !this.#stopped.signal.aborted) {
      this.#wake = Promise.withResolvers();
      const now = clock.monotonicNow();
      const periods = Object.entries(periodsMs) as [DriftPart, number][];
      const dues = periods
        .filter(([, period]) => period > 0)
        .map(([part, period]) => ({ part, inMs: (this.#lastProof.get(part) ?? now) + period - now }));
      const due = dues.filter(({ inMs }) => inMs <= DUE_TOGETHER_MS);
      if (due.length > 0) return this.suspect(due.map(({ part }) => part));
      const over = new AbortController();
      const soonest = Math.min(...dues.map(({ inMs }) => inMs), MAX_WAIT_MS);
      const slept = clock.sleep(soonest, AbortSignal.any([over.signal, this.#stopped.signal])).catch(() => undefined);
      await Promise.race([slept, this.#wake.promise]);
      over.abort();
    }
  }

  async #round(wanted: ReadonlyMap<DriftPart, Suspicion>): Promise<void> {
    const suspected = new Map(wanted);
    const errors: unknown[] = [];
    // One that fails must not keep the others from theirs.
    for (const prover of this.#parts.provers) await this.#oneRound(prover, suspected).catch((e) => errors.push(e));
    if (errors.length > 0) throw errors[0];
  }

  async #oneRound(prover: Prover, suspected: Map<DriftPart, Suspicion>): Promise<void> {
    const parts = new Set([...suspected.keys()].filter((part) => prover.parts.has(part)));
    if (parts.size === 0) return;
    const { found, startedAt } = await this.#prove(prover, parts);
    for (const part of parts) this.#lastProof.set(part, startedAt);
    if (found.length > 0) {
      await prover.repair();
      this.#tell(found, suspected);
    }
    for (const part of parts) this.#lastGood.set(part, startedAt);
    // A link that was down has lost its routes.
    const links = suspected.get("links");
    if (links !== undefined && found.some(({ part }) => part === "links") && !suspected.has("routes")) {
      suspected.set("routes", links);
    }
  }

  async #prove(prover: Prover, parts: ReadonlySet<DriftPart>) {
    const begunAt = this.#parts.clock.monotonicNow();
    for (let attempt = 1, pauseMs = BUSY_MS; ; attempt++, pauseMs = Math.min(2 * pauseMs, RETRY_MS)) {
      const startedAt = this.#parts.clock.monotonicNow();
      const insists = attempt % INSISTING_ATTEMPT === 0;
      const found = await prover.drift(parts, insists);
      if (found !== undefined) return { found, startedAt };
      if (insists && startedAt - begunAt > MOST_BUSY_MS)
        throw new Error("Cannot prove what the kernel holds: writing it has failed, or reading it takes too long");
      await this.#sleep(pauseMs);
      this.#stopped.signal.throwIfAborted();
    }
  }

  #tell(found: readonly Drift[], suspected: ReadonlyMap<DriftPart, Suspicion>): void {
    const now = this.#parts.clock.monotonicNow();
    for (const [part, ofPart] of Map.groupBy(found, (one) => one.part)) {
      const { firstEventAt, by = [] } = suspected.get(part) ?? {};
      const from = firstEventAt ?? this.#lastGood.get(part);
      this.#parts.onRepaired({
        part,
        found: ofPart,
        wrongForMs: from === undefined ? undefined : Math.round(now - from),
        since: firstEventAt === undefined ? "last proof" : "event",
        by,
      });
    }
  }

  /** Resolves early when stopped. */
  async #sleep(ms: number): Promise<void> {
    await this.#parts.clock.sleep(ms, this.#stopped.signal).catch(() => undefined);
  }
}

// --- internal ---

/** Why a part is to be looked at. */
interface Suspicion {
  /** On the monotonic clock; undefined when no event was the reason. */
  readonly firstEventAt: number | undefined;
  readonly by: readonly EventOrigin[];
}

/** Changes come in bundles. */
const COALESCE_MS = 50;
/** A proof takes at most a sixth of the time, up to a pause of half a second. */
const PAUSE_FACTOR = 5;
const MAX_PAUSE_MS = 500;
const RETRY_MS = 1000;
const BUSY_MS = 20;
/** Every so many: others wait for one proof in so many at the most, even if none comes to its end. */
const INSISTING_ATTEMPT = 4;
/** Then others have their turn. */
const MOST_BUSY_MS = 5000;
/** Periods that end so near are one proof. */
const DUE_TOGETHER_MS = 20;
const MAX_WAIT_MS = 3_600_000;
const MOST_ORIGINS = 8;

function withOrigin({ firstEventAt, by }: Suspicion, origin: EventOrigin, now: number): Suspicion {
  const isKnown = by.some(
    ({ port, pid, process }) => port === origin.port && pid === origin.pid && process === origin.process,
  );
  return { firstEventAt: firstEventAt ?? now, by: isKnown || by.length === MOST_ORIGINS ? by : [...by, origin] };
}
