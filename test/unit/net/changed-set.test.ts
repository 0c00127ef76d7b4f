import fc from "fast-check";
import { expect, test } from "vitest";
import { changedSet } from "../../../src/net/changed-set.ts";

const change = fc.tuple(
  fc.integer({ min: 0, max: 400 }).map((value) => `10.0.${value}.1`),
  fc.boolean(),
);

test("a changed copy holds what a plain set would, and what it was made from is as before", () => {
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 300 }), { maxLength: 8 }), (batches) => {
      let set: ReadonlySet<string> = new Set();
      const plain = new Set<string>();
      for (const batch of batches) {
        const before = [...set].sort();
        const next = changedSet(set, new Map(batch), 50);
        expect([...set].sort()).toEqual(before);
        for (const [member, isIn] of new Map(batch)) {
          if (isIn) plain.add(member);
          else plain.delete(member);
        }
        expect([...next].sort()).toEqual([...plain].sort());
        expect(next.size).toBe(plain.size);
        for (const [member] of batch) expect(next.has(member)).toBe(plain.has(member));
        set = next;
      }
    }),
    { numRuns: 200 },
  );
});

test("a set is a plain one while it is small, and again when it has become small", () => {
  const many = new Map(Array.from({ length: 200 }, (_, index) => [`m-${index}`, true]));
  const large = changedSet(new Set<string>(), many, 100);
  const none = new Map([...many.keys()].slice(0, 160).map((member) => [member, false]));
  const small = changedSet(changedSet(large, none, 100), new Map([["m-199", false]]), 100);
  expect([large instanceof Set, small instanceof Set]).toEqual([false, true]);
  expect(small.size).toBe(39);
});

test("a large set answers as any set", () => {
  const members = Array.from({ length: 200 }, (_, index) => `m-${index}`);
  const plain = new Set(members);
  const large = changedSet(new Set<string>(), new Map(members.map((member) => [member, true])), 100);
  const other = new Set(["m-1", "x"]);
  expect(new Set(large.keys())).toEqual(plain);
  expect(new Set(large.values())).toEqual(plain);
  expect(new Map(large.entries())).toEqual(new Map(plain.entries()));
  const seen: string[] = [];
  large.forEach((member, same, set) => {
    if (member === same && set === large) seen.push(member);
  });
  expect(new Set(seen)).toEqual(plain);
  expect(large.union(other)).toEqual(plain.union(other));
  expect(large.intersection(other)).toEqual(new Set(["m-1"]));
  expect(large.difference(other)).toEqual(plain.difference(other));
  expect(large.symmetricDifference(other)).toEqual(plain.symmetricDifference(other));
  expect([large.isSubsetOf(plain), large.isSubsetOf(other)]).toEqual([true, false]);
  expect([large.isSupersetOf(plain), large.isSupersetOf(other)]).toEqual([true, false]);
  expect([large.isDisjointFrom(new Set(["x"])), large.isDisjointFrom(other)]).toEqual([true, false]);
});
