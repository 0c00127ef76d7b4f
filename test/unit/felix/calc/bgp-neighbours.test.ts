import { expect, test } from "vitest";
import { parseBgpPeer } from "../../../../src/api/bgp-peer.ts";
import type { NodeName } from "../../../../src/api/names.ts";
import type { Node } from "../../../../src/api/objects.ts";
import { BgpNeighbours } from "../../../../src/felix/calc/bgp-neighbours.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const name = "node-1" as NodeName;

test("every node's addresses and every peer's, each once", () => {
  const neighbours = new BgpNeighbours();
  neighbours.setNode(name, nodeAt("172.16.0.1", "fd01::1"));
  neighbours.setPeer("router", peerAt("172.16.0.9:1790"));
  neighbours.setPeer("again", peerAt("172.16.0.1"));
  neighbours.setPeer("by selector", peerAt(""));
  expect(neighbours.plan()).toEqual(["172.16.0.1", "172.16.0.9", "fd01::1"]);
  neighbours.setNode(name, undefined);
  expect(neighbours.plan()).toEqual(["172.16.0.1", "172.16.0.9"]);
});

test("the address that a node peers by counts, with or without a length, and with its InternalIPs", () => {
  const neighbours = new BgpNeighbours();
  const annotations = { "projectcalico.org/IPv4Address": "10.1.0.1/24", "projectcalico.org/IPv6Address": "fd02::1" };
  neighbours.setNode(name, { ...nodeAt("172.16.0.1"), annotations });
  expect(neighbours.plan()).toEqual(["10.1.0.1", "172.16.0.1", "fd02::1"]);
  neighbours.setNode(name, { ...nodeAt("172.16.0.1"), annotations: { "projectcalico.org/IPv4Address": "none" } });
  expect(neighbours.plan()).toEqual(["172.16.0.1"]);
});

test("what says the same is the same object", () => {
  const neighbours = new BgpNeighbours();
  neighbours.setNode(name, nodeAt("172.16.0.1"));
  const before = neighbours.plan();
  neighbours.setNode(name, { ...nodeAt("172.16.0.1"), labels: { zone: "a" } });
  neighbours.setPeer("router", peerAt("172.16.0.1"));
  expect(neighbours.plan()).toBe(before);
});

// --- internal ---

function nodeAt(...ips: string[]): Node {
  return { name, labels: {}, annotations: {}, internalIps: ips.map(parseIp), podCidrs: [] };
}

function peerAt(peerIP: string) {
  return parseBgpPeer({ metadata: { name: "p" }, spec: { peerIP, asNumber: 64513 } });
}
