import { expect, test } from "vitest";
import { compactList } from "../../../src/api/compact-list.ts";

test("it has the same items", () => {
  expect(compactList(["a", "b"])).toEqual(["a", "b"]);
});

test("empty ones are one and the same, which nobody can add to", () => {
  expect(compactList([])).toBe(compactList([1].slice(1)));
  expect(Object.isFrozen(compactList([]))).toBe(true);
});
