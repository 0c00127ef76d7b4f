import { describe, expect, test } from "vitest";
import type { BirdConfig, Session } from "../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { secretsOf } from "../../../src/bgp/plan/plan-sessions.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "./cluster.ts";

const cluster = (id: string) => ({ "projectcalico.org/RouteReflectorClusterID": id });

/** Two reflectors of one cluster, one of another, and two nodes. */
const nodes: ClusterWords["nodes"] = {
  "node-1": { ips: ["172.18.1.1", "fd00::1"], labels: { role: "node" } },
  "node-2": { ips: ["172.18.1.2"], labels: { role: "node" }, as: "64600" },
  "rr-1": { ips: ["172.18.1.11", "fd00::11"], labels: { role: "rr" }, annotations: cluster("244.0.0.1") },
  "rr-2": { ips: ["172.18.1.12"], labels: { role: "rr" }, annotations: cluster("244.0.0.1") },
  "rr-3": { ips: ["172.18.1.13"], labels: { role: "rr" }, annotations: cluster("244.0.0.3") },
};
const noMesh = { default: { nodeToNodeMeshEnabled: false } };
const toReflectors = { nodeSelector: "role == 'node'", peerSelector: "role == 'rr'" };

describe("peerSelector", () => {
  test("is a session with every node that it chooses, in each family that both have, with that node's AS", () => {
    const peers = { rr: { nodeSelector: "all()", peerSelector: "all()" } };
    expect(sessionsOf({ nodes, peers, configuration: noMesh }, "node-1").map(brief)).toEqual([
      "Node_172_18_1_2 as 64600 waits",
      "Node_172_18_1_11 as 64512 waits",
      "Node_172_18_1_12 as 64512 waits",
      "Node_172_18_1_13 as 64512 waits",
      "Node_fd00__11 as 64512 waits",
    ]);
    expect(sessionsOf({ nodes, peers, configuration: noMesh }, "rr-2").map(brief)).toEqual([
      "Node_172_18_1_1 as 64512 connects",
      "Node_172_18_1_2 as 64600 waits",
      "Node_172_18_1_11 as 64512 connects",
      "Node_172_18_1_13 as 64512 waits",
    ]);
    expect(planned({ nodes, peers, configuration: noMesh }, "rr-2").rejected).toEqual([]);
  });

  test("goes to the port at which the node listens", () => {
    const configuration = { ...noMesh, "node.rr-1": { listenPort: 1790 } };
    const [first, second] = sessionsOf({ nodes, peers: { rr: toReflectors }, configuration }, "node-1");
    expect([first?.name, first?.port]).toEqual(["Node_172_18_1_11_port_1790", 1790]);
    expect([second?.name, second?.port]).toEqual(["Node_172_18_1_12", undefined]);
  });

  test("that chooses no node is told; one that chooses the node itself alone is not", () => {
    const peers = { none: { peerSelector: "role == 'none'" }, self: { peerSelector: "role == 'rr'", node: "rr-1" } };
    const one = { ...nodes, "rr-2": { ips: [] }, "rr-3": { ips: [] } };
    const config = planned({ nodes: one, peers, configuration: noMesh }, "rr-1");
    expect(config.rejected.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
      "none: Cannot peer: peerSelector chooses no node that has an address",
    ]);
  });

  test("what the mesh has already is told once, by how many they are", () => {
    const peers = { all: { peerSelector: "role == 'node'" }, one: { peerIP: "172.18.1.2", asNumber: 64600 } };
    const more = { ...nodes, "node-3": { ips: ["172.18.1.3"], labels: { role: "node" } } };
    expect(planned({ nodes: more, peers }, "node-1").rejected.map(({ reason }) => reason)).toEqual([
      "Cannot peer with 172.18.1.2 and 1 more twice: the node-to-node mesh has a session with each",
      "Cannot peer with 172.18.1.2 twice: the node-to-node mesh has a session with it",
    ]);
  });
});

describe("the other end of a BGPPeer", () => {
  test("is made of itself on nodes that peerSelector chooses", () => {
    const words = { nodes, peers: { rr: toReflectors }, configuration: noMesh };
    expect(sessionsOf(words, "rr-1").map(brief)).toEqual([
      "Node_172_18_1_1 as 64512 connects",
      "Node_172_18_1_2 as 64600 waits",
      "Node_fd00__1 as 64512 connects",
    ]);
    expect(planned(words, "rr-1").rejected).toEqual([]);
    expect(bothEndsAgree(words)).toBe(7);
  });

  test("and on a node that is named by its address, in that family", () => {
    const words = { nodes, peers: { rr: { peerIP: "172.18.1.11", asNumber: 64512 } }, configuration: noMesh };
    expect(sessionsOf(words, "rr-1").map(({ name }) => name)).toEqual([
      "Node_172_18_1_1",
      "Node_172_18_1_2",
      "Node_172_18_1_12",
      "Node_172_18_1_13",
    ]);
    expect(sessionsOf(words, "node-1").map(brief)).toEqual(["Global_172_18_1_11 as 64512 waits"]);
    expect(bothEndsAgree(words)).toBe(4);
  });

  test.each([
    [{ peerIP: "172.18.1.11", asNumber: 64999 }],
    [{ peerIP: "172.18.1.11:1790", asNumber: 64512 }],
    [{ peerIP: "172.18.1.99", asNumber: 64512 }],
  ])("not by %j, which is another", (spec) => {
    const peers = { rr: { ...spec, nodeSelector: "role == 'node'" } };
    expect(sessionsOf({ nodes, peers, configuration: noMesh }, "rr-1")).toEqual([]);
  });

  test("a port counts when it is the node's own", () => {
    const configuration = { ...noMesh, "node.rr-1": { listenPort: 1790 } };
    const peers = { rr: { peerIP: "172.18.1.11:1790", asNumber: 64512 } };
    expect(sessionsOf({ nodes, peers, configuration }, "rr-1")).toHaveLength(4);
    const plain = { rr: { peerIP: "172.18.1.11", asNumber: 64512 } };
    expect(sessionsOf({ nodes, peers: plain, configuration }, "node-1")[0]?.port).toBe(1790);
  });

  test.each([toReflectors, { peerIP: "172.18.1.11", asNumber: 64512 }])(
    "not with reversePeering: Manual (%j)",
    (spec) => {
      const words = { nodes, peers: { rr: { ...spec, reversePeering: "Manual" } }, configuration: noMesh };
      expect(sessionsOf(words, "rr-1")).toEqual([]);
    },
  );

  test("gives way in silence to what the node's own BGPPeers say", () => {
    const own = { node: "rr-1", peerSelector: "role == 'node'", keepaliveTime: "7s" };
    const config = planned({ nodes, peers: { a: toReflectors, own }, configuration: noMesh }, "rr-1");
    expect(config.families.flatMap(({ sessions }) => sessions).map(({ keepaliveS }) => keepaliveS)).toEqual([7, 7, 7]);
    expect(config.rejected).toEqual([]);
  });

  test("has the same fields, the same Secret among them, and no route by the first end's gateway", () => {
    const password = { secretKeyRef: { name: "bgp-secrets", key: "rr" } };
    const spec = { peerIP: "172.18.1.11", asNumber: 64512, password, ttlSecurity: 2, reachableBy: "172.18.1.254" };
    const words = { nodes, peers: { rr: spec }, configuration: noMesh };
    expect([...secretsOf(clusterSnapshot(words), nodeName("rr-1"))]).toEqual(["bgp-secrets/rr"]);
    expect(sessionsOf(words, "rr-1")[0]).toMatchObject({
      ttlSecurityHops: 2,
      held: expect.stringContaining("bgp-secrets"),
    });
    expect(planned(words, "rr-1").families[0]?.gateways).toEqual([]);
    expect(planned(words, "node-1").families[0]?.gateways).toHaveLength(1);
  });

  test.each([
    ["one-sided", toReflectors],
    ["mutual", { peerSelector: "all()" }],
    ["mutual for some", { nodeSelector: "role == 'node'", peerSelector: "all()" }],
    ["of all with some", { peerSelector: "role == 'rr'" }],
    ["by address", { peerIP: "172.18.1.11", asNumber: 64512, nodeSelector: "role == 'node'" }],
  ])("expects the AS that the first end shows (%s)", (_, spec) => {
    const peers = { rr: { ...spec, localASNumber: 64999 } };
    expect(bothEndsAgree({ nodes, peers, configuration: noMesh })).toBeGreaterThan(1);
  });
});

describe("a route reflector", () => {
  const clients = (words: ClusterWords, node: string) =>
    sessionsOf(words, node).map(({ neighbor, reflectorCluster }) => `${neighbor} ${reflectorCluster}`);

  test("has clients: neighbours of its AS that do not reflect for its own cluster", () => {
    const words = { nodes, peers: { all: { peerSelector: "all()" } }, configuration: noMesh };
    expect(clients(words, "rr-1")).toEqual([
      "172.18.1.1 244.0.0.1",
      "172.18.1.2 undefined",
      "172.18.1.12 undefined",
      "172.18.1.13 244.0.0.1",
      "fd00::1 244.0.0.1",
    ]);
    expect(clients(words, "node-1").every((one) => one.endsWith("undefined"))).toBe(true);
  });

  test("among them neighbours outside the cluster, and not another reflector that is named by its address", () => {
    const peers = {
      a: { node: "rr-1", peerIP: "172.18.1.12", asNumber: 64512 },
      b: { node: "rr-1", peerIP: "192.0.2.1", asNumber: 64512 },
      c: { node: "rr-1", peerIP: "192.0.2.2", asNumber: 64513 },
      d: { node: "rr-1", peerIP: "192.0.2.3", asNumber: 64513, localASNumber: 64513 },
      e: { node: "rr-1", peerIP: "192.0.2.4", asNumber: 64512, localASNumber: 64513 },
    };
    expect(clients({ nodes, peers, configuration: noMesh }, "rr-1")).toEqual([
      "172.18.1.12 undefined",
      "192.0.2.1 244.0.0.1",
      "192.0.2.2 undefined",
      "192.0.2.3 244.0.0.1",
      "192.0.2.4 undefined",
    ]);
  });
});

test("a BGPPeer of the mesh's own nodes is as the mesh's session was, but for kind and name", () => {
  const mesh = sessionsOf({ nodes }, "node-1");
  const peers = sessionsOf(
    {
      nodes,
      peers: { all: { nodeSelector: "role == 'node'", peerSelector: "role == 'node'" } },
      configuration: noMesh,
    },
    "node-1",
  );
  const plain = (sessions: readonly Session[]) => sessions.map(({ name, kind, ...rest }) => rest);
  expect(plain(peers)).toEqual(plain(mesh));
  expect(mesh).toHaveLength(1);
});

// --- internal ---

function planned(words: ClusterWords, node: string): BirdConfig {
  return planBgp(bgpInputs(clusterSnapshot(words), nodeName(node))) ?? expect.fail(`${node} has no plan`);
}

function sessionsOf(words: ClusterWords, node: string): readonly Session[] {
  return planned(words, node).families.flatMap(({ sessions }) => sessions);
}

/** Fails unless each session between nodes has another end that expects the AS shown, and one of the two connects. Their number. */
function bothEndsAgree(words: ClusterWords): number {
  const configs = new Map(Object.keys(words.nodes).map((name) => [name, planned(words, name)]));
  const ends = [...configs].flatMap(([name, { localAs, families }]) =>
    families.flatMap(({ address, sessions }) => sessions.map((session) => ({ name, localAs, address, session }))),
  );
  for (const { address, localAs, session } of ends) {
    const other = ends.find((one) => one.address === session.neighbor && one.session.neighbor === address);
    const shown = other && (other.session.localAs ?? other.localAs);
    expect([address, session.neighbor, shown]).toEqual([address, session.neighbor, session.neighborAs]);
    expect(other?.session.passive).toBe(!session.passive);
    expect(other?.session.neighborAs).toBe(session.localAs ?? localAs);
  }
  return ends.length / 2;
}

function brief({ name, neighborAs, passive }: Session): string {
  return `${name} as ${neighborAs} ${passive ? "waits" : "connects"}`;
}
