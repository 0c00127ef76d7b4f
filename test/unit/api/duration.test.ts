import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../../src/api/duration.ts";

test.each([
  ["0", 0],
  ["0s", 0],
  ["15m", 900_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  ["250ms", 250],
  ["1m0.5s", 60_500],
  [".5s", 500],
  ["2us", 0.002],
  ["2µs", 0.002],
  ["2μs", 0.002],
])("%j is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBeCloseTo(ms, 9);
});

test.each(["", "5", "m", "-5m", "5 m", "5x", "1h30", "1h-5m", "1e3s", "2562048h"])("%j is no duration", (text) => {
  expect(() => parseDuration(text)).toThrow(`Cannot read ${JSON.stringify(text)} as a duration`);
});

test.each([
  [0, "0s"],
  [0.2, "1ms"],
  [250, "250ms"],
  [1500, "1.5s"],
  [90_000, "1m30s"],
  [900_000, "15m0s"],
  [3_600_000, "1h0m0s"],
])("%d ms is printed as Go prints it: %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("what was printed is read back", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBeCloseTo(ms, 3);
    }),
  );
});
