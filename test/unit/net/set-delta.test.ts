import fc from "fast-check";
import { expect, test } from "vitest";
import { changedSet, lineageOf, setDelta } from "../../../src/net/changed-set.ts";

const change = fc.tuple(
  fc.integer({ min: 0, max: 400 }).map((value) => `10.0.${value}.1`),
  fc.boolean(),
);

const numbered = (count: number) => new Set(Array.from({ length: count }, (_, index) => `m-${index}`));

test("the difference between any two of a row of changed copies is what comparing them member by member finds", () => {
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 60 }), { minLength: 1, maxLength: 50 }), (batches) => {
      const sets: ReadonlySet<string>[] = [changedSet(numbered(300), new Map(), 50)];
      // Every third one is made of the one before the last: two that come from the same.
      for (const [index, batch] of batches.entries()) {
        sets.push(changedSet(sets.at(index % 3 === 2 ? -2 : -1) ?? new Set(), new Map(batch), 50));
      }
      for (const before of sets) {
        const after = sets.at(-1) ?? before;
        for (const [a, b] of [[before, after] as const, [after, before] as const]) {
          const { added, removed } = setDelta(a, b);
          expect(new Set(added)).toEqual(new Set([...b].filter((member) => !a.has(member))));
          expect(new Set(removed)).toEqual(new Set([...a].filter((member) => !b.has(member))));
          expect([added.length, removed.length]).toEqual([new Set(added).size, new Set(removed).size]);
        }
      }
    }),
    { numRuns: 60 },
  );
});

const unread = {
  [Symbol.iterator]: () => {
    throw new Error("was looked through");
  },
};

test("what was changed is forgotten after many steps, and when it is much of the set", () => {
  const before = changedSet(numbered(2000), new Map());
  let after = before;
  for (let round = 0; round < 100; round++) after = changedSet(after, new Map([[`m-${round}`, false]]));
  const half = changedSet(before, new Map(Array.from({ length: 1000 }, (_, index) => [`m-${index}`, false])));
  expect(setDelta(before, after).removed).toHaveLength(100);
  for (const set of [before, after, half]) Object.assign(set, unread);
  expect(() => setDelta(before, after)).toThrow("was looked through");
  expect(() => setDelta(before, half)).toThrow("was looked through");
});

test("a few changes of a large set are known without looking through it", () => {
  const before = changedSet(numbered(20_000), new Map());
  let after = before;
  for (let round = 0; round < 20; round++) after = changedSet(after, new Map([[`new-${round}`, true]]));
  for (const set of [before, after]) Object.assign(set, unread);
  expect(setDelta(before, after).added).toHaveLength(20);
  expect(lineageOf(after)).toBe(lineageOf(before));
  expect(lineageOf(new Set(["x"]))).toBeUndefined();
});

test("whoever made the changes may go on writing to them", () => {
  const before = changedSet(numbered(2000), new Map());
  const changes = new Map([["new", true]]);
  const after = changedSet(before, changes);
  changes.clear();
  expect(setDelta(before, after)).toEqual({ added: ["new"], removed: [] });
});

test("a set that changes without end does not hold on to what it was", async () => {
  let set = changedSet(numbered(2000), new Map());
  const earlier: WeakRef<object>[] = [];
  for (let round = 0; round < 500; round++) {
    if (round % 50 === 0) earlier.push(new WeakRef(set));
    set = changedSet(set, new Map([[`m-${round}`, false]]));
    set = changedSet(set, new Map([[`m-${round}`, true]]));
  }
  await expect
    .poll(
      () => {
        globalThis.gc?.();
        // Without a way to ask for a collection, fill the young generation until there is one.
        Array.from({ length: 200_000 }, (_, index) => [index]);
        return earlier.filter((one) => one.deref() !== undefined).length;
      },
      { timeout: 20_000 },
    )
    .toBe(0);
  expect(set.size).toBe(2000);
});
