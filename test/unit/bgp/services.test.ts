import { expect, test } from "vitest";
import type { Snapshot } from "../../../src/api/snapshot.ts";
import type { BgpInputs } from "../../../src/bgp/plan/bgp-inputs.ts";
import { planExports } from "../../../src/bgp/plan/export-policy.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { announced, serviceAddresses } from "../../../src/bgp/plan/service-addresses.ts";
import { planServices } from "../../../src/bgp/plan/services.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "./cluster.ts";
import { type ServiceWords, withServices } from "./service-words.ts";

const words: ClusterWords = {
  nodes: { "node-1": { ips: ["172.18.1.2", "fd18::2"] }, "node-2": { ips: ["172.18.1.3", "fd18::3"] } },
  pools: { "10.244.0.0/16": {} },
  blocks: { "10.244.1.0/26": "host:node-1" },
};
const node = nodeName("node-1");
const networks = {
  serviceClusterIPs: [{ cidr: "10.96.0.0/12" }, { cidr: "fd96::/112" }],
  serviceExternalIPs: [{ cidr: "203.0.113.0/28" }, { cidr: "203.0.113.200/32" }],
  serviceLoadBalancerIPs: [{ cidr: "198.51.100.0/24" }, { cidr: "192.0.2.7/32" }],
};
const here = "10.244.1.5 node-1";
const there = "10.244.2.5 node-2";

/** The single addresses that node-1 would announce of one Service. */
function single(service: ServiceWords, more: object = {}, spec: object = networks): readonly string[] {
  const snapshot = withServices(clusterSnapshot({ ...words, ...more }), { default: spec }, { web: service });
  return serviceAddresses(snapshot, node).map(announced);
}

function inputs(snapshot: Snapshot, more: Partial<BgpInputs> = {}): BgpInputs {
  return { ...bgpInputs(snapshot, node), ...more };
}

test("networks are announced whole from every node, single addresses and unaggregated ones of load balancers are not", () => {
  const plan = planServices(inputs(withServices(clusterSnapshot(words), { default: networks }, {})));
  expect(plan[4].announced).toEqual(["10.96.0.0/12", "198.51.100.0/24", "203.0.113.0/28"]);
  expect(plan[6].announced).toEqual(["fd96::/112"]);
  const apart = { ...networks, serviceLoadBalancerAggregation: "Disabled" };
  expect(planServices(inputs(withServices(clusterSnapshot(words), { default: apart }, {})))[4].announced).toEqual([
    "10.96.0.0/12",
    "203.0.113.0/28",
  ]);
});

test("every configured network, single ones too, is kept from the kernel", () => {
  const plan = planServices(inputs(withServices(clusterSnapshot(words), { default: networks }, {})));
  expect(plan[4].ranges).toEqual([
    ...["10.96.0.0/12", "192.0.2.7/32", "198.51.100.0/24", "203.0.113.0/28", "203.0.113.200/32"],
  ]);
  expect(plan[6].ranges).toEqual(["fd96::/112"]);
});

test.each([
  ["a node's InternalIP", {}, "node node-2 has it"],
  ["a BGP neighbour's address", {}, "it is the neighbour of BGPPeer tor"],
  ["what a load balancer gave another", { balanced: ["203.0.113.3"] }, "Service shop/other has been given it"],
  ["another's cluster address", { cluster: ["203.0.113.3"] }, "Service shop/other has been given it"],
])("an external address that is %s is not announced for whoever claims it, and this is told", (_, other, reason) => {
  const [nodes, peers] = [{ ...words.nodes }, { tor: { peerIP: "172.18.1.3", asNumber: 1 } }];
  if (reason.includes("BGPPeer")) delete (nodes as Partial<typeof nodes>)["node-2"];
  const cluster = clusterSnapshot({ ...words, nodes, ...(reason.includes("BGPPeer") && { peers }) });
  const claimed = reason.includes("Service") ? "203.0.113.3" : "172.18.1.3";
  const config = { ...networks, serviceExternalIPs: [{ cidr: "203.0.113.0/28" }, { cidr: "172.18.1.0/24" }] };
  const web: ServiceWords = { local: true, external: [claimed, "203.0.113.4"], endpoints: [here] };
  const snapshot = withServices(cluster, { default: config }, { web, other: { ...other, local: true } });
  expect(serviceAddresses(snapshot, node).map(announced)).toEqual(["10.96.0.10/32", "203.0.113.4/32"]);
  expect(planBgp(inputs(snapshot))?.rejected).toEqual([
    { kind: "Service", name: "shop/web", reason: `Cannot announce external address ${claimed}: ${reason}` },
  ]);
});

test("an external address that a load balancer gave the Service itself is announced", () => {
  const same = ["203.0.113.3"];
  expect(single({ local: true, external: same, balanced: same, endpoints: [here] })).toContain("203.0.113.3/32");
});

test("a node's own BGPConfiguration says nothing of Services", () => {
  const snapshot = withServices(clusterSnapshot(words), { "node.node-1": { listenPort: 1790 } }, {});
  expect(planServices(inputs(snapshot))[4]).toEqual({ announced: [], ranges: [] });
});

test("with the policy Local every configured address goes out where an endpoint is ready, and nowhere else", () => {
  const service: ServiceWords = {
    ...{ local: true, cluster: ["10.96.0.10"], external: ["203.0.113.1", "8.8.8.8"], balanced: ["198.51.100.1"] },
  };
  const all = ["10.96.0.10/32", "203.0.113.1/32", "198.51.100.1/32"];
  expect(single({ ...service, endpoints: [there, here] })).toEqual(all);
  expect(single({ ...service, endpoints: [there] })).toEqual([]);
  expect(single({ ...service, endpoints: [`${here} unready`, there] })).toEqual([]);
  expect(single({ ...service, endpoints: [`${here} terminating`, there] })).toEqual([]);
  expect(single({ ...service, endpoints: ["10.244.1.5 -"] })).toEqual([]);
});

test("a family is announced only where an endpoint of that family is ready", () => {
  const service: ServiceWords = { local: true, cluster: ["10.96.0.10", "fd96::10"] };
  expect(single({ ...service, endpoints: ["fd44::5 node-1", there] })).toEqual(["fd96::10/128"]);
  expect(single({ ...service, endpoints: ["fd44::5 node-1", here] })).toEqual(["10.96.0.10/32", "fd96::10/128"]);
});

test("with the policy Cluster an address goes out by itself only where a single one is configured, and something is ready", () => {
  const balanced: ServiceWords = { balanced: ["192.0.2.7"], endpoints: [there] };
  expect(single(balanced)).toEqual(["10.96.0.10/32", "192.0.2.7/32"]);
  expect(single({ ...balanced, endpoints: [`${there} unready`] })).toEqual([]);
  expect(single({ ...balanced, balanced: ["198.51.100.1"] })).toEqual([]);
  expect(single({ ...balanced, balanced: ["198.51.100.1"], asked: "192.0.2.7" })).toEqual([
    "10.96.0.10/32",
    "198.51.100.1/32",
  ]);
  expect(single({ ...balanced, type: "ClusterIP" })).toEqual([]);
  expect(single({ type: "ClusterIP", external: ["203.0.113.200"], endpoints: [there] })).toEqual([
    "10.96.0.10/32",
    "203.0.113.200/32",
  ]);
});

test("without aggregation every address that something is ready behind goes out by itself", () => {
  const apart = { ...networks, serviceLoadBalancerAggregation: "Disabled" };
  const service: ServiceWords = { balanced: ["198.51.100.1"], endpoints: [there] };
  expect(single(service, {}, apart)).toEqual(["10.96.0.10/32", "198.51.100.1/32"]);
  expect(single({ ...service, endpoints: [] }, {}, apart)).toEqual([]);
});

test("headless Services and names for others have no address to announce", () => {
  expect(single({ local: true, cluster: [], external: ["203.0.113.1"], endpoints: [here] })).toEqual([]);
  expect(single({ local: true, type: "ExternalName", external: ["203.0.113.1"], endpoints: [here] })).toEqual([]);
});

test("of the single addresses those that can be delivered to are announced", () => {
  const service: ServiceWords = { local: true, balanced: ["192.0.2.7"], endpoints: [here] };
  const snapshot = withServices(clusterSnapshot(words), { default: networks }, { web: service });
  const whole = ["10.96.0.0/12", "198.51.100.0/24", "203.0.113.0/28"];
  expect(planServices(inputs(snapshot))[4].announced).toEqual(whole);
  const deliverable = new Set([parseCidr("192.0.2.7/32"), parseCidr("192.0.2.8/32")]);
  expect(planServices(inputs(snapshot, { deliverable }))[4].announced).toEqual([
    ...["10.96.0.0/12", "192.0.2.7/32", "198.51.100.0/24", "203.0.113.0/28"],
  ]);
});

test("a node that is excluded announces nothing of Services, and keeps their networks from its kernel", () => {
  const label = "node.kubernetes.io/exclude-from-external-load-balancers";
  const withLabel = (value: string) => {
    const nodes = { ...words.nodes, "node-1": { ips: ["172.18.1.2"], labels: { [label]: value } } };
    const service: ServiceWords = { local: true, balanced: ["192.0.2.7"], endpoints: [here] };
    const snapshot = withServices(clusterSnapshot({ ...words, nodes }), { default: networks }, { web: service });
    return planServices(inputs(snapshot, { deliverable: new Set([parseCidr("192.0.2.7/32")]) }))[4];
  };
  expect(withLabel("true").announced).toEqual([]);
  expect(withLabel("true").ranges).toHaveLength(5);
  // As upstream: only this value.
  expect(withLabel("false").announced).toHaveLength(4);
});

test("a node that goes away withdraws its Services first, and its pods' networks last, which stay blackholed", () => {
  const snapshot = withServices(clusterSnapshot(words), { default: networks }, {});
  const exportsOf = (more: Partial<BgpInputs>) =>
    planExports(inputs(snapshot, more), 4, planServices(inputs(snapshot, more))[4]);
  expect(exportsOf({ isDraining: true })).toMatchObject({ isDraining: true, blocks: ["10.244.1.0/26"] });
  expect(exportsOf({ isDraining: true }).services).toHaveLength(3);
  expect(exportsOf({ isDraining: true, withdrawn: "services" })).toMatchObject({
    services: [],
    blocks: ["10.244.1.0/26"],
  });
  expect(exportsOf({ isDraining: true, withdrawn: "everything" })).toMatchObject({
    ...{ services: [], blocks: [], hidden: ["10.244.1.0/26"] },
  });
});

test("a route reflector passes on what it learns of Services, another node does not", () => {
  const snapshot = withServices(clusterSnapshot(words), { default: networks }, {});
  const poolsOf = (one: Snapshot) => planExports(inputs(one), 4, planServices(inputs(one))[4]).pools;
  expect(poolsOf(snapshot)).toEqual(["10.244.0.0/16"]);
  const self = snapshot.node.get(node);
  if (self === undefined) throw new Error("node-1 is not there");
  const annotations = { "projectcalico.org/RouteReflectorClusterID": "244.0.0.1" };
  const reflector = { ...snapshot, node: new Map(snapshot.node).set(node, { ...self, annotations }) };
  expect(poolsOf(reflector)).toEqual([
    ...["10.96.0.0/12", "10.244.0.0/16", "192.0.2.7/32", "198.51.100.0/24", "203.0.113.0/28", "203.0.113.200/32"],
  ]);
});

test("communities are those of the node's own object, else of default, by value or by a name of the same object", () => {
  const own = {
    prefixAdvertisements: [{ cidr: "10.244.1.0/24", communities: ["64512:7", "64512:7"] }],
  };
  const common = {
    communities: [{ name: "racks", value: "64512:100" }],
    prefixAdvertisements: [
      { cidr: "10.244.0.0/16", communities: ["racks", "64512:1:2"] },
      { cidr: "fd44::/64", communities: ["racks"] },
    ],
  };
  const communitiesOf = (configurations: Readonly<Record<string, object>>, version: 4 | 6) => {
    const snapshot = withServices(clusterSnapshot(words), configurations, {});
    return planExports(inputs(snapshot), version, planServices(inputs(snapshot))[version]).communities;
  };
  const ofDefault = [
    {
      cidr: "10.244.0.0/16",
      communities: [
        [64512, 100],
        [64512, 1, 2],
      ],
    },
  ];
  expect(communitiesOf({ default: common }, 4)).toEqual(ofDefault);
  expect(communitiesOf({ default: common }, 6)).toEqual([{ cidr: "fd44::/64", communities: [[64512, 100]] }]);
  expect(communitiesOf({ default: common, "node.node-1": own }, 4)).toEqual([
    { cidr: "10.244.1.0/24", communities: [[64512, 7]] },
  ]);
  expect(communitiesOf({ default: common, "node.node-1": { listenPort: 1790 } }, 4)).toEqual(ofDefault);
});
