import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cidrContains,
  cidrContainsIp,
  cidrSize,
  cidrsOverlap,
  firstIp,
  hostCidr,
  isCanonicalCidr,
  networkOf,
  parseCidr,
  prefixLength,
} from "../../../src/net/cidr.ts";
import { ipFromNumber, ipPlus, parseIp } from "../../../src/net/ip.ts";

describe("a network", () => {
  test.each([
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:db8::1/32", "2001:db8::/32"],
    ["::1", "::1/128"],
  ])("%s is %s", (text, canonical) => expect(parseCidr(text)).toBe(canonical));

  test.each(["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "::/129", "10.0.0.0/8/8", "x/8"])(
    "%j is refused",
    (text) => {
      expect(() => parseCidr(text)).toThrow("Cannot read");
      expect(isCanonicalCidr(text)).toBe(false);
    },
  );

  test("canonical form has no host bits", () => {
    expect(isCanonicalCidr("10.0.0.0/8")).toBe(true);
    expect(isCanonicalCidr("10.0.0.1/8")).toBe(false);
  });

  test("contains its first and last address and not the neighbours", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 2n ** 24n, max: 2n ** 31n }), fc.integer({ min: 9, max: 32 }), (number, length) => {
        const cidr = networkOf(ipFromNumber(number, 4), length);
        const last = ipPlus(firstIp(cidr), cidrSize(cidr) - 1n);
        expect(cidrContainsIp(cidr, firstIp(cidr))).toBe(true);
        expect(cidrContainsIp(cidr, last)).toBe(true);
        expect(cidrContainsIp(cidr, ipPlus(last, 1))).toBe(false);
        expect(cidrContainsIp(cidr, ipPlus(firstIp(cidr), -1))).toBe(false);
      }),
    );
  });

  test("one in the other, either way round, is overlap", () => {
    const [outer, inner, other] = [parseCidr("10.0.0.0/8"), parseCidr("10.1.0.0/16"), parseCidr("11.0.0.0/8")];
    expect([cidrContains(outer, inner), cidrContains(inner, outer), cidrContains(outer, outer)]).toEqual([
      true,
      false,
      true,
    ]);
    expect([cidrsOverlap(outer, inner), cidrsOverlap(inner, outer), cidrsOverlap(outer, other)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(cidrContainsIp(parseCidr("0.0.0.0/0"), parseIp("::1"))).toBe(false);
  });

  test("of one host has the full length", () => {
    expect(prefixLength(hostCidr(parseIp("10.0.0.1")))).toBe(32);
    expect(prefixLength(hostCidr(parseIp("::1")))).toBe(128);
  });
});
