import { expect, test } from "vitest";
import type { NamespacedName } from "../../../../src/api/names.ts";
import { FloatingClaims } from "../../../../src/felix/calc/floating-claims.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import { type Ip, parseIp } from "../../../../src/net/ip.ts";

const pools = [parseCidr("192.0.2.0/24"), parseCidr("0.0.0.0/1"), parseCidr("2001:db8::/64")];
const nodes = [parseIp("192.0.2.10")];
const taken = new Set([parseIp("192.0.2.20")]);

function claims() {
  const made = new FloatingClaims({ pools: () => pools, nodes: () => nodes, isTaken: (ip) => taken.has(ip) });
  const claim = (hostInterface: string, pod: string, own: string, ...wanted: string[]) => {
    const addresses = [parseIp(own)];
    made.set(hostInterface, addresses, { pod: pod as NamespacedName, addresses, wanted: wanted.map(parseIp) });
  };
  return { made, claim };
}

test("an address of a pool that is nobody's stands for the pod's own of its family", () => {
  const { made, claim } = claims();
  claim("cali1", "shop/web", "10.0.0.1", "192.0.2.1");
  expect(made.decide()).toEqual(["cali1"]);
  expect(made.of("cali1")).toEqual({
    floatingIps: [{ external: "192.0.2.1", internal: "10.0.0.1" }],
    problems: [],
  });
  expect(made.decide()).toEqual([]);
});

test.for([
  ["198.51.100.1", "it is of no IP pool"],
  ["127.0.0.1", "it is of 127.0.0.0/8"],
  ["192.0.2.10", "it is the address of a node or a BGP peer"],
  ["192.0.2.20", "it is in use"],
  ["10.0.0.2", "it is in use"],
  ["10.0.0.1", "it is in use"],
  ["2001:db8::1", "the pod has no IPv6 address"],
] as const)("%s cannot be claimed: %s", ([ip, why]) => {
  const { made, claim } = claims();
  made.set("cali2", [parseIp("10.0.0.2")], undefined);
  claim("cali1", "shop/web", "10.0.0.1", ip);
  made.decide();
  expect(made.of("cali1")).toEqual({
    floatingIps: [],
    problems: [`cni.projectcalico.org/floatingIPs: ${ip} is left out: ${why}`],
  });
});

test("of two claims the first by name counts, whichever came first, and the other once it is gone", () => {
  const { made, claim } = claims();
  claim("cali2", "shop/b", "10.0.0.2", "192.0.2.1");
  made.decide();
  claim("cali1", "shop/a", "10.0.0.1", "192.0.2.1");
  expect([...made.decide()].sort()).toEqual(["cali1", "cali2"]);
  expect(made.of("cali1")?.floatingIps).toEqual([{ external: "192.0.2.1" as Ip, internal: "10.0.0.1" }]);
  expect(made.of("cali2")).toEqual({
    floatingIps: [],
    problems: ["cni.projectcalico.org/floatingIPs: 192.0.2.1 is left out: pod shop/a has it"],
  });
  made.set("cali1", [], undefined);
  made.decide();
  expect(made.of("cali1")).toBeUndefined();
  expect(made.of("cali2")?.floatingIps).toHaveLength(1);
});
