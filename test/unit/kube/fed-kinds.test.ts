import { expect, test } from "vitest";
import { parseIpamBlock } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import { planExports } from "../../../src/bgp/plan/export-policy.ts";
import { planServices } from "../../../src/bgp/plan/services.ts";
import { NodeCalculator } from "../../../src/felix/calc/node-calculator.ts";
import { feeds } from "../../../src/kube/fed-kinds.ts";
import { bgpInputs } from "../bgp/cluster.ts";

const node = "node-1" as NodeName;
const cidr = "10.1.0.0/16";
/** As another version of the API could have it. */
const spec = { cidr, natOutgoing: true, disableBGPExport: true, vxlanMode: "Sometimes" };
const unreadable = { metadata: { name: "p", resourceVersion: "1" }, spec };

test("a pool that cannot be read opens nothing, also for a node that never saw it readable", () => {
  expect(() => feeds.ipPool.parse(unreadable)).toThrow("Cannot read IPPool p");
  const value = feeds.ipPool.unreadable(unreadable, "");
  if (value === undefined) throw new Error("the pool counts as absent");

  const block = parseIpamBlock({
    metadata: { name: "b" },
    spec: { cidr: "10.1.0.0/30", affinity: "host:node-1", allocations: [], unallocated: [], attributes: [] },
  });
  const snapshot = { ...emptySnapshot(), ipPool: new Map([["p", value]]), ipamBlock: new Map([["b", block]]) };
  const inputs = bgpInputs(snapshot, node);
  expect(planExports(inputs, 4, planServices(inputs)[4])).toMatchObject({ hidden: [cidr], pools: [] });

  const calculator = new NodeCalculator(node);
  calculator.apply([{ kind: "ipPool", key: "p", value }]);
  expect(calculator.plan()).toMatchObject({ pools: [cidr], masqueradedPools: [cidr] });
});

test("a BGP peer that cannot be read says whom it would have, if that can be read", () => {
  const scope = { node: "node-1", peerIP: "192.0.2.1" };
  const json = { metadata: { name: "p" }, spec: { ...scope, asNumber: "65536.1", filters: ["f"] } };
  expect(() => feeds.bgpPeer.parse(json)).toThrow("Cannot read BGPPeer p");
  expect(feeds.bgpPeer.unreadable(json, "why")).toMatchObject({ spec: scope, unreadable: "why" });
  const nobody = { metadata: { name: "p" }, spec: { peerIP: "192.0.2.1", nodeSelector: "((" } };
  expect(feeds.bgpPeer.unreadable(nobody, "why")).toBeUndefined();
});

test("a reservation that cannot be read still reserves what can be read of it", () => {
  const json = { metadata: { name: "r" }, spec: { reservedCIDRs: ["10.1.0.0/30", "nonsense"] } };
  expect(() => feeds.ipReservation.parse(json)).toThrow("Cannot read IPReservation r");
  expect(feeds.ipReservation.unreadable(json, "")?.spec.reservedCIDRs).toEqual(["10.1.0.0/30"]);
});

test("settings of address management that cannot be read are the strictest, field by field", () => {
  const settings = { strictAffinity: "yes", maxBlocksPerHost: 4, ipCooldownSeconds: 30 };
  const json = { metadata: { name: "default" }, spec: settings };
  expect(() => feeds.ipamConfiguration.parse(json)).toThrow("Cannot read IPAMConfiguration default");
  expect(feeds.ipamConfiguration.unreadable(json, "")?.spec).toMatchObject({ ...settings, strictAffinity: true });
});

test("of settings of agents that cannot be read, every field that can be counts", () => {
  const json = { metadata: { name: "default" }, spec: { healthPort: "x", vxlanPort: 8472 } };
  expect(() => feeds.felixConfiguration.parse(json)).toThrow("Cannot read FelixConfiguration default");
  expect(feeds.felixConfiguration.unreadable(json, "")).toMatchObject({
    spec: { vxlanPort: 8472 },
    faults: [{ field: "healthPort" }],
  });
});

test.each([
  ["networkPolicy", { podSelector: {}, ingress: 7 }, {}],
  ["clusterNetworkPolicy", { tier: "Baseline", priority: 5 }, { tier: "kube-baseline", order: 5 }],
  ["calicoNetworkPolicy", { tier: "security", order: 5, ingress: 7 }, { tier: "security", order: 5 }],
  ["globalNetworkPolicy", { tier: "security", order: 5, ingress: 7 }, { tier: "security", order: 5 }],
  ["stagedNetworkPolicy", { ingress: 7 }, {}],
  ["stagedGlobalNetworkPolicy", { ingress: 7 }, {}],
  ["stagedKubernetesNetworkPolicy", { ingress: 7 }, {}],
] as const)("a %s that cannot be read stays as one that denies, where it stood", (kind, spec, scope) => {
  const json = { metadata: { namespace: "shop", name: "p", uid: "u", generation: 3 }, spec };
  expect(() => feeds[kind].parse(json)).toThrow(/^Cannot read \w+ shop\/p: /);
  expect(feeds[kind].unreadable(json, "why")).toMatchObject({
    ...{ rejected: "why", namespace: "shop", name: "p", revision: { uid: "u", generation: 3 }, scope },
  });
});

test.each([
  [
    { order: 5, defaultAction: "Allow" },
    { order: 5, defaultAction: "Deny" },
  ],
  [
    { order: "first", defaultAction: "Pass" },
    { order: undefined, defaultAction: "Pass" },
  ],
  [undefined, { order: undefined, defaultAction: "Deny" }],
])("a tier that cannot be read keeps its place and denies unless it clearly passes: %j", (spec, rest) => {
  const json = { metadata: { name: "t" }, spec };
  expect(() => feeds.tier.parse(json)).toThrow("Cannot read Tier t");
  expect(feeds.tier.unreadable(json, "")?.spec).toEqual(rest);
});

test("network sets and host endpoints that cannot be read stay, with what can be", () => {
  const set = { metadata: { namespace: "shop", name: "s" }, spec: { nets: ["10.1.0.0/30", "nonsense"] } };
  for (const kind of ["networkSet", "globalNetworkSet"] as const) {
    expect(() => feeds[kind].parse(set)).toThrow("spec.nets[1]");
    expect(feeds[kind].unreadable(set, "")?.spec.nets).toEqual(["10.1.0.0/30"]);
  }
  const endpoint = { metadata: { name: "h" }, spec: { node: "node-1", interfaceName: "*", expectedIPs: ["nonsense"] } };
  expect(() => feeds.hostEndpoint.parse(endpoint)).toThrow("spec.expectedIPs[0]");
  expect(feeds.hostEndpoint.unreadable(endpoint, "")?.spec).toMatchObject({ interfaceName: "*", expectedIPs: [] });
});

test("settings of BGP that cannot be read stay, with what can be; a filter stays, and rejects", () => {
  const settings = { metadata: { name: "default" }, spec: { asNumber: 64513, listenPort: "x" } };
  expect(() => feeds.bgpConfiguration.parse(settings)).toThrow("Cannot read BGPConfiguration default");
  expect(feeds.bgpConfiguration.unreadable(settings, "")?.spec).toEqual({ asNumber: 64513 });
  const filter = { metadata: { name: "f" }, spec: { exportV4: 7 } };
  expect(() => feeds.bgpFilter.parse(filter)).toThrow("Cannot read BGPFilter f");
  const rejects = [{ action: "Reject" }];
  expect(feeds.bgpFilter.unreadable(filter, "why")).toMatchObject({
    unreadable: "why",
    spec: { exportV4: rejects, importV4: rejects, exportV6: rejects, importV6: rejects },
  });
});

test.each([
  ...(["pod", "namespace", "serviceAccount", "service", "endpointSlice", "node"] as const),
  ...(["ipamBlock", "bgpPeer", "calicoNodeStatus"] as const),
])("a %s that cannot be read counts as absent", (kind) => {
  expect(feeds[kind].unreadable({ metadata: { name: "x" } }, "why")).toBeUndefined();
});
