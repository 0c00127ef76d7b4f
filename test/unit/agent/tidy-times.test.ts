import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { TidyTimes } from "../../../src/agent/tidy-times.ts";

/** Ends each sleep when the test says so. */
class World {
  readonly sleeps: { readonly ms: number; readonly end: () => void }[] = [];
  due = 0;
  readonly times = new TidyTimes({
    clock: {
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          const one = { ms, end: resolve };
          this.sleeps.push(one);
          signal?.addEventListener("abort", () => {
            this.sleeps.splice(this.sleeps.indexOf(one), 1);
            reject(signal.reason);
          });
        }),
    },
    onDue: () => void this.due++,
  });

  /** Answers how long it was. */
  async wake(): Promise<number | undefined> {
    const one = this.sleeps.shift();
    one?.end();
    await nextTurn();
    return one?.ms;
  }
}

test("it becomes due once no change has come for a while", async () => {
  const world = new World();
  world.times.changed();
  expect([world.sleeps.length, world.times.isDue]).toEqual([1, false]);
  expect(await world.wake()).toBe(100);
  expect([world.due, world.times.isDue]).toEqual([1, true]);
  world.times.done("all");
  expect([world.sleeps.length, world.times.isDue]).toEqual([0, false]);
});

test("a change puts it off, and steady change does so for a second and no longer", async () => {
  const world = new World();
  world.times.changed();
  for (let count = 0; count < 9; count++) {
    world.times.changed();
    await world.wake();
    expect(world.due).toBe(0);
  }
  world.times.changed();
  await world.wake();
  expect(world.due).toBe(1);
  // It is overdue then, and asked for again.
  world.times.changed();
  expect([world.sleeps.length, world.due]).toEqual([0, 2]);
  world.times.done("all");
  world.times.changed();
  expect(world.sleeps).toHaveLength(1);
});

test("what could not be done is tried again, ever later, and from the beginning after a change", async () => {
  const world = new World();
  world.times.changed();
  await world.wake();
  const pauses: (number | undefined)[] = [];
  for (let count = 0; count < 12; count++) {
    world.times.done("part");
    pauses.push(await world.wake());
  }
  expect(pauses).toEqual([50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000]);
  expect(world.due).toBe(13);
  world.times.done("part");
  world.times.changed();
  await nextTurn();
  // Only the rest is waited for.
  expect(world.sleeps.map(({ ms }) => ms)).toEqual([100]);
  await world.wake();
  world.times.done("part");
  expect(await world.wake()).toBe(50);
});

test("what could not be done is not waited for twice", async () => {
  const world = new World();
  world.times.changed();
  await world.wake();
  world.times.done("part");
  world.times.done("part");
  await nextTurn();
  expect(world.sleeps).toHaveLength(1);
});

test("once stopped it waits for nothing and never becomes due", async () => {
  const resting = new World();
  resting.times.changed();
  const trying = new World();
  trying.times.changed();
  await trying.wake();
  trying.times.done("part");
  for (const world of [resting, trying]) {
    const { due } = world;
    world.times.stop();
    await nextTurn();
    world.times.changed();
    world.times.done("part");
    expect([world.sleeps.length, world.due]).toEqual([0, due]);
  }
});
