import { expect, test } from "vitest";
import { parseBgpPeer } from "../../../src/api/bgp-peer.ts";
import { namespacedName } from "../../../src/api/names.ts";
import { type Attachment, attachmentKey, type Pod } from "../../../src/api/objects.ts";
import type { Snapshot } from "../../../src/api/snapshot.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { sessionKinds } from "../../../src/bgp/plan/plan-sessions.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { bgpInputs, clusterSnapshot, nodeName } from "./cluster.ts";

const peering = { localWorkloadPeeringIPV4: "169.254.0.1", localWorkloadPeeringIPV6: "fd00:169::1" };
const spec = { localWorkloadSelector: "app == 'router'", asNumber: 64600 };
const router = { name: "router", addresses: ["10.65.0.7", "10.65.0.9", "fd00:65::7"] };

test("each pod of the node itself that is chosen is a neighbour that connects, by its first address of each family", () => {
  const { sessions, rejected } = planned([router, { ...router, name: "web", addresses: ["10.65.0.8"], labels: {} }]);
  const facts = { kind: "workload", neighborAs: 64600, passive: true, port: undefined };
  expect(sessions).toEqual([
    expect.objectContaining({ ...facts, name: "Local_Workload_10_65_0_7", source: "169.254.0.1" }),
    expect.objectContaining({ ...facts, name: "Local_Workload_fd00_65__7", source: "fd00:169::1" }),
  ]);
  expect(rejected).toEqual([]);
});

test.each([
  ["a pod of another node", { node: "node-2" }],
  ["a pod that has ended", { finished: true }],
  ["a pod on the host's network", { hostNetwork: true }],
  ["a pod that was made anew", { uid: "other" }],
  ["a pod of a namespace that is not known", { namespace: "unknown" }],
])("%s is none", (_, facts) => {
  expect(planned([{ ...router, ...facts }]).sessions).toEqual([]);
});

test.each([
  "projectcalico.org/namespace == 'shop' && app == 'router'",
  "pcns.env == 'prod'",
  "pcsa.team == 'net'",
  "projectcalico.org/serviceaccount == 'robot'",
])("%s chooses by what the pod's namespace and service account say", (localWorkloadSelector) => {
  expect(planned([router], { ...spec, localWorkloadSelector }).sessions).toHaveLength(2);
});

test("what a pod says of its namespace does not count", () => {
  const forged = { ...router, labels: { "pcns.tier": "gold" } };
  expect(planned([forged], { ...spec, localWorkloadSelector: "pcns.tier == 'gold'" }).sessions).toEqual([]);
});

test("a peering address that BIRD could not speak by gives no session, and this is told", () => {
  const { sessions, rejected } = planned([router], spec, { ...peering, localWorkloadPeeringIPV6: "fe80::1" });
  expect(sessions.map(({ neighbor }) => neighbor)).toEqual(["10.65.0.7"]);
  expect(rejected).toEqual([
    {
      ...{ kind: "BGPPeer", name: "pods" },
      reason:
        "Cannot peer with pods by localWorkloadPeeringIPV6 fe80::1: it is link-local, and says nothing without an interface",
    },
  ]);
});

test("a family without a peering address has no such session, and this is told once", () => {
  const twice = [router, { ...router, name: "second", addresses: ["fd00:65::8"] }];
  const { sessions, rejected } = planned(twice, spec, { localWorkloadPeeringIPV4: "169.254.0.1" });
  expect(sessions.map(({ neighbor }) => neighbor)).toEqual(["10.65.0.7"]);
  expect(rejected).toEqual([
    {
      ...{ kind: "BGPPeer", name: "pods" },
      reason: "Cannot peer with pods over IPv6: BGPConfiguration says no localWorkloadPeeringIPV6",
    },
  ]);
});

test("other fields are those of any BGPPeer", () => {
  const { sessions } = planned([router], { ...spec, localASNumber: 64999, keepaliveTime: "3s", password: {} });
  expect(sessions[0]).toMatchObject({ localAs: 64999, keepaliveS: 3, held: expect.stringContaining("password") });
});

test("pods matter to sessions only where a BGPPeer chooses among them", () => {
  const kinds = (peer: object) => sessionKinds({ bgpPeer: new Map([["pods", parsed(peer)]]) });
  expect(kinds(spec)).toContain("pod");
  expect(kinds({ peerIP: "10.0.0.1", asNumber: 1 })).not.toContain("pod");
});

// --- internal ---

interface PodWords extends Partial<Pick<Pod, "namespace" | "labels" | "uid" | "finished" | "hostNetwork">> {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly node?: string;
}

function planned(pods: readonly PodWords[], peer: object = spec, configuration: object = peering) {
  const inputs = bgpInputs(snapshotOf(pods, peer, configuration), nodeName("node-1"));
  const config = planBgp(inputs) ?? expect.fail("node-1 has no plan");
  return { sessions: config.families.flatMap(({ sessions }) => sessions), rejected: config.rejected };
}

function parsed(peer: object) {
  return parseBgpPeer({ metadata: { name: "pods" }, spec: peer });
}

function snapshotOf(pods: readonly PodWords[], peer: object, configuration: object): Snapshot {
  const nodes = { "node-1": { ips: ["172.18.1.2", "fd00::2"] } };
  const robot = { namespace: "shop", name: "robot", labels: { team: "net" } };
  return {
    ...clusterSnapshot({ nodes, configuration: { default: configuration } }),
    bgpPeer: new Map([["pods", parsed(peer)]]),
    namespace: new Map([["shop", { name: "shop", labels: { env: "prod" }, annotations: {} }]]),
    serviceAccount: new Map([[namespacedName("shop", "robot"), robot]]),
    pod: new Map(pods.map((words) => podOf(words)).map((pod) => [namespacedName(pod.namespace, pod.name), pod])),
    attachment: new Map(pods.map(attachmentOf).map((one) => [attachmentKey(one), one])),
  };
}

function podOf({ addresses, node = "node-1", ...facts }: PodWords): Pod {
  return {
    ...{ namespace: "shop", uid: facts.name, labels: { app: "router" }, annotations: {}, serviceAccount: "robot" },
    ...{ ips: addresses.map(parseIp), annotatedIps: [], hostNetwork: false, namedPorts: [], finished: false },
    ...{ ...facts, node: nodeName(node) },
  };
}

function attachmentOf({ name, namespace = "shop", addresses }: PodWords): Attachment {
  return {
    ...{ containerId: name, interfaceName: "eth0", hostInterface: `cali${name}`, netns: `/run/netns/${name}` },
    ...{ pod: namespacedName(namespace, name), podUid: name, addresses: addresses.map(parseIp), mtu: 1500 },
  };
}
