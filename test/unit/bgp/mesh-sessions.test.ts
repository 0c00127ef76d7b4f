import { describe, expect, test } from "vitest";
import type { BirdConfig, Session } from "../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { secretsOf } from "../../../src/bgp/plan/plan-sessions.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "./cluster.ts";

const nodes: ClusterWords["nodes"] = {
  "node-1": { ips: ["172.18.1.2"] },
  "node-2": { ips: ["172.18.1.3"] },
  "node-3": { ips: ["172.18.1.4"] },
};
const reflects = { annotations: { "projectcalico.org/RouteReflectorClusterID": "244.0.0.1" } };

const mesh = (spec: object, own: object = {}): Pick<ClusterWords, "configuration"> => ({
  configuration: { default: spec, "node.node-2": own },
});

describe("who is in the mesh", () => {
  test("nobody when it is off", () => {
    expect(sessionsOf({ nodes, ...mesh({ nodeToNodeMeshEnabled: false }) }, "node-1")).toEqual([]);
  });

  test("no route reflector, on neither side", () => {
    const words = { nodes: { ...nodes, "node-2": { ips: ["172.18.1.3"], ...reflects } } };
    expect(sessionsOf(words, "node-1").map(({ name }) => name)).toEqual(["Mesh_172_18_1_4"]);
    expect(sessionsOf(words, "node-2")).toEqual([]);
  });

  test.each(["244.0.0.256", "fd00::1", "one"])("a node whose cluster ID is %j stays in it, and this is told", (id) => {
    const annotations = { "projectcalico.org/RouteReflectorClusterID": id };
    const words = { nodes: { ...nodes, "node-2": { ips: ["172.18.1.3"], annotations } } };
    expect(sessionsOf(words, "node-1")).toHaveLength(2);
    expect(sessionsOf(words, "node-2")).toHaveLength(2);
    expect(planned(words, "node-1").rejected).toEqual([
      { kind: "Node", name: "node-2", reason: expect.stringContaining(`=${JSON.stringify(id)} as a cluster ID`) },
    ]);
  });
});

describe("a node's address", () => {
  const at = (annotations: Readonly<Record<string, string>>): ClusterWords => ({
    nodes: { ...nodes, "node-2": { ips: ["172.18.1.3", "fd00::3"], annotations } },
  });

  test.each([
    ["10.9.0.3/24", "10.9.0.3"],
    ["10.9.0.3", "10.9.0.3"],
    ["", "172.18.1.3"],
  ])("annotated as %j is %s, at both ends", (text, expected) => {
    const words = at({ "projectcalico.org/IPv4Address": text });
    expect(planned(words, "node-2").families[0]?.address).toBe(expected);
    expect(planned(words, "node-2").routerId).toBe(expected);
    expect(sessionsOf(words, "node-2")[0]?.source).toBe(expected);
    expect(sessionsOf(words, "node-1").map(({ neighbor }) => neighbor)).toContain(expected);
    expect(planned(words, "node-1").rejected).toEqual([]);
  });

  test.each(["10.9.0", "10.9.0.3/33", "10.9.0.3/a", "10.9.0.3/24/1", "fd00::9/64", "fd00::9"])(
    "annotated as %j is its InternalIP, and this is told",
    (text) => {
      const words = at({ "projectcalico.org/IPv4Address": text });
      expect(planned(words, "node-2").families[0]?.address).toBe("172.18.1.3");
      expect(planned(words, "node-1").rejected).toEqual([
        { kind: "Node", name: "node-2", reason: expect.stringContaining("its InternalIP 172.18.1.3 is used") },
      ]);
    },
  );

  test("of IPv6 is annotated too; a node that says one alone has none in the other family", () => {
    const annotations = { "projectcalico.org/IPv6Address": "fd00:9::3/64" };
    expect(planned(at(annotations), "node-2").families.map(({ address }) => address)).toEqual(["fd00:9::3"]);
    expect(planned({ nodes: { only: { ips: [], annotations } } }, "only").families[0]?.address).toBe("fd00:9::3");
  });
});

describe("what the sessions of the mesh have", () => {
  test("the cluster's AS, and a node's own before it", () => {
    const words = { nodes: { ...nodes, "node-3": { ips: ["172.18.1.4"], as: "65001" } }, ...mesh({ asNumber: 65000 }) };
    expect(planned(words, "node-1").localAs).toBe(65000);
    expect(sessionsOf(words, "node-1").map(({ neighborAs }) => neighborAs)).toEqual([65000, 65001]);
    expect(planned(words, "node-3").localAs).toBe(65001);
  });

  test("the port at which the other listens; the usual one goes without saying", () => {
    const words = { nodes, ...mesh({ listenPort: 1790 }, { listenPort: 179 }) };
    expect(sessionsOf(words, "node-1").map(({ port, name }) => `${name} ${port}`)).toEqual([
      "Mesh_172_18_1_3 undefined",
      "Mesh_172_18_1_4 1790",
    ]);
    expect(planned(words, "node-1").listenPort).toBe(1790);
    expect(planned(words, "node-2").listenPort).toBe(179);
  });

  test("restart time, BFD and password", () => {
    const nodeMeshPassword = { secretKeyRef: { name: "bgp-secrets", key: "mesh" } };
    const words = { nodes, ...mesh({ nodeMeshMaxRestartTime: "60s", nodeMeshBFD: "Enabled", nodeMeshPassword }) };
    const snapshot = clusterSnapshot(words);
    expect([...secretsOf(snapshot, nodeName("node-1"))]).toEqual(["bgp-secrets/mesh"]);
    const secrets = new Map([["bgp-secrets/mesh", { text: "hush" }]]);
    const config = planBgp({ ...bgpInputs(snapshot, nodeName("node-1")), secrets });
    for (const session of config?.families[0]?.sessions ?? []) {
      expect(session).toMatchObject({ restartTimeS: 60, bfd: true, password: "hush", held: undefined });
    }
    expect(config?.rejected).toEqual([]);
  });

  test("no session without the password that is asked for, told once", () => {
    const words = { nodes, ...mesh({ nodeMeshPassword: {} }) };
    const sessions = sessionsOf(words, "node-1");
    expect(sessions.map(({ held }) => held)).toEqual([sessions[0]?.held, sessions[0]?.held]);
    expect(sessions[0]?.held).toContain("its password stands nowhere");
    expect(planned(words, "node-1").rejected).toEqual([
      {
        kind: "BGPConfiguration",
        name: "default",
        reason: `Cannot open the sessions of the mesh: ${sessions[0]?.held}`,
      },
    ]);
  });
});

test("the settings of the router are BGPConfiguration's", () => {
  const spec = {
    logSeverityScreen: "Warning",
    bindMode: "NodeIP",
    ignoredInterfaces: ["docker*"],
    ipv4NormalRoutePriority: 7,
  };
  const config = planned({ nodes, ...mesh(spec) }, "node-1");
  expect(config).toMatchObject({
    ...{ logLevel: "warning", bindsToNodeIp: true, ignoredInterfaces: ["cali*", "kube-ipvs*", "docker*"] },
    families: [{ normalRoutePriority: 7 }],
  });
});

test("no Secret is asked for by those that need none", () => {
  const password = { secretKeyRef: { name: "bgp-secrets", key: "tor" } };
  const peers = { tor: { node: "node-2", peerIP: "10.0.0.1", asNumber: 1, password } };
  const snapshot = clusterSnapshot({ nodes, peers });
  expect([...secretsOf(snapshot, nodeName("node-1"))]).toEqual([]);
  expect([...secretsOf(snapshot, nodeName("node-2"))]).toEqual(["bgp-secrets/tor"]);
  expect([...secretsOf(clusterSnapshot({ nodes }), nodeName("node-2"))]).toEqual([]);
});

// --- internal ---

function planned(words: ClusterWords, node: string): BirdConfig {
  return planBgp(bgpInputs(clusterSnapshot(words), nodeName(node))) ?? expect.fail(`${node} has no plan`);
}

function sessionsOf(words: ClusterWords, node: string): readonly Session[] {
  return planned(words, node).families.find(({ version }) => version === 4)?.sessions ?? [];
}
