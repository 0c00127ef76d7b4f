import { expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { podCidrOf, podCidrOrAny, withPodCidrs } from "../../../src/cni/pod-cidr.ts";
import { parseCidr } from "../../../src/net/cidr.ts";

const cidrOf = (version: 4 | 6) => (version === 4 ? "10.1.0.0/24" : "fd00:1::/64");
const ipamOf = (ipam: unknown) => JSON.parse(withPodCidrs(JSON.stringify({ name: "pods", ipam }), cidrOf)).ipam;

test("upstream's words are replaced wherever a subnet stands, and nothing else is touched", () => {
  expect(ipamOf({ type: "host-local", subnet: "usePodCidr", note: "usePodCidr" })).toEqual({
    type: "host-local",
    subnet: "10.1.0.0/24",
    note: "usePodCidr",
  });
  const ranges = [
    [{ subnet: "USEPODCIDRIPV6", rangeStart: "::5" }, { subnet: "10.9.0.0/16" }],
    [{ subnet: "usepodcidr" }],
  ];
  expect(ipamOf({ ranges })).toEqual({
    ranges: [[{ subnet: "fd00:1::/64", rangeStart: "::5" }, { subnet: "10.9.0.0/16" }], [{ subnet: "10.1.0.0/24" }]],
  });
});

test("a text without these words is the very same, and what is of an odd form is left to the plugin", () => {
  for (const conf of [
    '{ "name":"a" }',
    '{"ipam":"x"}',
    '{"ipam":{"subnet":7,"ranges":{"a":1}}}',
    '{"ipam":{"ranges":[7,[8]]}}',
  ]) {
    expect(withPodCidrs(conf, cidrOf)).toBe(conf);
  }
});

test("the networks are the Node's of that family", () => {
  const own = {
    name: "node-1" as NodeName,
    labels: {},
    annotations: {},
    internalIps: [],
    podCidrs: ["fd00:1::/64"].map(parseCidr),
  };
  const other = { ...own, name: "node-2" as NodeName, podCidrs: ["10.2.0.0/24"].map(parseCidr) };
  const node = { nodeName: "node-1" as NodeName, nodes: () => [other, own] };
  expect(podCidrOf(node, 6)).toBe("fd00:1::/64");
  expect(() => podCidrOf(node, 4)).toThrow(
    expect.objectContaining({ code: 11, message: expect.stringContaining("--allocate-node-cidrs") }),
  );
  expect(() => podCidrOf({ ...node, nodes: () => [other] }, 4)).toThrow(expect.objectContaining({ code: 11 }));
  expect([podCidrOrAny(node, 6), podCidrOrAny(node, 4)]).toEqual(["fd00:1::/64", "0.0.0.0/0"]);
});
