import fc from "fast-check";
import { expect, test } from "vitest";
import { timestampOf } from "../../../src/ipam/timestamp.ts";

test("it is what Date says, without the milliseconds", () => {
  const years = { min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true };
  fc.assert(
    fc.property(fc.date(years), (date) => {
      expect(timestampOf(date.getTime())).toBe(date.toISOString().replace(/\.\d+Z$/, "Z"));
    }),
  );
});
