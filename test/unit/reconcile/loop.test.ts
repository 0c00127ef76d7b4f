import { setImmediate as nextTurn, setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { Loop, type LoopOptions } from "../../../src/reconcile/loop.ts";

function loopOf(pass: () => Promise<void>, more: Partial<LoopOptions> = {}) {
  const waits: number[] = [];
  const failures: string[] = [];
  const loop = new Loop({
    pass,
    sleep: async (ms) => {
      waits.push(ms);
    },
    onFailure: (error, attempt) => failures.push(`${attempt}: ${(error as Error).message}`),
    firstRetryMs: 10,
    maxRetryMs: 40,
    ...more,
  });
  return { loop, waits, failures };
}

test("what arrives during a pass shares the next one", async () => {
  const gates: (() => void)[] = [];
  const { loop } = loopOf(() => new Promise((resolve) => gates.push(resolve)));
  const first = loop.request();
  const others = [loop.request(), loop.request(), loop.request()];
  gates[0]?.();
  await first;
  await Promise.resolve();
  expect(gates).toHaveLength(2);
  gates[1]?.();
  await Promise.all(others);
  expect(gates).toHaveLength(2);
});

test("a failed pass is tried again, ever more slowly, and its requests wait for the success", async () => {
  let runs = 0;
  const { loop, waits, failures } = loopOf(async () => {
    if (++runs < 5) throw new Error("locked");
  });
  await loop.request();
  expect(waits).toEqual([10, 20, 40, 40]);
  expect(failures).toEqual(["1: locked", "2: locked", "3: locked", "4: locked"]);
});

test("a stopped loop rejects whoever waits and whoever comes", async () => {
  const { loop } = loopOf(() => new Promise(() => {}));
  const waiting = loop.request();
  loop.stop();
  await expect(waiting).rejects.toThrow("Cannot finish the pass: the loop was stopped before it succeeded");
  await expect(loop.request()).rejects.toThrow("Cannot run another pass");
});

test("tells when the pass that was under way at its stop has ended", async () => {
  const gate = Promise.withResolvers<void>();
  const { loop } = loopOf(() => gate.promise);
  const waiting = loop.request();
  loop.stop();
  await expect(waiting).rejects.toThrow("Cannot finish the pass");
  let hasEnded = false;
  const ended = loop.ended().then(() => {
    hasEnded = true;
  });
  await nextTurn();
  expect(hasEnded).toBe(false);
  gate.resolve();
  await ended;
});

test("stopped between two attempts, it does not sleep to the end", async () => {
  const { loop, failures } = loopOf(() => Promise.reject(new Error("locked")), {
    sleep: (ms, signal) => setTimeout(1000 * ms, undefined, { signal }),
  });
  const waiting = loop.request();
  await nextTurn();
  loop.stop();
  await expect(waiting).rejects.toThrow("Cannot finish the pass");
  await loop.ended();
  expect(failures).toEqual(["1: locked"]);
});

test("a pass waits while it had better, and whoever comes meanwhile shares it", async () => {
  let [runs, clock, until] = [0, 0, 20];
  const asked: number[] = [];
  const { loop } = loopOf(
    async () => {
      runs++;
    },
    {
      gatherMs: (waiting) => {
        asked.push(waiting);
        return until;
      },
      sleep: async (ms) => {
        clock += ms;
        if (clock === 10) later.push(loop.request());
      },
    },
  );
  const later: Promise<void>[] = [];
  await loop.request();
  await Promise.all(later);
  expect([runs, clock]).toEqual([1, 20]);
  expect(asked).toEqual([1, 1, 2, 2, 2]);
  // It is over as soon as there is nothing to wait for.
  [clock, until] = [0, 0];
  await loop.request();
  expect([runs, clock]).toEqual([2, 0]);
});

test("stopped while it waits for more, a pass does not begin", async () => {
  let runs = 0;
  const { loop } = loopOf(
    async () => {
      runs++;
    },
    { gatherMs: () => 20, sleep: (ms, signal) => setTimeout(1000 * ms, undefined, { signal }) },
  );
  const waiting = loop.request();
  await nextTurn();
  loop.stop();
  await expect(waiting).rejects.toThrow("Cannot finish the pass");
  await loop.ended();
  expect(runs).toBe(0);
});
