import { expect, test } from "vitest";
import { KeyedLock } from "../../../src/cni/keyed-lock.ts";

test("one key is done in order, also after a failure; another key does not wait", async () => {
  const lock = new KeyedLock();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lock.run("a", async () => {
    await gate.promise;
    done.push("first");
    throw new Error("no");
  });
  const second = lock.run("a", async () => done.push("second"));
  await lock.run("b", async () => done.push("other"));
  gate.resolve();
  await expect(first).rejects.toThrow("no");
  await second;
  const third = lock.run("a", async () => done.push("third"));
  await third;
  expect(done).toEqual(["other", "first", "second", "third"]);
});
