import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Controller } from "../../../src/controllers/controller.ts";
import { DriveControllers } from "../../../src/controllers/drive-controllers.ts";
import { testClock } from "../../fakes/test-clock.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const longMs = 600_000;

test("a pass is made at the beginning, on a change of what is watched, and when it is due", async () => {
  const { controller, clock, drive, end } = lead();
  await settle();
  expect(controller.passes).toBe(1);
  drive.touched(new Set(["node"]));
  await settle();
  expect(controller.passes).toBe(1);
  drive.touched(new Set(["ipPool", "node"]));
  await settle();
  expect(controller.passes).toBe(2);
  clock.wake();
  await settle();
  expect(controller.passes).toBe(3);
  await end();
});

test("a failed pass is made again, and what is due is asked after a good one", async () => {
  const { controller, clock, end } = lead((count) => count < 3);
  await settle();
  expect(controller.passes).toBe(3);
  expect(clock.slept).toEqual([1000, 2000]);
  await end();
});

test("without leadership nothing is done, and the end waits for the pass that runs", async () => {
  const { controller, clock, drive, end } = lead();
  await settle();
  const slow = Promise.withResolvers<void>();
  controller.wait = slow.promise;
  drive.touched(new Set(["ipPool"]));
  await settle();
  expect(drive.leads).toBe(true);
  let ended = false;
  const ending = end().then(() => {
    ended = true;
  });
  await settle();
  expect([ended, controller.signal?.aborted, drive.leads]).toEqual([false, true, false]);
  slow.resolve();
  await ending;
  drive.touched(new Set(["ipPool"]));
  clock.wake();
  await settle();
  expect(controller.passes).toBe(2);
});

// --- internal ---

function lead(fails: (count: number) => boolean = () => false) {
  const clock = testClock();
  const controller = {
    ...({ name: "one", watches: ["ipPool"], dueInMs: () => longMs } as const),
    passes: 0,
    wait: Promise.resolve(),
    signal: undefined as AbortSignal | undefined,
    pass: async (signal: AbortSignal) => {
      controller.passes++;
      controller.signal = signal;
      await controller.wait;
      if (fails(controller.passes)) throw new Error("not yet");
    },
  } satisfies Controller & Record<string, unknown>;
  const drive = new DriveControllers([controller], { clock, logger: quiet });
  // Before this process leads, a change is nobody's.
  drive.touched(new Set(["ipPool"]));
  const lost = new AbortController();
  const leading = drive.lead(lost.signal);
  const end = () => {
    lost.abort();
    return leading;
  };
  return { controller, clock, drive, end };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await tick();
}
