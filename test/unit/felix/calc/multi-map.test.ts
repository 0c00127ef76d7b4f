import { expect, test } from "vitest";
import { MultiMap } from "../../../../src/felix/calc/multi-map.ts";

test("a key comes with its first value and goes with its last", () => {
  const map = new MultiMap<string, number>();
  expect(map.add("a", 1)).toBe(true);
  expect([map.add("a", 2), map.add("a", 2), map.add("b", 1)]).toEqual([false, false, true]);
  expect([...map.get("a")]).toEqual([1, 2]);
  expect([...map.keys()]).toEqual(["a", "b"]);
  expect(map.delete("a", 1)).toBe(false);
  expect([...map.get("a")]).toEqual([2]);
  expect(map.has("a")).toBe(true);
  expect(map.delete("a", 2)).toBe(true);
  expect([map.has("a"), map.has("b"), ...map.get("a")]).toEqual([false, true]);
});

test("a value or key that is not there is no error, and takes nothing away", () => {
  const map = new MultiMap<string, number>();
  map.add("a", 1);
  expect([map.delete("a", 2), map.delete("b", 1)]).toEqual([false, false]);
  expect([...map.get("a")]).toEqual([1]);
});
