import { setTimeout as timeout } from "node:timers/promises";
import type { Clock } from "../net/clock.ts";

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicNow: () => performance.now(),
  sleep: (ms, signal) => timeout(ms, undefined, signal === undefined ? {} : { signal }),
  random: () => Math.random(),
};
