import type { Clock } from "../../net/clock.ts";
import type { HistoryNote } from "./bgp-changes.ts";

/**
 * Bounds what one session may have written: twenty entries a minute, and of what repeats within ten minutes the first only, unless
 * it tells that the session is established or no more.
 */
export class EntryLimit {
  readonly #clock: Clock;
  readonly #sessions = new Map<string, SessionBudget>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined: it is left out. Else how many of its session were left out since the last that was not. */
  admit(note: HistoryNote): number | undefined {
    const now = this.#clock.monotonicNow();
    const session = note.session ?? "";
    const budget = this.#sessions.get(session) ?? newBudget(now);
    this.#sessions.set(session, budget);
    if (now - budget.since >= minuteMs) Object.assign(budget, { since: now, written: 0 });
    const words = JSON.stringify([note.kind, note.text, note.from, note.to]);
    if (this.#isRepeat(budget, words, note, now) || budget.written >= mostAMinute) {
      budget.leftOut++;
      if (note.to !== undefined) budget.missed = note;
      return undefined;
    }
    if (note.to !== undefined) [budget.lastTo, budget.missed] = [note.to, undefined];
    budget.told.set(words, now);
    budget.written++;
    const { leftOut } = budget;
    budget.leftOut = 0;
    if (note.kind === "configuration" && note.session !== undefined) this.#sessions.delete(session);
    return leftOut;
  }

  /**
   * What must be told after all, once its minute is over, or `atOnce`: by what was written the session is up and by what was left
   * out it is not, or the other way round.
   */
  owed(atOnce = false): readonly HistoryNote[] {
    const now = this.#clock.monotonicNow();
    return [...this.#sessions.values()].flatMap((budget) => {
      const { since, missed, lastTo } = budget;
      if (missed === undefined || (!atOnce && now - since < minuteMs)) return [];
      budget.missed = undefined;
      if ((missed.to === "Established") === (lastTo === "Established")) return [];
      Object.assign(budget, { since: now, written: 0 });
      return [missed];
    });
  }

  #isRepeat({ told }: SessionBudget, words: string, { session, from, to }: HistoryNote, now: number): boolean {
    for (const [other, at] of told) if (now - at >= repeatMs) told.delete(other);
    return session !== undefined && from !== "Established" && to !== "Established" && told.has(words);
  }
}

// --- internal ---

const minuteMs = 60_000;
const mostAMinute = 20;
const repeatMs = 600_000;

interface SessionBudget {
  /** When the minute began in which `written` counts. */
  since: number;
  written: number;
  leftOut: number;
  /** The state in the last note that was admitted, and the last note with a state that was left out after it. */
  lastTo: string | undefined;
  missed: HistoryNote | undefined;
  /** What was written lately, and when. */
  readonly told: Map<string, number>;
}

function newBudget(now: number): SessionBudget {
  return { since: now, written: 0, leftOut: 0, lastTo: undefined, missed: undefined, told: new Map() };
}
