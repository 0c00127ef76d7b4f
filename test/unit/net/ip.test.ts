import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  compareIps,
  type Ip,
  ipFromBytes,
  ipFromNumber,
  ipPlus,
  ipToBytes,
  ipToNumber,
  ipv4ToNumber,
  isIp,
  parseIp,
} from "../../../src/net/ip.ts";

const ipv4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ipFromNumber(value, 4));
const ipv6 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ipFromNumber(value, 6));

describe("an address", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"],
    ["FF01::101", "ff01::101"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    // RFC 5952 section 4.2: a single zero group is not shortened, the first of the longest runs is.
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
  ])("%s is written %s", (text, canonical) => {
    expect(parseIp(text)).toBe(canonical);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "256.1.1.1",
    "1.2.3.4 ",
    "::1::",
    ":1",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8::",
    "g::",
    "12345::",
    "fe80::1%eth0",
  ])("%j is refused with a sentence that quotes it", (text) => {
    expect(isIp(text)).toBe(false);
    expect(() => parseIp(text)).toThrow(`Cannot read ${JSON.stringify(text)} as an IP address`);
  });

  test("survives text, number and bytes", () => {
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), (ip) => {
        expect(parseIp(ip)).toBe(ip);
        expect(ipFromBytes(ipToBytes(ip))).toBe(ip);
        expect(ipFromNumber(ipToNumber(ip), ip.includes(":") ? 6 : 4)).toBe(ip);
      }),
    );
  });

  test("does not move out of its address space", () => {
    expect(ipPlus(parseIp("10.0.0.255"), 1)).toBe("10.0.1.0");
    expect(() => ipPlus(parseIp("255.255.255.255"), 1)).toThrow("out of range");
    expect(() => ipPlus(parseIp("::"), -1)).toThrow("out of range");
  });

  test("sorts by version, then by number", () => {
    const sorted = ["::1", "10.0.0.10", "10.0.0.9", "::"].map((text) => parseIp(text) as Ip).sort(compareIps);
    expect(sorted).toEqual(["10.0.0.9", "10.0.0.10", "::", "::1"]);
  });
});

test("an IPv4 address as a plain number is the same number", () => {
  const every = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(fc.property(every, (value) => ipv4ToNumber(ipFromNumber(BigInt(value), 4)) === value));
});
