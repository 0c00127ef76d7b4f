import { describe, expect, test } from "vitest";
import { plainSession } from "../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { bgpInputs, clusterSnapshot, nodeName } from "./cluster.ts";

const nodes = {
  "node-1": { ips: ["172.18.1.2"], labels: { rack: "a" } },
  "node-2": { ips: ["172.18.1.3"], labels: { rack: "b" } },
};

/** What the peers come to on node-1: sessions besides the mesh, and names with reasons for the rest. */
function peersOn1(peers: Readonly<Record<string, object>>) {
  const config = planBgp(bgpInputs(clusterSnapshot({ nodes, peers }), nodeName("node-1")));
  if (!config) throw new Error("node-1 has no plan");
  const sessions = config.families.flatMap((family) => family.sessions).filter((session) => session.kind !== "mesh");
  return { sessions, rejected: config.rejected.map(({ name, reason }) => `${name}: ${reason}`) };
}

describe("a BGPPeer's scope", () => {
  test("global, node and nodeSelector", () => {
    const { sessions, rejected } = peersOn1({
      everywhere: { peerIP: "172.18.1.1", asNumber: 64513 },
      here: { peerIP: "172.18.1.11", asNumber: 64513, node: "node-1" },
      there: { peerIP: "172.18.1.12", asNumber: 64513, node: "node-2" },
      "rack-a": { peerIP: "172.18.1.13", asNumber: 64513, nodeSelector: "rack == 'a'" },
      "rack-b": { peerIP: "172.18.1.14", asNumber: 64513, nodeSelector: "rack == 'b'" },
    });
    expect(sessions.map((session) => session.name)).toEqual([
      "Node_172_18_1_11",
      "Node_172_18_1_13",
      "Global_172_18_1_1",
    ]);
    expect(rejected).toEqual([]);
  });

  test("of several with one address the narrowest counts, and the others are named", () => {
    const { sessions, rejected } = peersOn1({
      a: { peerIP: "172.18.1.1", asNumber: 1 },
      b: { peerIP: "172.18.1.1", asNumber: 2, nodeSelector: "all()" },
      c: { peerIP: "172.18.1.1", asNumber: 3, node: "node-1" },
    });
    expect(sessions.map((session) => session.neighborAs)).toEqual([3]);
    expect(rejected).toEqual([
      "b: Cannot peer with 172.18.1.1 twice: BGPPeer c has a session with it",
      "a: Cannot peer with 172.18.1.1 twice: BGPPeer c has a session with it",
    ]);
  });

  test("one that names this node itself is no session; one that names a mesh neighbour says so", () => {
    const { sessions, rejected } = peersOn1({
      self: { peerIP: "172.18.1.2", asNumber: 64512 },
      mesh: { peerIP: "172.18.1.3", asNumber: 64512 },
    });
    expect(sessions).toEqual([]);
    expect(rejected).toEqual(["mesh: Cannot peer with 172.18.1.3 twice: the node-to-node mesh has a session with it"]);
  });
});

describe("a BGPPeer's neighbour", () => {
  test("with and without a port and a source address", () => {
    const { sessions } = peersOn1({
      a: { peerIP: "10.0.0.1:1790", asNumber: 64513 },
      b: { peerIP: "10.0.0.2", asNumber: "64513", sourceAddress: "None" },
    });
    expect(sessions).toEqual([
      { ...common, name: "Global_10_0_0_1_port_1790", neighbor: "10.0.0.1", port: 1790, source: "172.18.1.2" },
      { ...common, name: "Global_10_0_0_2", neighbor: "10.0.0.2", port: undefined, source: undefined },
    ]);
  });

  const common = { ...plainSession, kind: "global", neighborAs: 64513 };

  test.each([
    [{ asNumber: 1 }, "peerIP is missing"],
    [{ peerIP: "", asNumber: 1 }, "peerIP is missing"],
    [{ peerIP: "10.0.0.1" }, "asNumber is missing or 0"],
    [{ peerIP: "10.0.0.1", asNumber: 0 }, "asNumber is missing or 0"],
    [{ peerIP: "fd00::1", asNumber: 1 }, "no InternalIP of that family"],
  ])("%j is left out with the reason", (spec, reason) => {
    const { sessions, rejected } = peersOn1({ tor: spec });
    expect(sessions).toEqual([]);
    expect(rejected).toHaveLength(1);
    expect(rejected[0]).toContain(reason);
  });

  test.each([
    ["password", { secretKeyRef: { name: "a", key: "b" } }],
    ["filters", ["one"]],
    ["ttlSecurity", 1],
    ["localASNumber", 7],
    ["nextHopMode", "Keep"],
    ["keepOriginalNextHop", true],
    ["maxRestartTime", "10s"],
    ["keepaliveTime", "10s"],
    ["numAllowedLocalASNumbers", 1],
    ["reachableBy", "10.0.0.9"],
    ["peerSelector", "all()"],
    ["localWorkloadSelector", "all()"],
  ])("one that asks for %s, which there is not yet, is left out and the field named", (field, value) => {
    const where = field.endsWith("Selector") ? {} : { peerIP: "10.0.0.1" };
    const as = field === "peerSelector" ? {} : { asNumber: 1 };
    const { sessions, rejected } = peersOn1({ tor: { ...where, ...as, [field]: value } });
    expect(sessions).toEqual([]);
    expect(rejected).toEqual([`tor: Cannot peer as asked: ${field} is not supported yet`]);
  });

  test("a field at its default asks for nothing", () => {
    const defaults = {
      nextHopMode: "Auto",
      keepOriginalNextHop: false,
      ttlSecurity: 0,
      filters: [],
      reversePeering: "Auto",
    };
    expect(peersOn1({ tor: { peerIP: "10.0.0.1", asNumber: 1, ...defaults } }).sessions).toHaveLength(1);
  });
});
