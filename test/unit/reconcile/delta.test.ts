import fc from "fast-check";
import { expect, test } from "vitest";
import { diff, isEmpty } from "../../../src/reconcile/delta.ts";

const state = fc
  .dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 0, max: 3 }))
  .map((record) => new Map(Object.entries(record)));

test("applying a delta gives the desired state, and touches only what differs", () => {
  fc.assert(
    fc.property(state, state, (desired, actual) => {
      const delta = diff(desired, actual, Object.is);
      const result = new Map(actual);
      for (const key of delta.removals) expect(result.delete(key)).toBe(true);
      for (const [key, value] of delta.upserts) {
        expect(result.get(key)).not.toBe(value);
        result.set(key, value);
      }
      expect(Object.fromEntries(result)).toEqual(Object.fromEntries(desired));
      expect(isEmpty(diff(desired, result, Object.is))).toBe(true);
    }),
  );
});
