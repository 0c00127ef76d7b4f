import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "vitest";
import { KeyedWork } from "../../../src/reconcile/keyed-work.ts";

/** Work whose attempts end when the test says so. */
function workOf(limit = 2) {
  const begun: { readonly what: string; readonly end: (error?: Error) => void }[] = [];
  const sleeping: { readonly ms: number; readonly wake: () => void }[] = [];
  const failures: string[] = [];
  const work = new KeyedWork<string, string>({
    work: (key, value) =>
      new Promise((resolve, reject) => {
        begun.push({ what: `${key}=${value}`, end: (error) => (error === undefined ? resolve() : reject(error)) });
      }),
    limit,
    sleep: (ms) => new Promise((resolve) => sleeping.push({ ms, wake: resolve })),
    random: () => 0.5,
    ...{ firstRetryMs: 100, maxRetryMs: 300 },
    onFailure: (key) => failures.push(key),
  });
  const end = async (index: number, error?: Error) => {
    begun[index]?.end(error);
    await tick();
  };
  return { work, sleeping, failures, end, begun: () => begun.map(({ what }) => what) };
}

const refused = new Error("refused");

test("works on different keys at once, up to the limit, in the order they were wished", async () => {
  const { work, end, begun } = workOf();
  for (const key of ["a", "b", "c", "d"]) work.put(key, "1");
  expect(begun()).toEqual(["a=1", "b=1"]);
  await end(1);
  expect(begun()).toEqual(["a=1", "b=1", "c=1"]);
  expect(["a", "b", "d"].map((key) => work.has(key))).toEqual([true, false, true]);
});

test("of several wishes for a key only the newest is begun, after the one under way", async () => {
  const { work, end, begun } = workOf();
  for (const value of ["1", "2", "3"]) work.put("a", value);
  expect(begun()).toEqual(["a=1"]);
  await end(0);
  expect(begun()).toEqual(["a=1", "a=3"]);
  await end(1);
  expect(work.has("a")).toBe(false);
  expect(begun()).toHaveLength(2);
});

test("tries again after ever longer pauses, and others go on meanwhile", async () => {
  const { work, sleeping, failures, end, begun } = workOf(1);
  work.put("a", "1");
  work.put("b", "1");
  await end(0, refused);
  expect(begun()).toEqual(["a=1", "b=1"]);
  await end(1);
  for (const index of [2, 3, 4]) {
    sleeping.at(-1)?.wake();
    await tick();
    await end(index, refused);
  }
  expect(sleeping.map(({ ms }) => ms)).toEqual([100, 200, 300, 300]);
  expect(failures).toEqual(["a", "a", "a", "a"]);
});

test("a newer wish does not wait for the pause of an older one, whose end then begins nothing", async () => {
  const { work, sleeping, end, begun } = workOf();
  work.put("a", "1");
  await end(0, refused);
  work.put("a", "2");
  expect(begun()).toEqual(["a=1", "a=2"]);
  await end(1, refused);
  sleeping[0]?.wake();
  await tick();
  expect(begun()).toHaveLength(2);
  sleeping[1]?.wake();
  await tick();
  expect(begun()).toEqual(["a=1", "a=2", "a=2"]);
});

test("a wish that failed while a newer one came is not tried again", async () => {
  const { work, sleeping, end, begun } = workOf();
  work.put("a", "1");
  work.put("a", "2");
  await end(0, refused);
  await end(1);
  sleeping[0]?.wake();
  await tick();
  expect(begun()).toEqual(["a=1", "a=2"]);
});

test("once stopped it begins nothing, and waits for what is under way", async () => {
  const { work, end, begun } = workOf(1);
  work.put("a", "1");
  work.put("b", "1");
  let stopped = false;
  const stopping = work.stop().then(() => {
    stopped = true;
  });
  await tick();
  expect(stopped).toBe(false);
  await end(0);
  await stopping;
  work.put("c", "1");
  expect(begun()).toEqual(["a=1"]);
});
