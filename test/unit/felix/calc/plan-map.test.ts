import { expect, test } from "vitest";
import { PlanMap } from "../../../../src/felix/calc/plan-map.ts";

test("parts are in the order of their keys, and what says the same stays the same object", () => {
  const map = new PlanMap<string, { readonly n: number }>();
  map.set("b", { n: 1 });
  map.set("a", { n: 2 });
  const first = map.all();
  expect([...first.keys()]).toEqual(["a", "b"]);
  map.set("b", { n: 1 });
  map.set("c", undefined);
  expect(map.all()).toBe(first);
  map.set("aa", { n: 3 });
  map.set("b", { n: 4 });
  const second = map.all();
  expect([...second]).toEqual([
    ["a", { n: 2 }],
    ["aa", { n: 3 }],
    ["b", { n: 4 }],
  ]);
  expect(second.get("a")).toBe(first.get("a"));
  expect([...first.keys()]).toEqual(["a", "b"]);
});

test("what is set and set back before anybody asks has not changed", () => {
  const map = new PlanMap<string, { readonly n: number }>();
  map.set("a", { n: 1 });
  const first = map.all();
  map.set("a", undefined);
  map.set("a", { n: 1 });
  expect(map.all()).toBe(first);
  map.set("a", undefined);
  expect(map.all().size).toBe(0);
});
