import fc from "fast-check";
import { expect, test } from "vitest";
import { parseIpReservation } from "../../../src/api/ip-reservation.ts";
import { Reservations } from "../../../src/ipam/reservations.ts";
import { type Cidr, cidrContainsIp, networkOf, parseCidr } from "../../../src/net/cidr.ts";
import { ipFromNumber, ipPlus, parseIp } from "../../../src/net/ip.ts";

function reservation(name: string, ...reservedCIDRs: readonly string[]) {
  return parseIpReservation({ metadata: { name }, spec: { reservedCIDRs } });
}

const cidr = fc
  .record({ host: fc.integer({ min: 0, max: 255 }), length: fc.integer({ min: 24, max: 32 }) })
  .map(({ host, length }) => networkOf(ipPlus(parseIp("10.0.0.0"), host), length));

test("an address of a block is reserved when one of the networks holds it, however they overlap", () => {
  fc.assert(
    fc.property(fc.array(cidr, { maxLength: 12 }), cidr, (reserved, block) => {
      const of = new Reservations([reservation("r", ...reserved, "2001:db8::/32")]).ofBlock(block);
      const size = 2 ** (32 - Number(block.slice(block.indexOf("/") + 1)));
      const ips = Array.from({ length: size }, (_, ordinal) =>
        ipPlus(block.slice(0, block.indexOf("/")) as never, ordinal),
      );
      const expected = ips.map((ip) => reserved.some((one: Cidr) => cidrContainsIp(one, ip)));
      expect(ips.map((_, ordinal) => of?.isReserved(ordinal) ?? false)).toEqual(expected);
      expect(of?.isWhole ?? false).toBe(expected.every(Boolean));
    }),
  );
});

test("what is open of a network is the rest, in order", () => {
  const of = new Reservations([reservation("r", "10.0.0.0/30", "10.0.0.4/31", "10.0.0.14/31", "10.9.0.0/16")]);
  const open = of
    .openIn(parseCidr("10.0.0.0/28"))
    ?.map(({ first, end }) => [ipFromNumber(first, 4), Number(end - first)]);
  expect(open).toEqual([["10.0.0.6", 8]]);
  expect(of.openIn(parseCidr("10.0.0.0/30"))).toEqual([]);
  expect(of.openIn(parseCidr("10.1.0.0/16"))).toBeUndefined();
});

test("those that concern a network are known by name, and the same list is known again", () => {
  const list = [reservation("a", "10.0.0.0/30"), reservation("b", "10.1.0.0/16", "10.0.0.8/32")];
  const of = new Reservations(list);
  expect(of.namesIn(parseCidr("10.0.0.0/24"))).toEqual(["a", "b"]);
  expect(of.namesIn(parseCidr("10.1.0.0/24"))).toEqual(["b"]);
  expect([of.isOf([...list]), of.isOf(list.slice(1)), of.isOf(list.toReversed())]).toEqual([true, false, false]);
});
