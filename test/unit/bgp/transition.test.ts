import { describe, expect, test } from "vitest";
import type { BirdConfig } from "../../../src/bgp/plan/bird-config.ts";
import { allSessions } from "../../../src/bgp/plan/bird-config.ts";
import type { ObservedSession } from "../../../src/bgp/plan/observed-bgp.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { wayToApply } from "../../../src/bgp/plan/session-restarts.ts";
import { needsObservation, planTransition, type Transition } from "../../../src/bgp/plan/transition.ts";
import {
  clusterProgress,
  formatProgress,
  parseProgress,
  settledAnnotation,
} from "../../../src/bgp/plan/transition-progress.ts";
import type { Cidr } from "../../../src/net/cidr.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "./cluster.ts";

/** The settled annotation of each node, `now` for the topology's own hash; and what arrives by each neighbour, `-` for restarting. */
interface Words {
  readonly running: ClusterWords;
  readonly wanted: ClusterWords;
  readonly node?: string;
  readonly says?: Readonly<Record<string, string>>;
  readonly arriving?: Readonly<Record<string, readonly number[] | "restarts" | "down">>;
  readonly isRecovering?: boolean;
  readonly overdue?: readonly string[];
}

const indexes = [1, 2, 3, 4];
const ipOf = (index: number) => `10.0.0.${index}`;
const blockOf = (index: number) => `192.168.${index}.0/26`;
const cluster: ClusterWords = {
  nodes: Object.fromEntries(indexes.map((index) => [`node-${index}`, { ips: [ipOf(index)] }])),
  pools: { "192.168.0.0/16": {} },
  blocks: Object.fromEntries(indexes.map((index) => [blockOf(index), `host:node-${index}`])),
};
const mesh = cluster;
const meshOff = { default: { nodeToNodeMeshEnabled: false } };
const annotated = { "projectcalico.org/RouteReflectorClusterID": "244.0.0.1" };
const reflected: ClusterWords = {
  ...cluster,
  nodes: { ...cluster.nodes, "node-1": { ips: [ipOf(1)], labels: { reflector: "" }, annotations: annotated } },
  configuration: meshOff,
  peers: { reflectors: { nodeSelector: "all()", peerSelector: "has(reflector)" } },
};

function plan(words: ClusterWords, node: string): BirdConfig {
  const config = planBgp(bgpInputs(clusterSnapshot(words), nodeName(node)));
  if (config === undefined) throw new Error(`${node} has no plan`);
  return config;
}

/** Every running session is established unless `arriving` says otherwise, and brings its neighbour's block. */
function observe(running: BirdConfig, arriving: Words["arriving"] = {}): ReadonlyMap<Ip, ObservedSession> {
  const sessions = allSessions(running).map(({ name, neighbor }): ObservedSession => {
    const word = arriving[neighbor] ?? [Number(neighbor.split(".")[3])];
    const isUp = typeof word !== "string";
    return {
      ...{ name, neighbor, state: isUp ? "Established" : "Active", since: "", lastError: undefined },
      ...{ keepsOurRoutes: isUp, neighborRestarts: word === "restarts", imported: 0, exported: 0 },
      prefixes: new Set(typeof word === "string" ? [] : word.map((index) => blockOf(index) as Cidr)),
    };
  });
  return new Map(sessions.map((session) => [session.neighbor, session]));
}

function transition(words: Words): Transition & { readonly names: readonly string[] } {
  const { node = "node-2", says = {} } = words;
  const snapshot = clusterSnapshot(words.wanted);
  const { hash } = clusterProgress(snapshot, nodeName(node));
  for (const [name, text] of Object.entries(says)) {
    const one = snapshot.node.get(nodeName(name));
    if (one) Object.assign(one.annotations, { [settledAnnotation]: text.replace("now", hash) });
  }
  const running = plan(words.running, node);
  const wanted = plan(words.wanted, node);
  const planned = planTransition({
    ...{ wanted, running, observed: observe(mergedOf(running, wanted), words.arriving) },
    ...{ isRecovering: words.isRecovering ?? false, overdue: new Set(words.overdue) },
    cluster: clusterProgress(snapshot, nodeName(node)),
  });
  return { ...planned, names: allSessions(planned.config).map((session) => session.name) };
}

/** What BIRD runs once the new sessions were added. */
function mergedOf(running: BirdConfig, wanted: BirdConfig): BirdConfig {
  const there = new Set(allSessions(running).map(({ neighbor }) => neighbor));
  const families = running.families.map((family) => ({
    ...family,
    sessions: [...family.sessions, ...allSessions(wanted).filter(({ neighbor }) => !there.has(neighbor))],
  }));
  return { ...running, families };
}

const allNow = { "node-1": "now", "node-2": "now", "node-3": "now", "node-4": "now" };

describe("mesh to reflector, on a client", () => {
  const change = { running: mesh, wanted: reflected } as const;

  test("what runs stays until all that it carries arrives by the reflector, here and there", () => {
    const first = transition(change);
    expect(first.names).toEqual(["Mesh_10_0_0_1", "Mesh_10_0_0_3", "Mesh_10_0_0_4"]);
    expect(first.pending).toEqual([
      "keeps the session with 10.0.0.3 until 192.168.3.0/26 arrives otherwise",
      "keeps the session with 10.0.0.4 until 192.168.4.0/26 arrives otherwise",
    ]);
    expect(first.progress).toEqual({ settled: undefined, keeps: true });

    const reflects = { "10.0.0.1": [1, 3, 4] };
    const here = transition({ ...change, arriving: reflects });
    expect(here.names).toHaveLength(3);
    expect(here.pending[0]).toBe("keeps the session with 10.0.0.3 until that node has settled, too");
    expect(here.progress).toEqual({ settled: expect.stringMatching(/^\S{22}$/), keeps: true });

    const unread = transition({ ...change, arriving: reflects, says: { ...allNow, "node-2": "keeping" } });
    expect(unread.pending[0]).toBe("keeps the session with 10.0.0.3 until this node has settled, and its Node says so");
    const last = transition({ ...change, arriving: reflects, says: allNow });
    expect(last.names).toEqual(["Mesh_10_0_0_1"]);
    expect(last.pending).toEqual([]);
    expect(last.progress.keeps).toBe(false);
  });

  test("a node that has settled for another topology, or not yet, is waited for, alone", () => {
    const reflects = { "10.0.0.1": [1, 3, 4] };
    for (const text of ["anything else", "now-not", "keeping", ""]) {
      const one = transition({ ...change, arriving: reflects, says: { ...allNow, "node-4": text } });
      expect(one.names, text).toEqual(["Mesh_10_0_0_1", "Mesh_10_0_0_4"]);
    }
  });

  test("one that still waits for others has settled all the same", () => {
    const says = { ...allNow, "node-3": "now keeping", "node-4": "now keeping" };
    expect(transition({ ...change, arriving: { "10.0.0.1": [1, 3, 4] }, says }).names).toEqual(["Mesh_10_0_0_1"]);
  });

  test("a neighbour that does not answer is not waited for; one that restarts is", () => {
    const one = transition({ ...change, arriving: { "10.0.0.3": "down", "10.0.0.4": "restarts" } });
    expect(one.names).toEqual(["Mesh_10_0_0_1", "Mesh_10_0_0_4"]);
    expect(one.pending).toEqual(["keeps the session with 10.0.0.4 until the neighbour has restarted"]);
  });

  test("nothing goes while BIRD recovers, though no session is established", () => {
    const arriving = { "10.0.0.1": "down", "10.0.0.3": "down", "10.0.0.4": "down" } as const;
    const one = transition({ ...change, arriving, isRecovering: true, says: allNow });
    expect(one.names).toHaveLength(3);
    expect(one.pending[0]).toContain("until BIRD has recovered");
    expect(one.progress.settled).toBeUndefined();
  });

  test("a node that is gone takes its session with it", () => {
    const { "node-3": _, ...nodes } = reflected.nodes;
    const one = transition({ running: mesh, wanted: { ...reflected, nodes } });
    expect(one.names).toEqual(["Mesh_10_0_0_1", "Mesh_10_0_0_4"]);
  });
});

describe("reflector to mesh", () => {
  const change = { running: reflected, wanted: mesh } as const;

  test("a client has settled once each node's block comes by the session with that node", () => {
    const arriving = { "10.0.0.1": [1, 3, 4], "10.0.0.3": [3], "10.0.0.4": [] };
    const first = transition({ ...change, arriving });
    expect(first.progress).toEqual({ settled: undefined, keeps: false });
    expect(first.names).toContain("Mesh_10_0_0_4");
    const last = transition({ ...change, arriving: { ...arriving, "10.0.0.4": [4] } });
    expect(last.progress.settled).toBeDefined();
  });

  test("the reflector stays one for all of its clients until each of them has settled", () => {
    const clusters = (one: Transition) => allSessions(one.config).map((session) => session.reflectorCluster);
    const first = transition({ ...change, node: "node-1", says: { "node-3": "now", "node-4": "now" } });
    expect(clusters(first)).toEqual(["244.0.0.1", "244.0.0.1", "244.0.0.1"]);
    expect(first.pending).toContain("stays route reflector for 10.0.0.2 until that node has settled");
    expect(first.progress.keeps).toBe(true);
    const dead = { "10.0.0.2": "down" } as const;
    expect(
      clusters(transition({ ...change, node: "node-1", says: { ...allNow, "node-2": "" }, arriving: dead })),
    ).toEqual([undefined, undefined, undefined]);
    expect(clusters(transition({ ...change, node: "node-1", says: allNow }))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("neighbours outside the cluster", () => {
  const tor = (peerIP: string) => ({ ...cluster, configuration: meshOff, peers: { tor: { peerIP, asNumber: 64513 } } });
  const change = { running: tor("10.0.0.101"), wanted: tor("10.0.0.102") } as const;

  test("only this side is judged, and only for so long", () => {
    const first = transition({ ...change, arriving: { "10.0.0.101": [3, 4], "10.0.0.102": [3] } });
    expect(first.names).toEqual(["Global_10_0_0_102", "Global_10_0_0_101"]);
    expect(first.keptForeign).toEqual(["Global_10_0_0_101"]);
    // Nobody else has a part in it.
    expect(first.progress.keeps).toBe(false);
    const both = { "10.0.0.101": [3, 4], "10.0.0.102": [4, 3] };
    expect(transition({ ...change, arriving: both }).names).toEqual(["Global_10_0_0_102"]);
    const overdue = transition({ ...change, arriving: { "10.0.0.102": [] }, overdue: ["Global_10_0_0_101"] });
    expect(overdue.names).toEqual(["Global_10_0_0_102"]);
  });

  test("the way to a kept neighbour behind a gateway is kept with it", () => {
    const peers = { tor: { peerIP: "10.9.0.101", asNumber: 64513, reachableBy: "10.0.0.100" } };
    const running = { ...cluster, configuration: meshOff, peers };
    const gateways = { destination: "10.9.0.101/32", via: "10.0.0.100" };
    const first = transition({ running, wanted: tor("10.0.0.102"), arriving: { "10.0.0.102": [] } });
    expect(first.config.families[0]?.gateways).toEqual([gateways]);
    const last = transition({ running, wanted: tor("10.0.0.102"), arriving: { "10.9.0.101": "down" } });
    expect(last.config.families[0]?.gateways).toEqual([]);
  });

  test("a filter that only the kept session names is kept with it", () => {
    const filters = { narrow: { importV4: [{ cidr: "192.168.0.0/16", matchOperator: "In", action: "Accept" }] } };
    const peers = { tor: { peerIP: "10.0.0.101", asNumber: 64513, filters: ["narrow"] } };
    const running = { ...cluster, configuration: meshOff, filters, peers };
    const one = transition({ running, wanted: tor("10.0.0.102"), arriving: { "10.0.0.102": [] } });
    const named = allSessions(one.config).flatMap((session) => session.importFilters);
    expect(named).toHaveLength(1);
    expect(one.config.filters.map(({ name }) => name)).toEqual(named);
  });
});

describe("a session that stays and changes", () => {
  const withPeer = (spec: object): ClusterWords => ({
    ...cluster,
    configuration: meshOff,
    peers: { one: { peerIP: "10.0.0.3", asNumber: 64512, ...spec } },
  });

  test("keeps its name while it is up, when that is all that differs", () => {
    const change = { running: mesh, wanted: withPeer({}) } as const;
    const [session] = allSessions(transition(change).config);
    expect(session).toMatchObject({ name: "Mesh_10_0_0_3", kind: "global" });
    const names = transition({ ...change, arriving: { "10.0.0.3": "down" } }).names;
    expect(names[0]).toBe("Global_10_0_0_3");
  });

  test("is opened anew by a graceful restart, if every neighbour keeps our routes", () => {
    const [running, next] = [plan(withPeer({}), "node-2"), plan(withPeer({ keepaliveTime: "20s" }), "node-2")];
    const seen = observe(running);
    const way = (observed: typeof seen, isRecovering = false) => wayToApply({ running, next, observed, isRecovering });
    expect(needsObservation(next, running)).toBe(true);
    expect(way(seen)).toBe("graceful restart");
    expect(way(observe(running, { "10.0.0.3": "down" }))).toBe("configure");
    expect(way(observe(running, { "10.0.0.3": "down" }), true)).toBe("graceful restart");
    // A neighbour that is up again has yet to be told the routes, and would drop them.
    expect(way(seen, true)).toBe("later");
    expect(way(observe(running, { "10.0.0.3": "restarts" }))).toBe("graceful restart");
    const careless = [...seen].map(([ip, one]) => [ip, { ...one, keepsOurRoutes: false }] as const);
    expect(way(new Map(careless))).toBe("configure");
    expect(wayToApply({ running, next: running, observed: seen, isRecovering: false })).toBe("configure");
    expect(
      wayToApply({ running, next: { ...running, routerId: "9.9.9.9" as Ip }, observed: seen, isRecovering: false }),
    ).toBe("graceful restart");
  });

  test("BFD, filters and next hops are taken over as it runs", () => {
    const running = plan(withPeer({}), "node-2");
    for (const spec of [{ nextHopMode: "Self" }, { bfd: "Enabled" }, { filters: ["none"] }]) {
      expect(needsObservation(plan(withPeer(spec), "node-2"), running)).toBe(false);
    }
  });

  test("waits while others are closed, which a graceful restart would not tell them", () => {
    const running = {
      ...withPeer({}),
      peers: { ...withPeer({}).peers, tor: { peerIP: "10.0.0.101", asNumber: 64513 } },
    };
    const one = transition({ running, wanted: withPeer({ keepaliveTime: "20s" }), arriving: { "10.0.0.101": [3] } });
    expect(one.names).toEqual(["Global_10_0_0_3"]);
    expect(allSessions(one.config)[0]?.keepaliveS).toBeUndefined();
    expect(one.pending).toEqual(["opens the session with 10.0.0.3 anew once those that go are closed"]);
  });
});

test("without anything known of what ran, what is wanted runs", () => {
  const wanted = plan(reflected, "node-2");
  const snapshot = clusterSnapshot(reflected);
  const none = { running: undefined, observed: undefined, isRecovering: false, overdue: new Set<string>() };
  const one = planTransition({ ...none, wanted, cluster: clusterProgress(snapshot, nodeName("node-2")) });
  expect(one.config).toEqual(wanted);
  expect(one.pending).toEqual([]);
});

test("while BIRD does not answer, what ran stays in its file", () => {
  const [wanted, running] = [plan(reflected, "node-2"), plan(mesh, "node-2")];
  const progress = clusterProgress(clusterSnapshot(reflected), nodeName("node-2"));
  const facts = { running, observed: undefined, isRecovering: false, overdue: new Set<string>() };
  expect(allSessions(planTransition({ ...facts, wanted, cluster: progress }).config)).toHaveLength(3);
});

test("the topology's hash: what sessions are planned from changes it, and nothing else does", () => {
  const hashOf = (words: ClusterWords) => clusterProgress(clusterSnapshot(words), nodeName("node-1")).hash;
  const same = [
    { ...mesh, blocks: {} },
    { ...mesh, nodes: Object.fromEntries(Object.entries(mesh.nodes).reverse()) },
  ];
  for (const words of same) expect(hashOf(words)).toBe(hashOf(mesh));
  const settled = { ...mesh.nodes, "node-1": { ips: [ipOf(1)], annotations: { [settledAnnotation]: "x" } } };
  expect(hashOf({ ...mesh, nodes: settled })).toBe(hashOf(mesh));
  const others = [
    reflected,
    { ...mesh, configuration: meshOff },
    { ...mesh, nodes: { ...mesh.nodes, "node-1": { ips: ["10.0.0.9"] } } },
    { ...mesh, nodes: { ...mesh.nodes, "node-1": { ips: [ipOf(1)], labels: { rack: "1" } } } },
    { ...mesh, nodes: { ...mesh.nodes, "node-1": { ips: [ipOf(1)], as: "64600" } } },
    { ...mesh, peers: { tor: { peerIP: "10.0.0.101", asNumber: 64513 } } },
  ];
  expect(new Set([mesh, ...others].map(hashOf)).size).toBe(others.length + 1);
});

test("progress is written and read back, and any text is read", () => {
  for (const settled of ["hash", undefined]) {
    for (const keeps of [true, false]) {
      expect(parseProgress(formatProgress({ settled, keeps }))).toEqual({ settled, keeps });
    }
  }
  expect(parseProgress("  ")).toEqual({ settled: undefined, keeps: false });
});
