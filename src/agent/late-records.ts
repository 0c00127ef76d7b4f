import type { LateWork } from "../ipam/record-keeper.ts";
import type { Clock } from "../net/clock.ts";
import { messageOf } from "../net/message-of.ts";
import { KeyedWork } from "../reconcile/keyed-work.ts";
import type { Logger } from "./logger.ts";
import { type QuietParts, quietWorkAtOnce, untilQuiet } from "./until-quiet.ts";

export interface LateRecordsParts extends QuietParts {
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn">;
}

/**
 * Writes the records of handles while no runtime waits for this node, or from half a second on also while one does. What an agent
 * that is killed leaves unwritten, garbage collection makes good.
 */
export class LateRecords implements LateWork {
  readonly #parts: LateRecordsParts;
  readonly #work: KeyedWork<string, Wish>;
  /** Those that have not ended, by handle. */
  readonly #wishes = new Map<string, Wish>();
  readonly #stopped = new AbortController();
  #isStopping = false;

  constructor(parts: LateRecordsParts) {
    this.#parts = parts;
    const { clock, logger } = parts;
    this.#work = new KeyedWork({
      work: (handle, wish) => this.#write(handle, wish),
      limit: quietWorkAtOnce,
      sleep: (ms) => clock.sleep(ms, this.#stopped.signal),
      random: () => clock.random(),
      ...{ firstRetryMs: 500, maxRetryMs: 60_000 },
      onFailure: (handle, err) =>
        logger.warn({ handle, err }, `cannot write the record of a handle: trying again (${messageOf(err)})`),
    });
  }

  put(handle: string, write: () => Promise<void>): void {
    const { writing } = this.#wishes.get(handle) ?? {};
    const wish = { write, at: this.#parts.clock.monotonicNow(), isDropped: false, writing };
    this.#wishes.set(handle, wish);
    this.#work.put(handle, wish);
  }

  drop(handle: string): Promise<void> | undefined {
    const wish = this.#wishes.get(handle);
    if (wish === undefined) return undefined;
    wish.isDropped = true;
    this.#wishes.delete(handle);
    // How it ends is told elsewhere.
    return wish.writing?.catch(() => undefined);
  }

  /** Writes what waits, for two seconds at most, and nothing any more after it. */
  async stop(): Promise<void> {
    const { clock } = this.#parts;
    this.#isStopping = true;
    for (let waited = 0; this.#wishes.size > 0 && waited < longestStopMs; waited += stopPollMs)
      await clock.sleep(stopPollMs);
    this.#stopped.abort(new Error("Cannot write the records of handles: the agent is ending"));
    await this.#work.stop();
  }

  async #write(handle: string, wish: Wish): Promise<void> {
    const { isBusy, clock } = this.#parts;
    await untilQuiet(wish.at, { clock, isBusy: () => !this.#isStopping && isBusy() }, this.#stopped.signal);
    if (wish.isDropped) return;
    wish.writing = wish.write();
    await wish.writing;
    if (this.#wishes.get(handle) === wish) this.#wishes.delete(handle);
  }
}

// --- internal ---

interface Wish {
  readonly write: () => Promise<void>;
  /** When it was wished, by the monotonic clock. */
  readonly at: number;
  isDropped: boolean;
  writing: Promise<void> | undefined;
}

const stopPollMs = 20;
const longestStopMs = 2000;
