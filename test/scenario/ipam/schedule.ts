import { setImmediate as settled } from "node:timers/promises";
import type { Clock } from "../../../src/net/clock.ts";

interface Gate {
  readonly owner: object;
  /** When a sleep is over, in milliseconds since 1970. */
  readonly due: number | undefined;
  readonly open: () => void;
}

/**
 * What happens next, when many things may: each waits at a gate, and the next of `choices` says which one is opened;
 * the one that waits longest when there are no more choices. So a history is data, and runs the same way each time.
 */
export class Schedule {
  readonly #choices: readonly number[];
  #gates: Gate[] = [];
  #steps = 0;
  #now = Date.UTC(2026, 10, 21, 10);

  constructor(choices: readonly number[]) {
    this.#choices = choices;
  }

  /** How many gates have been opened. */
  get steps(): number {
    return this.#steps;
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#now;
  }

  /** Resolves when this gate is opened. */
  wait(owner: object, due?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gates.push({ owner, due, open: resolve });
    return promise;
  }

  /** What waits for `owner` waits for ever. */
  forget(owner: object): void {
    this.#gates = this.#gates.filter((gate) => gate.owner !== owner);
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  /** Opens one gate and lets everything run that follows from it. False when nothing waits, or only for longer than `longestMs`. */
  async step(longestMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    await settled();
    const near = this.#gates.filter(({ due = 0 }) => due - this.#now <= longestMs);
    if (near.length === 0) return false;
    const gate = near[(this.#choices[this.#steps++] ?? 0) % near.length];
    this.#gates = this.#gates.filter((one) => one !== gate);
    this.#now = Math.max(this.#now + 1, gate?.due ?? 0);
    gate?.open();
    await settled();
    return true;
  }

  /** A clock on which a sleep is over when its gate is opened. */
  clock(owner: object): Clock {
    return {
      now: () => this.#now,
      monotonicNow: () => this.#now,
      random: () => ((this.#choices[this.#steps] ?? 0) % 97) / 97,
      sleep: (ms) => this.wait(owner, this.#now + ms),
    };
  }
}
