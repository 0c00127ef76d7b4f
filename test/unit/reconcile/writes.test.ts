import { expect, test } from "vitest";
import { Writes } from "../../../src/reconcile/writes.ts";

test("a reading counts when nothing was written between its beginning and its end", async () => {
  const writes = new Writes();
  await writes.during(async () => {});
  const isValid = writes.reading();
  expect([isValid(), writes.isRunning]).toEqual([true, false]);
});

test("one that a write has overtaken, begun in, or lain within does not", async () => {
  const writes = new Writes();
  const before = writes.reading();
  const end = Promise.withResolvers<string>();
  const writing = writes.during(() => end.promise);
  const within = writes.reading();
  expect([before(), within(), writes.isRunning]).toEqual([false, false, true]);
  end.resolve("written");
  expect(await writing).toBe("written");
  expect([before(), within(), writes.isRunning]).toEqual([false, false, false]);
});

test("a write that fails has ended too", async () => {
  const writes = new Writes();
  const before = writes.reading();
  await expect(writes.during(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect([before(), writes.reading()(), writes.isRunning]).toEqual([false, true, false]);
});
