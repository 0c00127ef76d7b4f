import { describe, expect, test } from "vitest";
import { closedBgpPeer } from "../../../src/api/bgp-peer.ts";
import type { Secret } from "../../../src/bgp/plan/bgp-inputs.ts";
import { plainSession } from "../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "./cluster.ts";

const nodes = {
  "node-1": { ips: ["172.18.1.2"], labels: { rack: "a" } },
  "node-2": { ips: ["172.18.1.3"], labels: { rack: "b" } },
};

interface Further extends Partial<Pick<ClusterWords, "nodes" | "filters" | "configuration">> {
  /** BGPPeers that cannot be read, for the reason `why`. */
  readonly unreadable?: Readonly<Record<string, object>>;
  readonly secrets?: ReadonlyMap<string, Secret>;
}

/** What the peers come to on node-1: its sessions besides the mesh, and names with reasons for the rest. */
function peersOn1(
  peers: Readonly<Record<string, object>>,
  { secrets = new Map(), unreadable = {}, ...words }: Further = {},
) {
  const snapshot = clusterSnapshot({ nodes, peers, ...words });
  const closed = Object.entries(unreadable).flatMap(([name, spec]) => {
    const peer = closedBgpPeer({ metadata: { name }, spec }, "why");
    return peer === undefined ? [] : [[name, peer] as const];
  });
  const inputs = bgpInputs({ ...snapshot, bgpPeer: new Map([...snapshot.bgpPeer, ...closed]) }, nodeName("node-1"));
  const config = planBgp({ ...inputs, secrets });
  if (!config) throw new Error("node-1 has no plan");
  const sessions = config.families.flatMap((family) => family.sessions).filter((session) => session.kind !== "mesh");
  return { config, sessions, rejected: config.rejected.map(({ name, reason }) => `${name}: ${reason}`) };
}

/** The one session of a BGPPeer of all nodes with 10.0.0.1 in AS 64513 and these fields, and what is said of it. */
function session(spec: object, further?: Further) {
  const { config, sessions, rejected } = peersOn1({ tor: { peerIP: "10.0.0.1", asNumber: 64513, ...spec } }, further);
  expect(sessions).toHaveLength(1);
  return { config, session: sessions[0], rejected };
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

  test.each(["0.0.0.0", "255.255.255.255", "224.0.0.5", "::", "ff02::5", "fe80::1", "::ffff:10.0.0.1"])(
    "%s is no neighbour: BIRD would refuse all of its configuration for it",
    (peerIP) => {
      const own = { "node-1": { ips: ["172.18.1.2", "fd00::2"] }, "node-2": { ips: [peerIP, "172.18.1.3"] } };
      const { sessions, rejected } = peersOn1({ tor: { peerIP, asNumber: 64513 } }, { nodes: own });
      expect(sessions).toEqual([]);
      expect(rejected).toEqual([expect.stringMatching(/^tor: Cannot peer with \S+: it /)]);
    },
  );

  test("one that cannot be read leaves its neighbour to no other, and all the rest stands", () => {
    const spec = { peerIP: "172.18.1.1", asNumber: 1, node: "node-1", filters: ["f"], keepaliveTime: "soon" };
    const readable = { a: { peerIP: "172.18.1.1", asNumber: 1 }, b: { peerIP: "172.18.1.9", asNumber: 1 } };
    const { sessions, rejected } = peersOn1(readable, { unreadable: { c: spec } });
    expect(sessions.map(({ neighbor }) => neighbor)).toEqual(["172.18.1.9"]);
    expect(rejected).toEqual([
      "c: Cannot peer: why",
      "a: Cannot peer with 172.18.1.1 twice: BGPPeer c has a session with it",
    ]);
  });

  test("one that cannot be read asks nothing of other nodes", () => {
    const spec = { peerSelector: "rack == 'a'", nodeSelector: "rack == 'b'", keepaliveTime: "soon" };
    const configuration = { default: { nodeToNodeMeshEnabled: false } };
    expect(peersOn1({}, { unreadable: { c: spec }, configuration }).sessions).toEqual([]);
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

  test("one that names this node by its BGP address or by any InternalIP is no session", () => {
    const annotations = { "projectcalico.org/IPv4Address": "10.9.0.1/24" };
    const own = { "node-1": { ips: ["172.18.1.2", "172.18.1.9"], annotations } };
    const peers = Object.fromEntries(
      ["10.9.0.1", "172.18.1.2", "172.18.1.9"].map((peerIP) => [peerIP, { peerIP, asNumber: 64513 }]),
    );
    const config = planBgp(bgpInputs(clusterSnapshot({ nodes: own, peers }), nodeName("node-1")));
    expect(config?.families.flatMap(({ sessions }) => sessions)).toEqual([]);
    expect(config?.rejected).toEqual([]);
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
    [{ peerIP: "fd00::1", asNumber: 1 }, "no address of that family"],
  ])("%j is left out with the reason", (spec, reason) => {
    const { sessions, rejected } = peersOn1({ tor: spec });
    expect(sessions).toEqual([]);
    expect(rejected).toHaveLength(1);
    expect(rejected[0]).toContain(reason);
  });

  test("a field at its default asks for nothing", () => {
    const defaults = {
      nextHopMode: "Auto",
      keepOriginalNextHop: false,
      ttlSecurity: 0,
      filters: [],
      reversePeering: "Auto",
    };
    const plain = { ...common, name: "Global_10_0_0_1", neighbor: "10.0.0.1", source: "172.18.1.2" };
    expect(session(defaults)).toMatchObject({ session: plain, rejected: [] });
  });
});

describe("a field of a BGPPeer", () => {
  test.each([
    [{ localASNumber: 64999 }, { localAs: 64999, neighborAs: 64513 }],
    [{ nextHopMode: "Self" }, { nextHop: "self" }],
    [{ nextHopMode: "Keep" }, { nextHop: "keep" }],
    [{ nextHopMode: "Keep", asNumber: 64512 }, { nextHop: "keep" }],
    [{ keepOriginalNextHop: true }, { nextHop: "keep" }],
    [{ keepOriginalNextHop: true, asNumber: 64512 }, { nextHop: "auto" }],
    [{ keepOriginalNextHop: true, asNumber: 64999, localASNumber: 64999 }, { nextHop: "auto" }],
    [{ sourceAddress: "None" }, { source: undefined }],
    [{ maxRestartTime: "10s" }, { restartTimeS: 10 }],
    [{ maxRestartTime: "1m0.6s" }, { restartTimeS: 61 }],
    [{ keepaliveTime: "2s" }, { keepaliveS: 2 }],
    [{ numAllowedLocalASNumbers: 2 }, { allowedLocalAs: 2 }],
    [{ ttlSecurity: 1 }, { ttlSecurityHops: 1 }],
    [{ ttlSecurity: 0 }, { ttlSecurityHops: undefined }],
    [{ bfd: "Enabled" }, { bfd: true }],
    [{ peerIP: "192.0.2.1" }, { passive: false }],
    [{}, { bfd: false, passive: false, reflectorCluster: undefined }],
  ])("%j gives %j", (spec, expected) => {
    expect(session(spec)).toMatchObject({ session: expected, rejected: [] });
  });

  test.each([
    [
      { maxRestartTime: "2h" },
      { restartTimeS: 4095 },
      "Cannot use maxRestartTime as it is: 2h is longer than BGP can say",
    ],
    [{ keepaliveTime: "400ms" }, { keepaliveS: undefined }, "Cannot use keepaliveTime: it must be 1 s to 240 s"],
    [{ keepaliveTime: "241s" }, { keepaliveS: undefined }, "Cannot use keepaliveTime: it must be 1 s to 240 s"],
  ])("%j, which BIRD would not take, gives %j and is told", (spec, expected, reason) => {
    const found = session(spec);
    expect(found.session).toMatchObject({ ...expected, held: undefined });
    expect(found.rejected).toHaveLength(1);
    expect(found.rejected[0]).toContain(`tor: ${reason}`);
  });

  test("reachableBy gives one route to the neighbour; none to one that is its own gateway", () => {
    const gateways = (spec: object) => session(spec).config.families[0]?.gateways;
    expect(gateways({ reachableBy: "172.18.1.254" })).toEqual([{ destination: "10.0.0.1/32", via: "172.18.1.254" }]);
    expect(gateways({ reachableBy: "10.0.0.1" })).toEqual([]);
    expect(gateways({})).toEqual([]);
  });

  test("a second way to a neighbour that has one is refused, and names the first", () => {
    const spec = { peerIP: "10.0.0.1", asNumber: 64513 };
    const { config, rejected } = peersOn1({
      a: { ...spec, reachableBy: "172.18.1.254" },
      b: { ...spec, reachableBy: "172.18.1.253" },
    });
    expect(config.families[0]?.gateways).toEqual([{ destination: "10.0.0.1/32", via: "172.18.1.254" }]);
    expect(rejected).toEqual(["b: Cannot peer with 10.0.0.1 twice: BGPPeer a has a session with it"]);
  });

  const password = { secretKeyRef: { name: "bgp-secrets", key: "tor" } };
  const filters = {
    ours: { importV4: [{ action: "Reject" }], exportV4: [{ action: "Accept" }] },
    "v6-only": { exportV6: [{ action: "Reject" }] },
  };

  test("a password is that of its Secret", () => {
    const secrets = new Map([["bgp-secrets/tor", { text: "hush" }]]);
    expect(session({ password }, { secrets }).session).toMatchObject({ password: "hush", held: undefined });
  });

  test.each([
    [new Map(), "Secret bgp-secrets has not been read yet"],
    [new Map([["bgp-secrets/tor", { missing: "it is gone" }]]), "it is gone"],
    [new Map([["bgp-secrets/other", { text: "hush" }]]), "Secret bgp-secrets has not been read yet"],
  ])("without its password, having read %j, it is held", (secrets, held) => {
    const found = session({ password }, { secrets });
    expect(found.session).toMatchObject({ password: undefined, held });
    expect(found.rejected).toEqual([`tor: Cannot peer as asked: ${held}`]);
  });

  test.each([
    {},
    { secretKeyRef: { key: "a" } },
    { secretKeyRef: { name: "a/b", key: "c" } },
    { secretKeyRef: { name: "a,b", key: "c" } },
  ])("the password %j stands nowhere: it is held", (nowhere) => {
    const found = session({ password: nowhere }, { secrets: new Map([["/a", { text: "hush" }]]) });
    expect(found.session?.password).toBeUndefined();
    expect(found.session?.held).toContain("its password stands nowhere");
  });

  test("filters are those of its family and direction, in order, each once; only filters in use are configured", () => {
    const { session: found, config } = session({ filters: ["v6-only", "ours", "ours"] }, { filters });
    expect(found).toMatchObject({
      importFilters: ["bgp_ours_importFilterV4"],
      exportFilters: ["bgp_ours_exportFilterV4"],
      held: undefined,
    });
    expect(config.filters.map(({ name }) => name)).toEqual(["bgp_ours_importFilterV4", "bgp_ours_exportFilterV4"]);
    expect(session({}, { filters }).config.filters).toEqual([]);
  });

  test("a filter that does not exist holds it: it would be open wider than it is meant to be", () => {
    const found = session({ filters: ["ours", "none"] }, { filters });
    expect(found.session?.held).toBe("there is no BGPFilter none");
    expect(found.rejected).toEqual(["tor: Cannot peer as asked: there is no BGPFilter none"]);
  });
});
