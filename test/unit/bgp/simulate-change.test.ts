import { expect, test } from "vitest";
import type { Secret } from "../../../src/bgp/plan/bgp-inputs.ts";
import { type ClusterState, planChange } from "../../../src/bgp/simulate/plan-change.ts";
import { formatPlannedChange } from "../../../src/cli/bgp-plan-text.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { type ClusterWords, clusterSnapshot } from "./cluster.ts";

const reflector = { "projectcalico.org/RouteReflectorClusterID": "244.0.0.1" };
const nodes = {
  "node-1": { ips: ["172.18.1.1"] },
  "node-2": { ips: ["172.18.1.2"] },
  "node-3": { ips: ["172.18.1.3"] },
};
const words = {
  nodes,
  pools: { "192.168.0.0/16": {} },
  blocks: { "192.168.1.0/26": "host:node-1", "192.168.2.0/26": "host:node-2", "192.168.3.0/26": "host:node-3" },
} as const satisfies ClusterWords;
const noMesh = { default: { nodeToNodeMeshEnabled: false } };
const withReflector: ClusterWords["nodes"] = {
  ...nodes,
  "node-3": { ips: ["172.18.1.3"], labels: { reflector: "" }, annotations: reflector },
};
const peers = { reflectors: { nodeSelector: "all()", peerSelector: "has(reflector)" } };

test("the same cluster before and after: nothing changes", () => {
  const change = planChange(state(words), state(words));
  expect(change).toEqual({
    ...{ nodes: [], established: { before: 3, after: 3 }, down: [], lost: [], outOfReach: 0, remarks: [] },
  });
  expect(formatPlannedChange(change)).toBe(
    "No session changes\nSessions that come up: 3, now 3\nEvery node reaches whom it reaches now\n",
  );
});

test("no mesh and nothing in its place: every pair is named", () => {
  const change = planChange(state(words), state({ ...words, configuration: noMesh }));
  expect(change.lost).toHaveLength(6);
  expect(formatPlannedChange(change)).toBe(
    `node-1: 2 removed (Mesh_172_18_1_2, Mesh_172_18_1_3)
node-2: 2 removed (Mesh_172_18_1_1, Mesh_172_18_1_3)
node-3: 2 removed (Mesh_172_18_1_1, Mesh_172_18_1_2)
Sessions that come up: 0, now 3
Would partition the cluster: 6 ordered pairs of nodes
  node-2 would no longer reach node-1, node-3
  node-3 would no longer reach node-1, node-2
  node-1 would no longer reach node-2, node-3
`,
  );
});

test("reflectors in its place: nobody is lost; a session that stays under another name is no change", () => {
  const after = { ...words, nodes: withReflector, configuration: noMesh, peers };
  const change = planChange(state(words), state(after));
  expect(change).toMatchObject({ established: { before: 3, after: 2 }, down: [], lost: [], outOfReach: 0 });
  expect(change.nodes[0]).toEqual({
    node: "node-1",
    sessions: [{ change: "removed", name: "Mesh_172_18_1_2", neighbor: "172.18.1.2", fields: [] }],
  });
  expect(change.nodes[2]?.sessions).toMatchObject([
    { change: "changed", name: "Node_172_18_1_1", fields: ["reflectorCluster"] },
    { change: "changed", name: "Node_172_18_1_2", fields: ["reflectorCluster"] },
  ]);
});

test("a node that goes away is lost to nobody; a BGPPeer with its address finds nobody there", () => {
  const static_ = { "to-3": { node: "node-1", peerIP: "172.18.1.3", asNumber: 64512 } };
  const { "node-3": _, ...rest } = nodes;
  const change = planChange(state({ ...words, peers: static_ }), state({ ...words, nodes: rest, peers: static_ }));
  expect(change.lost).toEqual([]);
  expect(change.down).toMatchObject([{ node: "node-1", reason: "nobody is at 172.18.1.3" }]);
  expect(change.nodes.find(({ node }) => node === "node-3")?.sessions).toHaveLength(2);
});

test("what is out of reach before is not the change's doing; what is hidden by it is", () => {
  const split = { ...words, configuration: noMesh };
  expect(planChange(state(split), state(split))).toMatchObject({ lost: [], outOfReach: 6 });
  const hidden = { ...words, pools: { "192.168.0.0/16": { disableBGPExport: true } } };
  expect(planChange(state(words), state(hidden)).lost).toHaveLength(6);
});

test("a session that is down already is not told of again", () => {
  const split = { ...words, configuration: noMesh };
  const wrong = { ...split, peers: { wrong: { node: "node-1", peerIP: "172.18.1.2", asNumber: 65001 } } };
  expect(planChange(state(split), state(wrong)).down).toMatchObject([{ node: "node-1", neighbor: "172.18.1.2" }]);
  expect(planChange(state(wrong), state(wrong)).down).toEqual([]);
});

test("a Secret that is missing holds the mesh down; no password is told", () => {
  const nodeMeshPassword = { secretKeyRef: { name: "bgp", key: "mesh" } };
  const guarded = { ...words, configuration: { default: { nodeMeshPassword } } };
  const without = planChange(state(words), state(guarded, { missing: "there is no Secret margay-system/bgp" }));
  expect(without.lost).toHaveLength(6);
  expect(without.down[0]?.reason).toContain("there is no Secret margay-system/bgp");
  const change = planChange(state(words), state(guarded, { text: "hush-hush" }));
  expect(change.lost).toEqual([]);
  expect(change.nodes[0]?.sessions[0]).toMatchObject({ change: "changed", fields: ["password"] });
  expect(JSON.stringify(change)).not.toContain("hush");
});

test("what a filter says is a change of the sessions that name it", () => {
  const filtered = (action: string): ClusterWords => ({
    ...words,
    configuration: noMesh,
    nodes: withReflector,
    peers: { reflectors: { ...peers.reflectors, filters: ["some"] } },
    filters: { some: { exportV4: [{ cidr: "192.168.1.0/26", matchOperator: "Equal", action }] } },
  });
  const change = planChange(state(filtered("Accept")), state(filtered("Reject")));
  expect(change.nodes[0]?.sessions[0]).toMatchObject({ change: "changed", fields: ["filters"] });
  expect(change.lost).toEqual([
    { from: "node-2", to: "node-1", networks: ["192.168.1.0/26"] },
    { from: "node-3", to: "node-1", networks: ["192.168.1.0/26"] },
  ]);
});

test("neighbours that are no nodes are named as what is assumed, unless it is said what they are", () => {
  const racks = { ...words, peers: { tor: { peerIP: "172.18.1.254", asNumber: 64513 } } };
  const { remarks } = planChange(state(words), state(racks));
  expect(remarks).toHaveLength(1);
  expect(remarks[0]).toContain("No nodes: 172.18.1.254.");
  const told = [{ addresses: [parseIp("172.18.1.254")], role: "passes on" }] as const;
  expect(planChange(state(words), state(racks), told).remarks).toEqual([]);
});

test("a node without an address is left out, and that is said", () => {
  const after = { ...words, nodes: { ...nodes, "node-4": { ips: [] } } };
  const { remarks } = planChange(state(words), state(after));
  expect(remarks[0]).toMatch(/^Node node-4 has no address/);
});

// --- internal ---

function state(cluster: ClusterWords, secret?: Secret): ClusterState {
  return { snapshot: clusterSnapshot(cluster), secrets: new Map(secret && [["bgp/mesh", secret]]) };
}
