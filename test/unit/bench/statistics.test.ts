import { expect, test } from "vitest";
import { median, medianOf, quantile } from "../../../bench/statistics.ts";

test("the median is the middle, whatever the order; of an even number, the mean of both", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test("a quantile is a value that was measured, and that so many do not exceed", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  expect(quantile(values, 0.99)).toBe(198);
  expect(quantile(values, 1)).toBe(200);
  expect(quantile([7], 0)).toBe(7);
  expect(() => quantile([], 0.5)).toThrow("Cannot summarise measurements: there are none");
});

test("each figure's median is over the rounds that have it", () => {
  expect(medianOf([{ a: 1, b: 10 }, { a: 3 }, { a: 2 }])).toEqual({ a: 2, b: 10 });
});
