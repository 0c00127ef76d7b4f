import fc from "fast-check";
import { expect, test } from "vitest";
import { msOfTimestamp, timestampOf } from "../../../src/ipam/timestamp.ts";

test("it is what Date says, without the milliseconds", () => {
  const years = { min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true };
  fc.assert(
    fc.property(fc.date(years), (date) => {
      expect(timestampOf(date.getTime())).toBe(date.toISOString().replace(/\.\d+Z$/, "Z"));
    }),
  );
});

test("and is read again as Date does, with fractions and zones", () => {
  const years = { min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true };
  const zone = fc.constantFrom("Z", "z", "+05:30", "-11:00");
  fc.assert(
    fc.property(fc.date(years), zone, (date, end) => {
      expect(msOfTimestamp(date.toISOString())).toBe(date.getTime());
      const text = date.toISOString().replace("Z", end);
      expect(msOfTimestamp(text)).toBe(new Date(text).getTime());
    }),
  );
});

test.each(["", "today", "2026-11-21", "2026-11-21T10:00:00", "2026-13-21T10:00:00Z", "2026-11-21 10:00:00Z"])(
  "%j is no time",
  (text) => {
    expect(msOfTimestamp(text)).toBeUndefined();
  },
);
