import fc from "fast-check";
import { expect, test } from "vitest";
import {
  attribute,
  ipAttribute,
  ipOf,
  macAttribute,
  macOf,
  nestedAttribute,
  parseAttributes,
  textAttribute,
  textOf,
  uint32Attribute,
  uint32Of,
} from "../../../../src/host/netlink/attribute.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const values = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 40 })), {
  selector: ([type]) => type,
});

test("what is encoded is parsed, each at a multiple of four bytes", () => {
  fc.assert(
    fc.property(values, (pairs) => {
      const encoded = pairs.map(([type, value]) => attribute(type, value));
      for (const one of encoded) expect(one.length % 4).toBe(0);
      const parsed = parseAttributes(Buffer.concat(encoded));
      expect([...parsed].map(([type, value]) => [type, new Uint8Array(value)])).toEqual(pairs);
    }),
  );
});

test("any bytes are parsed or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        for (const value of parseAttributes(Buffer.from(bytes)).values())
          expect(value.length).toBeLessThan(bytes.length);
      } catch (error) {
        expect(String(error)).toContain("Cannot read netlink attributes");
      }
    }),
  );
});

test("values have the kernel's form", () => {
  expect(uint32Attribute(4, 1450).toString("hex")).toBe("08000400aa050000");
  expect(textAttribute(3, "eth0").toString("hex")).toBe("090003006574683000000000");
  expect(ipAttribute(1, parseIp("10.0.0.1")).toString("hex")).toBe("080001000a000001");
  expect(macAttribute(1, "EE:ee:ee:00:01:02").toString("hex")).toBe("0a000100eeeeee0001020000");
  expect(nestedAttribute(18, uint32Attribute(1, 7)).toString("hex")).toBe("0c0012800800010007000000");
});

test("values are read back, and one that is not there is undefined", () => {
  const parsed = parseAttributes(
    Buffer.concat([
      uint32Attribute(1, 0xfffffffe),
      textAttribute(2, "cali0"),
      ipAttribute(3, parseIp("fd00::1")),
      ipAttribute(4, parseIp("192.168.0.255")),
      macAttribute(5, "EE:ee:ee:00:01:02"),
      nestedAttribute(6),
    ]),
  );
  expect(uint32Of(parsed, 1)).toBe(0xfffffffe);
  expect(textOf(parsed, 2)).toBe("cali0");
  expect(ipOf(parsed, 3)).toBe("fd00::1");
  expect(ipOf(parsed, 4)).toBe("192.168.0.255");
  expect(macOf(parsed, 5)).toBe("ee:ee:ee:00:01:02");
  expect(parsed.get(6)).toHaveLength(0);
  expect([uint32Of(parsed, 9), textOf(parsed, 9), ipOf(parsed, 9), macOf(parsed, 9)]).toEqual(Array(4).fill(undefined));
});

test("what the kernel would misread is refused with a sentence", () => {
  expect(() => textAttribute(3, "eth0\0x")).toThrow('Cannot send "eth0\\u0000x" to the kernel: it holds a NUL');
  expect(() => macAttribute(1, "ee:ee")).toThrow('Cannot read "ee:ee" as an Ethernet address');
});
