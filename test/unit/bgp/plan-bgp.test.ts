import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseIpamBlock } from "../../../src/api/ipam-block.ts";
import type { Snapshot } from "../../../src/api/snapshot.ts";
import type { BirdConfig, FamilyConfig, Session } from "../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "./cluster.ts";

const nodes = {
  "node-1": { ips: ["172.18.1.2"], labels: { rack: "a" } },
  "node-2": { ips: ["172.18.1.10"], labels: { rack: "a" } },
  "node-3": { ips: ["172.18.2.2"], labels: { rack: "b" } },
};

describe("the mesh", () => {
  test("has one session to every other node, and of each pair exactly one waits: the string comparison decides", () => {
    expect(sessionsOf({ nodes }, "node-1").map(brief)).toEqual([
      "Mesh_172_18_1_10 as 64512 connects",
      "Mesh_172_18_2_2 as 64512 waits",
    ]);
    expect(sessionsOf({ nodes }, "node-2").map(brief)).toEqual([
      "Mesh_172_18_1_2 as 64512 waits",
      "Mesh_172_18_2_2 as 64512 waits",
    ]);
  });

  test("leaves out a node without an address, and one whose address another holds", () => {
    const more = {
      ...nodes,
      "node-4": { ips: [] },
      "node-5": { ips: ["172.18.2.2"] },
      "node-6": { ips: ["172.18.1.2"] },
    };
    const config = planned({ nodes: more }, "node-1");
    expect(config.families[0]?.sessions).toHaveLength(2);
    expect(config.rejected.map(({ kind, name }) => `${kind} ${name}`)).toEqual(["Node node-6", "Node node-5"]);
    expect(config.rejected[0]?.reason).toContain("node node-1 has the same address");
  });

  test.each([
    ["64600", 64600],
    ["1.10", 65546],
    ["4294967295", 4294967295],
    ["0", 64512],
    ["4294967296", 64512],
    ["1.65536", 64512],
    ["x", 64512],
  ])("AS annotation %j is AS %d at both ends", (as, expected) => {
    const words = { nodes: { ...nodes, "node-3": { ips: ["172.18.2.2"], as } } };
    expect(planned(words, "node-3").localAs).toBe(expected);
    expect(sessionsOf(words, "node-1")[1]?.neighborAs).toBe(expected);
    const said = planned(words, "node-1").rejected.map((one) => one.name);
    expect(said).toEqual(expected === 64512 ? ["node-3"] : []);
  });
});

describe("a node's identity", () => {
  test("an unknown node, or one without an address, has no plan", () => {
    expect(planBgp(bgpInputs(clusterSnapshot({ nodes }), nodeName("node-9")))).toBeUndefined();
    expect(
      planBgp(bgpInputs(clusterSnapshot({ nodes: { "node-1": { ips: [] } } }), nodeName("node-1"))),
    ).toBeUndefined();
  });

  test("the router ID is the IPv4 address, and made of the name where there is none", () => {
    expect(planned({ nodes }, "node-1").routerId).toBe("172.18.1.2");
    const six = { nodes: { a: { ips: ["fd00::1"] }, b: { ips: ["fd00::2"] } } };
    expect(planned(six, "a").families.map((family) => family.version)).toEqual([6]);
    expect(planned(six, "a").routerId).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    expect(planned(six, "a").routerId).not.toBe(planned(six, "b").routerId);
  });
});

describe("what is announced", () => {
  const words: ClusterWords = {
    nodes,
    pools: {
      "192.168.0.0/16": {},
      "10.1.0.0/16": { disableBGPExport: true },
      "10.2.0.0/16": { disabled: true },
      "10.3.0.0/16": { blockSize: 32 },
    },
    blocks: {
      "192.168.2.0/26": "host:node-1",
      "192.168.10.0/26": "host:node-1",
      "192.168.20.0/26": "host:node-2",
      "192.168.30.0/26": "virtual:load-balancer",
      "10.1.0.0/26": "host:node-1",
      "10.2.0.0/26": "host:node-1",
      "10.3.0.7/32": "host:node-1",
      "172.18.9.0/24": "host:node-1",
    },
    attached: ["192.168.2.1", "192.168.20.5", "192.168.20.5", "10.1.7.7", "10.2.7.7", "172.30.0.1", "10.3.0.7"],
  };

  test("own blocks that lie in a pool, in the order of their numbers", () => {
    const { exports, blackholes } = familyOf(words, "node-1");
    expect(exports.blocks).toEqual(["10.1.0.0/26", "10.2.0.0/26", "10.3.0.7/32", "192.168.2.0/26", "192.168.10.0/26"]);
    expect(blackholes).toEqual(["10.1.0.0/26", "10.2.0.0/26", "192.168.2.0/26", "192.168.10.0/26"]);
    expect(familyOf(words, "node-3").exports.blocks).toEqual([]);
  });

  test("no block that is being deleted", () => {
    const spec = { cidr: "192.168.2.0/26", affinity: "host:node-1", deleted: true };
    const lists = { allocations: [], unallocated: [], attributes: [] };
    const block = parseIpamBlock({ metadata: { name: "deleted" }, spec: { ...spec, ...lists } });
    const snapshot = {
      ...clusterSnapshot({ nodes, pools: words.pools ?? {} }),
      ipamBlock: new Map([["deleted", block]]),
    };
    const config = planBgp(bgpInputs(snapshot, nodeName("node-1")));
    expect(config?.families[0]?.exports.blocks).toEqual([]);
  });

  test("a single address only when it is borrowed: in an announced pool and in no own block", () => {
    expect(familyOf(words, "node-1").exports.hosts).toEqual(["10.2.7.7/32", "192.168.20.5/32"]);
  });

  test("nothing of a pool with disableBGPExport; a pool that is disabled for new addresses stays reachable", () => {
    const { exports } = familyOf(words, "node-1");
    expect(exports.hidden).toEqual(["10.1.0.0/16"]);
    expect(exports.pools).toEqual(["10.2.0.0/16", "10.3.0.0/16", "192.168.0.0/16"]);
  });
});

test("equal snapshots give equal plans, whatever the order of their maps", () => {
  const words: ClusterWords = {
    nodes: {
      ...nodes,
      "node-7": { ips: ["172.18.1.2"] },
      "node-8": { ips: ["172.18.2.2"], labels: { rack: "b" }, as: "7" },
    },
    pools: { "192.168.0.0/16": {}, "10.1.0.0/16": { disableBGPExport: true } },
    blocks: { "192.168.1.0/26": "host:node-1", "192.168.2.0/26": "host:node-1" },
    peers: {
      b: { peerIP: "9.9.9.9", asNumber: 2 },
      a: { peerIP: "9.9.9.9", asNumber: 1 },
      c: { asNumber: 1 },
      rr: { peerSelector: "rack == 'b'", filters: ["two", "one"] },
      own: { node: "node-1", peerSelector: "rack == 'b'" },
      pods: { localWorkloadSelector: "all()", asNumber: 1 },
    },
    filters: { one: { importV4: [{ action: "Reject" }] }, two: { importV4: [{ action: "Accept" }] } },
    configuration: { default: { nodeToNodeMeshEnabled: false }, "node.node-3": { listenPort: 1790 }, x: {}, y: {} },
    attached: ["192.168.9.1", "192.168.8.1"],
  };
  const snapshot = clusterSnapshot(words);
  const reference = planBgp(bgpInputs(snapshot, nodeName("node-1")));
  const order = fc.array(fc.nat(), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(order, (keys) => {
      expect(planBgp(bgpInputs(shuffled(snapshot, keys), nodeName("node-1")))).toEqual(reference);
    }),
  );
});

function shuffled(snapshot: Snapshot, keys: readonly number[]): Snapshot {
  const shuffle = <K, V>(map: ReadonlyMap<K, V>): ReadonlyMap<K, V> => {
    const entries = [...map].map((entry, index) => ({ entry, key: keys[index % keys.length] ?? 0 }));
    return new Map(entries.sort((a, b) => a.key - b.key).map(({ entry }) => entry));
  };
  const { node, ipPool, ipamBlock, bgpPeer, bgpFilter, bgpConfiguration, attachment } = snapshot;
  return {
    ...snapshot,
    node: shuffle(node),
    ipPool: shuffle(ipPool),
    ipamBlock: shuffle(ipamBlock),
    bgpPeer: shuffle(bgpPeer),
    bgpFilter: shuffle(bgpFilter),
    bgpConfiguration: shuffle(bgpConfiguration),
    attachment: shuffle(attachment),
  };
}

function planned(words: ClusterWords, node: string): BirdConfig {
  const config = planBgp(bgpInputs(clusterSnapshot(words), nodeName(node)));
  if (!config) throw new Error(`${node} has no plan`);
  return config;
}

function familyOf(words: ClusterWords, node: string): FamilyConfig {
  const [family] = planned(words, node).families;
  if (!family) throw new Error(`${node} has no family`);
  return family;
}

function sessionsOf(words: ClusterWords, node: string): readonly Session[] {
  return familyOf(words, node).sessions;
}

function brief({ name, neighborAs, passive }: Session): string {
  return `${name} as ${neighborAs} ${passive ? "waits" : "connects"}`;
}
