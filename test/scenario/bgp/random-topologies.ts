/** Random BGP topologies of a few nodes on one network, as the API's objects say them, and changes of them. */
import fc from "fast-check";
import type { NodeName } from "../../../src/api/names.ts";
import type { BgpInputs, Secret } from "../../../src/bgp/plan/bgp-inputs.ts";
import type { BirdConfig } from "../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import type { OutsideRouter } from "../../../src/bgp/simulate/outside-router.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "../../unit/bgp/cluster.ts";

/** Each field is one thing that an operator may change by itself. */
export interface Topology {
  readonly nodes: readonly RandomNode[];
  readonly mesh: boolean;
  /** The Secret of the mesh's password; undefined: there is none. */
  readonly meshSecret: "bgp/mesh" | undefined;
  /** All nodes peer with the reflectors. */
  readonly reflected: object | undefined;
  /** The nodes of each rack peer with their router. */
  readonly racks: readonly (object | undefined)[];
  readonly single: readonly SinglePeer[];
  readonly hidesSecondPool: boolean;
}

interface RandomNode {
  /** False: it is gone. */
  readonly isThere: boolean;
  readonly rack: 0 | 1;
  readonly as: number;
  readonly cluster: string | undefined;
  readonly port: number;
  readonly blocks: 0 | 1 | 2;
  readonly secret: Secret;
}

/** A BGPPeer of one node with another's address. */
interface SinglePeer {
  readonly from: number;
  readonly to: number;
  /** What it takes the other for; undefined: what it is. */
  readonly as: number | undefined;
  readonly fields: object;
}

/** The racks' routers, and one that is of the nodes' AS. */
const routers = ["172.18.1.1", "172.18.1.201", "172.18.1.202"].map(parseIp);

/** Whom the nodes that are there may meet beside each other. */
export function outsideOf({ nodes }: Topology): readonly OutsideRouter[] {
  const gone = nodes.flatMap(({ isThere }, index) => (isThere ? [] : [parseIp(addressOf(index))]));
  return [
    ...routers.map((address) => ({ addresses: [address], role: "passes on" }) as const),
    ...gone.map((address) => ({ addresses: [address], role: "is absent" }) as const),
  ];
}

const mostly = <T>(usual: T, ...others: readonly T[]) =>
  fc.oneof({ weight: 2 * others.length + 2, arbitrary: fc.constant(usual) }, fc.constantFrom(usual, ...others));

const secret: fc.Arbitrary<Secret> = mostly<Secret>(
  { text: "let me in" },
  { text: "let them in" },
  { missing: "Secret bgp is not there" },
);

const node: fc.Arbitrary<RandomNode> = fc.record({
  isThere: mostly(true, false),
  rack: fc.constantFrom(0, 1),
  as: mostly(64512, 64601, 64602),
  cluster: fc.option(fc.constantFrom("244.0.0.1", "244.0.0.1", "244.0.0.2"), { nil: undefined, freq: 2 }),
  port: mostly(179, 1790),
  blocks: fc.constantFrom(0, 1, 1, 1, 2),
  secret,
});

const filterNames = ["drops-first", "lets-second", "long-way", "no-ibgp", "tags", "only-tagged"];

/** Fields of a BGPPeer that bear on what it is good for. */
const peerFields = fc
  .record(
    {
      filters: fc.subarray(filterNames, { maxLength: 2 }),
      password: fc.constant({ secretKeyRef: { name: "bgp", key: "peer" } }),
      nextHopMode: fc.constantFrom("Auto", "Self", "Keep"),
      numAllowedLocalASNumbers: fc.constantFrom(0, 1),
      ttlSecurity: fc.constantFrom(0, 1),
      localASNumber: fc.constantFrom(64512, 64603),
      reversePeering: fc.constantFrom("Auto", "Manual"),
      sourceAddress: fc.constantFrom("UseNodeIP", "None"),
    },
    { requiredKeys: [] },
  )
  .chain((fields) => fc.shuffledSubarray(Object.entries(fields)))
  // More would leave hardly a session that comes up.
  .map((entries) => Object.fromEntries(entries.slice(0, 2)));

const parts: { readonly [K in keyof Topology]: fc.Arbitrary<Topology[K]> } = {
  nodes: fc.array(node, { minLength: 2, maxLength: 6 }),
  mesh: mostly(true, false, false),
  meshSecret: mostly(undefined, "bgp/mesh"),
  reflected: fc.option(peerFields, { nil: undefined }),
  racks: fc.tuple(fc.option(peerFields, { nil: undefined }), fc.option(peerFields, { nil: undefined })),
  single: fc.array(
    fc.record({
      from: fc.nat({ max: 5 }),
      to: fc.nat({ max: 6 }),
      as: mostly(undefined, 64601, 64512),
      fields: peerFields,
    }),
    { maxLength: 3 },
  ),
  hidesSecondPool: mostly(false, true),
};

const topology: fc.Arbitrary<Topology> = fc.record(parts);

const changed: fc.Arbitrary<Partial<Topology> | { readonly at: number; readonly node: RandomNode }> = fc.oneof(
  fc.record({ at: fc.nat({ max: 5 }), node }),
  ...(["mesh", "meshSecret", "reflected", "racks", "single", "hidesSecondPool"] as const).map((field) =>
    (parts[field] as fc.Arbitrary<Topology[typeof field]>).map((value) => ({ [field]: value }) as Partial<Topology>),
  ),
);

/** A topology, and what becomes of it by one change. */
export const topologyChanges: fc.Arbitrary<readonly [Topology, Topology]> = fc
  .tuple(topology, changed)
  .map(([before, change]) => [before, "node" in change ? replaceNode(before, change) : { ...before, ...change }]);

/** The planned configuration of every node that is there. */
export function configsOf(topology: Topology): ReadonlyMap<NodeName, BirdConfig> {
  const snapshot = clusterSnapshot(wordsOf(topology));
  const configs = topology.nodes.flatMap((one, index): [NodeName, BirdConfig][] => {
    if (!one.isThere) return [];
    const name = nodeName(nameOf(index));
    const secrets = new Map<string, Secret>([
      ["bgp/mesh", one.secret],
      ["bgp/peer", one.secret],
    ]);
    const inputs: BgpInputs = { ...bgpInputs(snapshot, name), secrets };
    const config = planBgp(inputs);
    return config === undefined ? [] : [[name, config]];
  });
  return new Map(configs);
}

/** The name and the address of a node by its place. */
export function nameOf(index: number): string {
  return `node-${index + 1}`;
}

export function addressOf(index: number): string {
  return `172.18.1.${index + 11}`;
}

// --- internal ---

function replaceNode(
  before: Topology,
  { at, node: one }: { readonly at: number; readonly node: RandomNode },
): Topology {
  return { ...before, nodes: before.nodes.with(at % before.nodes.length, one) };
}

function wordsOf({ nodes, mesh, meshSecret, hidesSecondPool, ...topology }: Topology): ClusterWords {
  const there = nodes.map((one, index) => ({ ...one, index })).filter(({ isThere }) => isThere);
  const blocks = there.flatMap(({ index, blocks: count }) => {
    const all = [`192.168.${index}.0/26`, `10.50.${index}.0/26`].slice(0, count);
    return all.map((block) => [block, `host:${nameOf(index)}`]);
  });
  const ports = there.map(({ index, port }) => [`node.${nameOf(index)}`, { listenPort: port }]);
  const nodeMeshPassword = mesh && meshSecret && { secretKeyRef: { name: "bgp", key: "mesh" } };
  return {
    nodes: Object.fromEntries(there.map((one) => [nameOf(one.index), wordsOfNode(one, one.index)])),
    pools: { "192.168.0.0/16": {}, "10.50.0.0/16": { disableBGPExport: hidesSecondPool } },
    blocks: Object.fromEntries(blocks),
    configuration: {
      ...Object.fromEntries(ports),
      default: { nodeToNodeMeshEnabled: mesh, ...(nodeMeshPassword && { nodeMeshPassword }) },
    },
    peers: peersOf({ nodes, ...topology }),
    filters,
  };
}

function wordsOfNode({ rack, as, cluster }: RandomNode, index: number): ClusterWords["nodes"][string] {
  return {
    ips: [addressOf(index)],
    labels: { rack: String(rack), ...(cluster && { reflector: "" }) },
    as: String(as),
    ...(cluster && { annotations: { "projectcalico.org/RouteReflectorClusterID": cluster } }),
  };
}

function peersOf({ nodes, reflected, racks, single }: Pick<Topology, "nodes" | "reflected" | "racks" | "single">) {
  const peers: [string, object][] = racks.flatMap((fields, rack) => {
    const router = { peerIP: routers[rack], asNumber: 64700 + rack };
    return fields === undefined ? [] : [[`rack-${rack}`, { nodeSelector: `rack == '${rack}'`, ...router, ...fields }]];
  });
  if (reflected) peers.push(["reflectors", { nodeSelector: "all()", peerSelector: "has(reflector)", ...reflected }]);
  for (const [index, { from, to, as, fields }] of single.entries()) {
    const target = nodes[to];
    const asNumber = as ?? target?.as ?? 64512;
    const peerIP = target ? addressOf(to) : routers[2];
    peers.push([`single-${index}`, { node: nameOf(from), peerIP, asNumber, ...fields }]);
  }
  return Object.fromEntries(peers);
}

const first = { cidr: "192.168.0.0/24", matchOperator: "In" };
const second = { cidr: "192.168.1.0/26", matchOperator: "Equal" };

/** No rule lets out a route outside the pools: the lab's own networks stay where they are. */
const filters: NonNullable<ClusterWords["filters"]> = {
  "drops-first": {
    exportV4: [{ ...first, action: "Reject" }],
    importV4: [{ ...second, matchOperator: "NotEqual", peerType: "eBGP", source: "RemotePeers", action: "Reject" }],
  },
  "lets-second": {
    exportV4: [
      { ...second, action: "Accept" },
      { action: "Reject", peerType: "eBGP" },
    ],
  },
  "long-way": {
    exportV4: [{ ...first, action: "Accept", operations: [{ prependASPath: { prefix: [64800, 64801] } }] }],
    importV4: [{ asPathPrefix: [64700], action: "Accept", operations: [{ prependASPath: { prefix: [64512] } }] }],
  },
  "no-ibgp": { importV4: [{ peerType: "iBGP", ...first, prefixLength: { min: 25, max: 28 }, action: "Reject" }] },
  tags: {
    exportV4: [
      { ...second, action: "Accept", operations: [{ addCommunity: { value: "65535:65281" } }] },
      { ...first, action: "Accept", operations: [{ addCommunity: { value: "64512:7" } }] },
    ],
    importV4: [{ ...first, action: "Accept", operations: [{ setPriority: { value: 2000 } }] }],
  },
  "only-tagged": {
    exportV4: [{ communities: { values: ["64512:7"] }, action: "Reject" }],
    importV4: [{ ...first, priority: 2000, action: "Reject" }],
  },
};
