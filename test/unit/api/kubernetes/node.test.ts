import { expect, test } from "vitest";
import { parseNamespace } from "../../../../src/api/kubernetes/namespace.ts";
import { parseNode } from "../../../../src/api/kubernetes/node.ts";

test("a node has its internal addresses, in order and canonical", () => {
  const addresses = [
    { type: "Hostname", address: "node-1" },
    { type: "InternalIP", address: "2001:DB8::1" },
    { type: "ExternalIP", address: "203.0.113.1" },
    { type: "InternalIP", address: "10.0.1.1" },
  ];
  const metadata = { name: "node-1", labels: { rack: "1" }, annotations: { a: "b" } };
  expect(parseNode({ metadata, status: { addresses } })).toEqual({
    name: "node-1",
    labels: { rack: "1" },
    annotations: { a: "b" },
    internalIps: ["2001:db8::1", "10.0.1.1"],
    podCidrs: [],
  });
  expect(parseNode({ metadata: { name: "node-1" } }).internalIps).toEqual([]);
});

test("a node has its networks for pods, from either field, and what is none of them is left out", () => {
  const podCidrs = (spec: unknown) => parseNode({ metadata: { name: "node-1" }, spec }).podCidrs;
  expect(podCidrs({ podCIDR: "10.1.0.0/24", podCIDRs: ["10.1.0.0/24", "fd00:1::/64"] })).toEqual([
    "10.1.0.0/24",
    "fd00:1::/64",
  ]);
  expect(podCidrs({ podCIDR: "10.1.0.0/24" })).toEqual(["10.1.0.0/24"]);
  expect(podCidrs({ podCIDR: "10.1", podCIDRs: null })).toEqual([]);
  expect(podCidrs({})).toEqual([]);
});

test("a node is cordoned or not, and says whether its network is unavailable", () => {
  const conditions = [
    { type: "Ready", status: "True", reason: "KubeletReady" },
    { type: "NetworkUnavailable", status: "False", reason: "RouteCreated" },
  ];
  const metadata = { name: "node-1" };
  expect(parseNode({ metadata, spec: { unschedulable: true }, status: { conditions } })).toMatchObject({
    unschedulable: true,
    networkUnavailable: { status: "False", reason: "RouteCreated" },
  });
  const plain = parseNode({ metadata, spec: { unschedulable: false }, status: { conditions: conditions.slice(0, 1) } });
  expect(plain.unschedulable).toBeUndefined();
  expect(plain.networkUnavailable).toBeUndefined();
});

test("an internal address that is none is left out, and the node's others count", () => {
  const addresses = ["10.0.0", "10.0.0.1"].map((address) => ({ type: "InternalIP", address }));
  expect(parseNode({ metadata: { name: "node-1" }, status: { addresses } }).internalIps).toEqual(["10.0.0.1"]);
});

test("a namespace has labels and annotations, be they there or not", () => {
  expect(parseNamespace({ metadata: { name: "shop", labels: { a: "b" }, annotations: null } })).toEqual({
    name: "shop",
    labels: { a: "b" },
    annotations: {},
  });
});
