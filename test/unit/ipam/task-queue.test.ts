import { setImmediate as turnOfEvents } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Task } from "../../../src/ipam/task.ts";
import { assignTask } from "../../../src/ipam/task.ts";
import { TaskQueue } from "../../../src/ipam/task-queue.ts";
import { request } from "./samples.ts";

/** A queue whose batches and pauses end when a test says so. */
function setUp() {
  const batches: string[][] = [];
  const ends: (() => void)[] = [];
  const waitFor = () => new Promise<void>((resolve) => ends.push(resolve));
  const queue: TaskQueue = new TaskQueue(
    async (tasks: readonly Task[]) => {
      batches.push(tasks.map(({ handle }) => handle));
      await waitFor();
      for (const task of tasks) queue.done(task);
    },
    async () => {
      batches.push(["gathers"]);
      await waitFor();
    },
  );
  const add = async (...handles: readonly string[]) => {
    for (const handle of handles) {
      queue.add(assignTask(request(handle), undefined, { resolve: () => undefined, reject: () => undefined }));
    }
    await turnOfEvents();
  };
  const end = async () => {
    ends.shift()?.();
    await turnOfEvents();
  };
  return { batches, add, end };
}

test("one alone is served at once, and so is the next one", async () => {
  const { batches, add, end } = setUp();
  await add("a");
  await add("b");
  await end();
  expect(batches).toEqual([["a"], ["b"]]);
});

test("after a batch of several, those that come meanwhile share the next with those that come a little later", async () => {
  const { batches, add, end } = setUp();
  await add("a", "b");
  await add("c");
  await end();
  await add("d");
  await end();
  expect(batches).toEqual([["a", "b"], ["gathers"], ["c", "d"]]);
});

test("after a batch of several with nobody left, the next one is served at once", async () => {
  const { batches, add, end } = setUp();
  await add("a", "b");
  await end();
  await add("c");
  expect(batches).toEqual([["a", "b"], ["c"]]);
});
