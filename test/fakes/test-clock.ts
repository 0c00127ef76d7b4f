import { setImmediate as tick } from "node:timers/promises";
import type { Clock } from "../../src/net/clock.ts";

/** Time that a test makes pass; chance is always one half. */
export interface TestClock extends Clock {
  /** Every short sleep so far, in milliseconds. */
  readonly slept: readonly number[];
  /** Moves the clock. */
  pass(ms: number): void;
  /** Ends every long sleep. */
  wake(): void;
}

/** Sleeps under a minute end at once and are noted; longer ones go on until `wake` or an abort. */
export function testClock(): TestClock {
  const slept: number[] = [];
  let now = 0;
  let long = Promise.withResolvers<void>();
  return {
    slept,
    now: () => now,
    monotonicNow: () => now,
    random: () => 0.5,
    pass: (ms) => {
      now += ms;
    },
    wake: () => {
      long.resolve();
      long = Promise.withResolvers<void>();
    },
    sleep: (ms, signal) => {
      if (ms < 60_000) {
        slept.push(ms);
        return tick();
      }
      const aborted = new Promise<void>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      return Promise.race([long.promise, aborted]);
    },
  };
}
