import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, test } from "vitest";
import { LateRecords } from "../../../src/agent/late-records.ts";
import { testClock } from "../../fakes/test-clock.ts";

function setUp(isBusy = () => false) {
  const warnings: string[] = [];
  const clock = testClock();
  const logger = pino({ level: "warn" }, { write: (line: string) => warnings.push(JSON.parse(line).msg) });
  const done: string[] = [];
  const write = (name: string) => async () => void done.push(name);
  return { late: new LateRecords({ isBusy, clock, logger }), clock, warnings, done, write };
}

/** Long enough for anything that is going to be done. */
const settle = () => sleep(20);

test("what is put is done at once while nobody waits", async () => {
  const { late, done, write } = setUp();
  late.put("a", write("a"));
  await settle();
  expect(done).toEqual(["a"]);
});

test("while somebody waits it is put off, half a second at most", async () => {
  const { late, clock, done, write } = setUp(() => true);
  late.put("a", write("a"));
  clock.pass(480);
  await settle();
  expect(done).toEqual([]);
  clock.pass(40);
  await settle();
  expect(done).toEqual(["a"]);
});

test("what is dropped before it has begun is not done", async () => {
  const { late, clock, done, write } = setUp(() => true);
  late.put("a", write("a"));
  expect(late.drop("a")).toBeUndefined();
  clock.pass(1000);
  await settle();
  expect(done).toEqual([]);
});

test("who drops what has begun is told when it has ended, however", async () => {
  const { late } = setUp();
  const answer = Promise.withResolvers<void>();
  late.put("a", () => answer.promise);
  await settle();
  const dropped = late.drop("a");
  let hasEnded = false;
  void dropped?.then(() => {
    hasEnded = true;
  });
  await settle();
  expect([dropped === undefined, hasEnded]).toEqual([false, false]);
  answer.reject(new Error("no answer"));
  await dropped;
  expect(late.drop("a")).toBeUndefined();
});

test("what fails is told and tried again, unless it was dropped meanwhile", async () => {
  const { late, done, warnings, write } = setUp();
  let failures = 0;
  const failing = (name: string, meanwhile: () => void) => async () => {
    meanwhile();
    if (failures++ < 2) throw new Error("no answer");
    await write(name)();
  };
  late.put(
    "a",
    failing("a", () => undefined),
  );
  late.put(
    "b",
    failing("b", () => void late.drop("b")),
  );
  await settle();
  expect(done).toEqual(["a"]);
  expect(warnings).toEqual(Array(2).fill("cannot write the record of a handle: trying again (no answer)"));
});

test("who drops what was put twice is told when the first of it has ended", async () => {
  const { late, done, write } = setUp();
  const answer = Promise.withResolvers<void>();
  late.put("a", () => answer.promise);
  await settle();
  late.put("a", write("second"));
  const dropped = late.drop("a");
  expect(dropped).toBeInstanceOf(Promise);
  answer.resolve();
  await dropped;
  await settle();
  expect(done).toEqual([]);
});

test("stop writes what waits, and nothing that comes after", async () => {
  const { late, done, write } = setUp(() => true);
  late.put("a", write("a"));
  await late.stop();
  late.put("b", write("b"));
  await settle();
  expect(done).toEqual(["a"]);
});

test("stop does not wait for what goes on failing", async () => {
  const { late, done, write } = setUp();
  let tries = 0;
  late.put("a", async () => {
    if (tries++ < 10_000) throw new Error("no answer");
    await write("a")();
  });
  await late.stop();
  const triesByThen = tries;
  await settle();
  expect([tries, done]).toEqual([triesByThen, []]);
});
