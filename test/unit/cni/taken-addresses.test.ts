import { describe, expect, test } from "vitest";
import { parseBgpPeer } from "../../../src/api/bgp-peer.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { type AddressUsers, whyTaken } from "../../../src/cni/taken-addresses.ts";
import { parseIp } from "../../../src/net/ip.ts";

const peer = (name: string, spec: object) => parseBgpPeer({ metadata: { name }, spec });
const users: AddressUsers = {
  pools: [
    parseIpPool({ metadata: { name: "four" }, spec: { cidr: "192.168.0.0/16" } }),
    parseIpPool({ metadata: { name: "six" }, spec: { cidr: "fd00:7::/64", disabled: true } }),
  ],
  nodes: [
    {
      name: "node-1" as NodeName,
      internalIps: [parseIp("10.0.0.1")],
      annotations: { "projectcalico.org/IPv4Address": "10.9.0.1/24" },
    },
    { name: "node-2" as NodeName, internalIps: [parseIp("10.0.0.2"), parseIp("2001:db8::2")], annotations: {} },
  ],
  peers: [
    peer("plain", { peerIP: "10.0.0.31", asNumber: 64512 }),
    peer("port", { peerIP: "10.0.0.32:1790", asNumber: 64512 }),
    peer("six", { peerIP: "[2001:DB8:0::33]:179", asNumber: 64512 }),
    peer("chosen", { peerSelector: "all()" }),
  ],
  apiServer: "https://10.0.0.4:6443",
  ofInterfaces: [{ ip: parseIp("10.0.0.5"), interface: "eth1" }],
  gateways: [parseIp("10.0.0.254"), parseIp("2001:db8::fe")],
};

describe("an address is refused, with who has it", () => {
  const cases: readonly (readonly [string, string])[] = [
    [
      "192.168.255.255",
      "of pool four (192.168.0.0/16), which IPAM gives from; ask for it by cni.projectcalico.org/ipAddrs",
    ],
    ["fd00:7::1", "of pool six (fd00:7::/64), which IPAM gives from; ask for it by cni.projectcalico.org/ipAddrs"],
    ["10.0.0.1", "an address of node node-1; ask for one that nobody has"],
    ["10.9.0.1", "an address of node node-1; ask for one that nobody has"],
    ["2001:db8::2", "an address of node node-2; ask for one that nobody has"],
    ["10.0.0.5", "on interface eth1 of this node; ask for one that nobody has"],
    ["10.0.0.254", "a gateway of this node's routes; ask for one that nobody has"],
    ["2001:db8::fe", "a gateway of this node's routes; ask for one that nobody has"],
    ["10.0.0.4", "the API server's (https://10.0.0.4:6443); ask for one that nobody has"],
    ["10.0.0.31", "the BGP neighbour's of BGPPeer plain; ask for one that nobody has"],
    ["10.0.0.32", "the BGP neighbour's of BGPPeer port; ask for one that nobody has"],
    ["2001:db8::33", "the BGP neighbour's of BGPPeer six; ask for one that nobody has"],
  ];
  test.each(cases)("%s", (ip, why) => {
    expect(whyTaken(parseIp(ip), users)).toBe(`it is ${why}`);
  });

  test("also of an API server with an IPv6 address", () => {
    const apiServer = "https://[2001:DB8::4]:6443";
    expect(whyTaken(parseIp("2001:db8::4"), { ...users, apiServer })).toMatch(/^it is the API server's/);
  });
});

test.each(["203.0.113.9", "192.167.255.255", "192.169.0.0", "10.0.0.3", "2001:db8::1", "fd00:7:0:1::"])(
  "nothing is against %s",
  (ip) => {
    expect(whyTaken(parseIp(ip), users)).toBeUndefined();
  },
);

test("an API server's name stands for no address", () => {
  const named = { ...users, apiServer: "https://api.example.org:6443" };
  expect(whyTaken(parseIp("10.0.0.4"), named)).toBeUndefined();
});
