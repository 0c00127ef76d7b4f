import { expect, test } from "vitest";
import { parseQuantity } from "../../../../src/api/kubernetes/quantity.ts";

test.for<[string, bigint]>([
  ["0", 0n],
  ["10M", 10_000_000n],
  ["+10M", 10_000_000n],
  ["-10M", -10_000_000n],
  ["1k", 1_000n],
  ["1Ki", 1_024n],
  ["1.5Gi", 1_610_612_736n],
  [".5k", 500n],
  ["1.", 1n],
  ["1e6", 1_000_000n],
  ["1E6", 1_000_000n],
  ["1E", 10n ** 18n],
  ["12e-1", 2n],
  ["1.01k", 1_010n],
  ["1.0001k", 1_001n],
  ["100m", 1n],
  ["-1500m", -2n],
  ["1n", 1n],
  ["0e999999999", 0n],
  ["9E", 9n * 10n ** 18n],
  ["10E", 2n ** 63n - 1n],
  ["8Ei", 2n ** 63n - 1n],
  ["1e999999999", 2n ** 63n - 1n],
  ["1e-999999999", 1n],
])("%s is %s", ([text, value]) => {
  expect(parseQuantity(text)).toBe(value);
});

test.for(["", ".", "k", "10 M", " 10M", "10MB", "10K", "10Mi ", "1e", "1e+", "1.2.3", "0x10", "١", "1_000", "NaN"])(
  "%j is none",
  (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  },
);

test("a text that is too long is none", () => {
  expect(parseQuantity("9".repeat(128))).toBe(2n ** 63n - 1n);
  expect(parseQuantity("9".repeat(129))).toBeUndefined();
});
