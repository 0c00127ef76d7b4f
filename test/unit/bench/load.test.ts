import { expect, test } from "vitest";
import { drive } from "../../../bench/load.ts";

test("everything is done once, and never more at once than wanted", async () => {
  let running = 0;
  let most = 0;
  const load = await drive({ count: 25, concurrency: 4, signal: new AbortController().signal }, async (index) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return index;
  });
  expect(load.answers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, index) => index));
  expect(load.tookMs).toHaveLength(25);
  expect(most).toBe(4);
});

test("a failure comes out only once nothing runs any more", async () => {
  let running = 0;
  const failing = drive({ count: 10, concurrency: 3, signal: new AbortController().signal }, async (index) => {
    running++;
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (index === 1) throw new Error("refused");
  });
  await expect(failing).rejects.toThrow("refused");
  expect(running).toBe(0);
});

test("nothing is begun after an abort", async () => {
  const controller = new AbortController();
  let begun = 0;
  const ended = drive({ count: 10, concurrency: 1, signal: controller.signal }, async () => {
    if (++begun === 2) controller.abort(new Error("enough"));
  });
  await expect(ended).rejects.toThrow("enough");
  expect(begun).toBe(2);
});
