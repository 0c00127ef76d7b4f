import fc from "fast-check";
import { expect, test } from "vitest";
import type { KernelRoute } from "../../../../src/host/netlink/netlink.ts";
import { decodeRoute, encodeRoute } from "../../../../src/host/netlink/route-codec.ts";
import { networkOf, parseCidr } from "../../../../src/net/cidr.ts";
import { type Ip, type IpVersion, ipFromBytes } from "../../../../src/net/ip.ts";

const route = fc.constantFrom<IpVersion>(4, 6).chain((version) =>
  fc.record<KernelRoute>(
    {
      destination: fc
        .tuple(ip(version), fc.integer({ min: 0, max: version === 4 ? 32 : 128 }))
        .map((pair) => networkOf(...pair)),
      type: fc.constantFrom("unicast", "blackhole", "local", "unreachable"),
      scope: fc.constantFrom("universe", "link", "host"),
      protocol: fc.integer({ min: 1, max: 255 }),
      linkIndex: fc.integer({ min: 1, max: 0x7fffffff }),
      gateway: ip(version),
      source: ip(version),
      metric: fc.integer({ min: 0, max: 0xffffffff }),
      onlink: fc.constant(true),
    },
    { requiredKeys: ["destination", "type", "scope", "protocol"] },
  ),
);

test("a route that is sent is the route that is read", () => {
  fc.assert(
    fc.property(route, (one) => {
      expect(decodeRoute(encodeRoute(one))).toEqual(one);
    }),
  );
});

test("what is not given is as the ip program has it", () => {
  const destination = parseCidr("10.0.0.0/24");
  const gateway = "10.0.0.1" as Ip;
  const sent = (one: KernelRoute) => decodeRoute(encodeRoute(one));
  expect(sent({ destination, linkIndex: 2 })).toMatchObject({ type: "unicast", protocol: 3, scope: "link" });
  expect(sent({ destination, gateway })).toMatchObject({ scope: "universe" });
  expect(sent({ destination, type: "blackhole" })).toMatchObject({ scope: "universe" });
  expect(sent({ destination, type: "local" })).toMatchObject({ scope: "host" });
});

test("a route of another table is left out", () => {
  const body = encodeRoute({ destination: parseCidr("10.0.0.0/24") });
  body.writeUInt8(255, 4);
  expect(decodeRoute(body)).toBeUndefined();
});

test("a type without a number is refused", () => {
  const other: KernelRoute = { destination: parseCidr("10.0.0.0/24"), type: "other" };
  expect(() => encodeRoute(other)).toThrow('Cannot send a route of type "other" to the kernel');
});

function ip(version: IpVersion): fc.Arbitrary<Ip> {
  const length = version === 4 ? 4 : 16;
  return fc.uint8Array({ minLength: length, maxLength: length }).map(ipFromBytes);
}
