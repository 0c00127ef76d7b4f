import type { Change } from "../api/snapshot.ts";
import type { Written } from "../felix/dataplane/dataplane-observer.ts";
import type { Clock } from "../net/clock.ts";
import { messageOf } from "../net/message-of.ts";
import type { Logger } from "./logger.ts";
import type { AppliedPass, PassObserver } from "./pass-observer.ts";
import { type Causes, joinCauses, PendingChanges } from "./pending-changes.ts";

/** What was done in a pass, for whoever counts. */
export interface ToldPass extends AppliedPass {
  /** Of the pass itself. */
  readonly ms: number;
  /** What went to the kernel; absent parts are none. */
  readonly written: Partial<Written>;
  readonly causes: Causes;
  /** When the kernel had acknowledged it, in the clock's monotonic milliseconds. */
  readonly at: number;
  /** The first one of this process answers to nobody: it brings in what there was. */
  readonly isFirst: boolean;
}

export interface PassReportParts {
  readonly clock: Pick<Clock, "monotonicNow">;
  readonly logger: Pick<Logger, "info" | "debug" | "isLevelEnabled">;
  /** Whether `wrote` is told of all that is written; if not, every pass is taken to have written something. */
  readonly isToldOfWrites: boolean;
  /** Told of all changes as they come. */
  readonly onReceived?: (changes: readonly Change[]) => void;
  /** Told of each pass that has brought something about. */
  readonly onApplied?: (pass: ToldPass) => void;
  readonly onFailed?: () => void;
}

/**
 * One line in the log for each pass: what it wrote and why, at `info` when the kernel holds something new, else at `debug`; and
 * what health and metrics ask about passes. Which of the objects it names have mattered is not known: they have changed since
 * the pass before.
 */
export class PassReport implements PassObserver {
  readonly #parts: PassReportParts;
  readonly #pending = new PendingChanges();
  /** What the running pass answers to. */
  #causes: Causes | undefined;
  readonly #written = new Map<string, number>();
  #beganAt: number | undefined;
  #inForce: AppliedPass | undefined;
  #failure: string | undefined;

  constructor(parts: PassReportParts) {
    this.#parts = parts;
  }

  /** Part of a `DataplaneObserver`. */
  readonly wrote = (written: Partial<Written>): void => {
    for (const [what, count] of Object.entries(written)) {
      if (count > 0) this.#written.set(what, (this.#written.get(what) ?? 0) + count);
    }
  };

  /** Whether the kernel has held a plan of this process. */
  get hasApplied(): boolean {
    return this.#inForce !== undefined;
  }

  /** What the kernel has acknowledged last; it stands while the next pass is under way. */
  get inForce(): AppliedPass | undefined {
    return this.#inForce;
  }

  /** For how long the pass that is under way has been running, in milliseconds. */
  get runningMs(): number | undefined {
    return this.#beganAt === undefined ? undefined : this.#parts.clock.monotonicNow() - this.#beganAt;
  }

  /** Why the last pass has failed, unless one has succeeded since. */
  get failure(): string | undefined {
    return this.#failure;
  }

  received(changes: readonly Change[], at: number): void {
    this.#pending.add(changes, at);
    this.#parts.onReceived?.(changes);
  }

  began(): void {
    this.#beganAt = this.#parts.clock.monotonicNow();
    const causes = this.#pending.take();
    // What a pass that failed was to bring about is this one's to bring about.
    this.#causes = this.#causes === undefined ? causes : joinCauses(this.#causes, causes);
  }

  applied(pass: AppliedPass): void {
    const { clock, isToldOfWrites, onApplied } = this.#parts;
    const at = clock.monotonicNow();
    const ms = at - (this.#beganAt ?? at);
    const causes = this.#causes ?? noCauses;
    const written = this.#endPass();
    const isFirst = this.#inForce === undefined;
    this.#inForce = pass;
    this.#failure = undefined;
    this.#log("the kernel holds the plan", {
      isNew: !isToldOfWrites || Object.keys(written).length > 0,
      facts: () => ({ ...sizes(pass), ...why(causes), ms: rounded(ms), written }),
    });
    onApplied?.({ ...pass, ms, written, causes, at, isFirst });
  }

  idled(repaired = false): void {
    const ms = this.runningMs ?? 0;
    const causes = this.#causes ?? noCauses;
    const written = this.#endPass();
    this.#failure = undefined;
    const isNew = Object.keys(written).length > 0;
    const done = repaired ? "the kernel holds the plan again" : "the kernel is rid of what nothing uses any more";
    const text = isNew ? done : "the changes are nothing to this node";
    this.#log(text, { isNew, facts: () => ({ ...(isNew ? {} : why(causes)), ms: rounded(ms), written }) });
  }

  failed(error: unknown): void {
    this.#beganAt = undefined;
    this.#failure = messageOf(error);
    this.#parts.onFailed?.();
  }

  #endPass(): Partial<Written> {
    const written: Partial<Written> = Object.fromEntries(this.#written);
    this.#written.clear();
    this.#beganAt = undefined;
    this.#causes = undefined;
    return written;
  }

  #log(text: string, { isNew, facts }: { readonly isNew: boolean; readonly facts: () => object }): void {
    const level = isNew ? "info" : "debug";
    const { logger } = this.#parts;
    if (logger.isLevelEnabled(level)) logger[level](facts(), text);
  }
}

// --- internal ---

const noCauses: Causes = { counts: new Map(), names: [], arrivals: [] };

function sizes({ plan, state }: AppliedPass) {
  return { endpoints: plan.endpoints.size, policies: plan.policies.size, sets: state.sets.size };
}

function why({ counts, names }: Causes) {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return { changes: Object.fromEntries(counts), objects: names, more: Math.max(0, total - names.length) };
}

/** To a hundredth: a line is for people. */
function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
