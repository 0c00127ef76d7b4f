import fc from "fast-check";
import { expect, test } from "vitest";
import { gatewayOf, isSpecial } from "../../../src/cni/subnet.ts";
import { networkOf, parseCidr } from "../../../src/net/cidr.ts";
import { ipFromNumber, ipPlus, parseIp } from "../../../src/net/ip.ts";

const plain = { isGateway: false, isDefaultGateway: false };
const v4 = parseCidr("10.4.0.64/26");
const v6 = parseCidr("fd00:6::40/122");

test("a main plugin that puts a gateway on the node has the block's second address", () => {
  for (const type of ["bridge", "macvlan", "ipvlan", "host-device"]) {
    expect(gatewayOf({ ...plain, type }, v4), type).toBeUndefined();
  }
  expect(gatewayOf({ ...plain, type: "macvlan", isGateway: true }, v4)).toBeUndefined();
  const gatewayed = [
    { ...plain, type: "ptp" },
    { ...plain, type: "bridge", isGateway: true },
    { ...plain, type: "bridge", isDefaultGateway: true },
  ];
  for (const conf of gatewayed) {
    expect(gatewayOf(conf, v4)).toBe("10.4.0.65");
    expect(gatewayOf(conf, v6)).toBe("fd00:6::41");
  }
});

test("there is no gateway in a block of one address", () => {
  const conf = { ...plain, type: "bridge", isGateway: true };
  expect(() => gatewayOf(conf, parseCidr("10.4.0.1/32"))).toThrow(
    expect.objectContaining({ code: 7, message: expect.stringContaining("10.4.0.1/32") }),
  );
});

test("no container has its network's own address, the broadcast address or the gateway's", () => {
  const special = (cidr: string, gateway?: string) => {
    const block = parseCidr(cidr);
    const all = Array.from({ length: 64 }, (_, offset) => ipPlus(networkIp(cidr), offset));
    return all.filter((ip) => isSpecial(ip, block, gateway === undefined ? undefined : parseIp(gateway)));
  };
  expect(special(v4)).toEqual(["10.4.0.64", "10.4.0.127"]);
  expect(special(v4, "10.4.0.65")).toEqual(["10.4.0.64", "10.4.0.65", "10.4.0.127"]);
  expect(special(v6)).toEqual(["fd00:6::40"]);
  expect(isSpecial(parseIp("10.4.0.0"), parseCidr("10.4.0.0/31"), undefined)).toBe(false);
  expect(isSpecial(parseIp("10.4.0.1"), parseCidr("10.4.0.1/32"), undefined)).toBe(false);
});

test("in every block of more than two addresses there is one that is not special", () => {
  fc.assert(
    fc.property(fc.integer({ min: 20, max: 30 }), fc.nat(0xffffffff), (length, number) => {
      const block = networkOf(ipFromNumber(BigInt(number), 4), length);
      const gateway = gatewayOf({ ...plain, type: "bridge", isGateway: true }, block);
      expect(isSpecial(ipPlus(networkIp(block), 2), block, gateway)).toBe(false);
    }),
  );
});

function networkIp(cidr: string) {
  return parseIp(cidr.split("/")[0] ?? "");
}
