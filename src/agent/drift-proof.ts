import type { Drift } from "../felix/dataplane/dataplane.ts";
import type { Clock } from "../net/clock.ts";
import { Turns } from "../reconcile/turns.ts";
import { Writes } from "../reconcile/writes.ts";

/** Answers what differs, as `Dataplane.drift`; undefined when nothing can be compared now. */
type Read = () => Promise<readonly Drift[] | undefined>;

/**
 * Reads back what passes write, and knows what such a reading is worth. It goes on beside passes, which may overtake it; one
 * that insists, or that passes keep from ending, takes turns with them instead.
 */
export class DriftProof {
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #writes = new Writes();
  /** Found by readings that were overtaken elsewhere: the next pass puts it right, and it is to be told all the same. */
  readonly #found = new Map<string, Drift>();
  /** How long the last reading that ended took, in milliseconds. */
  #tookMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turns = new Turns({ sleep: (ms, signal) => clock.sleep(ms, signal) });
  }

  /** Does a whole pass once no reading insists. Once stopped, it does nothing. */
  async pass(work: () => Promise<void>): Promise<void> {
    await this.#turns.take(work);
  }

  /** Resolves and rejects as `work`, in which a pass writes to the kernel. */
  write<T>(work: () => Promise<T>): Promise<T> {
    return this.#writes.during(work);
  }

  /**
   * What `read` has found, together with what overtaken readings have; undefined when it was overtaken itself, or could compare
   * nothing. When it `insists`, or does not end beside passes, they wait for it, a few seconds at most. Rejects as `read`, unless it
   * was overtaken.
   */
  take(read: Read, insists: boolean): Promise<readonly Drift[] | undefined> {
    return insists ? this.#turns.take(() => this.#read(read), mostTurnMs) : this.#beside(read);
  }

  /** No pass begins any more, and no reading waits for its turn. */
  stop(): void {
    this.#turns.stop();
  }

  async #read(read: Read): Promise<readonly Drift[] | undefined> {
    if (this.#writes.isRunning) return undefined;
    const begunAt = this.#clock.monotonicNow();
    const isValid = this.#writes.reading();
    try {
      const found = await read();
      this.#tookMs = this.#clock.monotonicNow() - begunAt;
      for (const one of found ?? []) this.#found.set(`${one.part} ${one.where} ${one.difference}`, one);
      if (found === undefined || !isValid()) return undefined;
    } catch (error) {
      // What is written meanwhile can be a reason to fail; what else can be is met again when nothing is.
      if (!isValid()) return undefined;
      throw error;
    }
    const all = [...this.#found.values()];
    this.#found.clear();
    return all;
  }

  /**
   * iptables-nft-save begins anew whenever rules change under it: it may never end but in a turn, which then has a reading that
   * counts. So one that takes far longer than the last one did, and is overtaken anyway, gets a turn.
   */
  async #beside(read: Read): Promise<readonly Drift[] | undefined> {
    const isValid = this.#writes.reading();
    const reading = this.#read(read);
    const ended = new AbortController();
    const end = () => ended.abort();
    reading.then(end, end);
    const patienceMs = Math.max(leastPatienceMs, patience * this.#tookMs);
    do await this.#clock.sleep(patienceMs, ended.signal).catch(() => undefined);
    while (!ended.signal.aborted && isValid());
    if (ended.signal.aborted) return reading;
    return this.#turns.take(async () => {
      await reading.catch(() => undefined);
      return this.#read(read);
    }, mostTurnMs);
  }
}

// --- internal ---

/** Many times what reading a large node takes. A program that hangs must not keep pods from starting for longer. */
const mostTurnMs = 5_000;
const leastPatienceMs = 500;
/** So many times what the last reading took. */
const patience = 4;
