/** Ways in which a session fails, made for real: each names its cause. */
import { torConfig } from "../../lab/tor.ts";
import type { CauseKind } from "../../src/bgp/why/evidence.ts";
import type { ClusterWords } from "../unit/bgp/cluster.ts";
import type { BgpWhyLab, Overrides } from "./bgp-why-lab.ts";

/** One way, seen from `node-1`. */
export interface BgpFault {
  readonly name: string;
  readonly peer: string;
  readonly cluster?: ClusterWords;
  /** Different from the objects' wishes, by node. */
  readonly overrides?: Readonly<Record<string, Overrides>>;
  /** The fault comes once the session is established; else before BIRD starts. */
  readonly whenUp?: true;
  readonly inject?: (lab: BgpWhyLab) => Promise<unknown>;
  readonly kind: CauseKind;
  readonly sentence: RegExp;
}

/** Three nodes and their addresses, and nothing else. */
export const threeNodes: ClusterWords = {
  nodes: { "node-1": { ips: ["172.18.1.2"] }, "node-2": { ips: ["172.18.1.3"] }, "node-3": { ips: ["172.18.2.2"] } },
};

/** Two with IPv6 alone. */
const version6: ClusterWords = { nodes: { "node-1": { ips: ["fd00::2"] }, "node-2": { ips: ["fd00::3"] } } };

const router = "172.18.1.1";
const withRouter: ClusterWords = {
  ...threeNodes,
  pools: { "192.168.0.0/16": {} },
  blocks: { "192.168.1.0/26": "host:node-1", "192.168.2.0/26": "host:node-1", "192.168.3.0/26": "host:node-1" },
  peers: { rack: { peerIP: router, asNumber: 64513, node: "node-1" } },
};

export const bgpFaults: readonly BgpFault[] = [
  ...(["starting", "established"] as const).flatMap((when) => [
    {
      name: `dropped to node-2, session ${when}`,
      ...{ peer: "node-2", ...(when === "established" ? { whenUp: true as const } : {}) },
      inject: (lab: BgpWhyLab) => drop(lab, { at: "node-2", from: "172.18.1.2" }),
      kind: "one-way" as const,
      sentence: /what node-1 sends to node-2 on TCP port 179 gets lost on the way/,
    },
    {
      name: `dropped to node-1, session ${when}`,
      ...{ peer: "node-2", ...(when === "established" ? { whenUp: true as const } : {}) },
      inject: (lab: BgpWhyLab) => drop(lab, { at: "node-1", from: "172.18.1.3" }),
      kind: "one-way" as const,
      sentence: /what node-2 sends to node-1 on TCP port 179 gets lost on the way/,
    },
  ]),
  {
    name: "dropped over IPv6",
    ...{ peer: "node-2", cluster: version6, whenUp: true },
    inject: (lab) => drop(lab, { at: "node-1", from: "fd00::3", program: "ip6tables" }),
    kind: "one-way",
    sentence: /what node-2 sends to node-1 on TCP port 179 gets lost on the way/,
  },
  {
    name: "the passwords differ over IPv6",
    ...{ peer: "node-2", cluster: version6 },
    overrides: {
      "node-1": { sessions: { "fd00::3": { password: "right" } } },
      "node-2": { sessions: { "fd00::2": { password: "wrong" } } },
    },
    kind: "password",
    sentence: /signs with another password/,
  },
  {
    name: "the AS numbers differ",
    ...{ peer: "node-2", overrides: { "node-1": { sessions: { "172.18.1.3": { neighborAs: 64_513 } } } } },
    kind: "as",
    sentence: /node-2 has AS 64512, and node-1 expects 64513/,
  },
  {
    name: "a router has another AS",
    ...{ peer: router, cluster: withRouter },
    inject: (lab) => startRouter(lab, { as: 64_999 }),
    kind: "as",
    sentence: /expects another AS of 172\.18\.1\.1/,
  },
  {
    name: "another program has the port",
    peer: "node-2",
    inject: takePort,
    kind: "port-in-use",
    sentence: /another program than BIRD listens on port 179 of node-2: \w+ \(pid \d+\)/,
  },
  {
    name: "the passwords differ",
    peer: "node-2",
    overrides: {
      "node-1": { sessions: { "172.18.1.3": { password: "right" } } },
      "node-2": { sessions: { "172.18.1.2": { password: "wrong" } } },
    },
    kind: "password",
    sentence: /signs with another password/,
  },
  {
    name: "a router has no password",
    ...{
      peer: router,
      cluster: withRouter,
      overrides: { "node-1": { sessions: { [router]: { password: "right" } } } },
    },
    inject: (lab) => startRouter(lab, {}),
    kind: "password",
    sentence: /node-1 has a password for the session, and 172\.18\.1\.1 answers only without one/,
  },
  {
    name: "a neighbour too far for TTL security",
    peer: "node-3",
    overrides: {
      "node-1": { sessions: { "172.18.2.2": { ttlSecurityHops: 1 } } },
      "node-3": { sessions: { "172.18.1.2": { ttlSecurityHops: 1 } } },
    },
    kind: "ttl",
    sentence: /arrive at node-[13] with TTL 254, and TTL security of 1 hops takes at least 255; set ttlSecurity to 2/,
  },
  {
    name: "an address of the wrong interface",
    peer: "node-2",
    cluster: { nodes: { ...threeNodes.nodes, "node-2": { ips: ["10.9.0.3"] } } },
    inject: addSecondInterface,
    kind: "address",
    sentence: /node-2 speaks from 10\.9\.0\.3 of interface eth1, but reaches node-1 by eth0/,
  },
  {
    name: "an address of no interface",
    peer: "node-2",
    cluster: { nodes: { ...threeNodes.nodes, "node-2": { ips: ["10.9.0.3"] } } },
    kind: "address",
    sentence: /no interface of node-2 has its BGP address 10\.9\.0\.3/,
  },
  {
    name: "big packets vanish",
    ...{ peer: "node-2", whenUp: true },
    inject: (lab) => drop(lab, { at: "node-2", from: "172.18.1.2", match: ["-m", "length", "--length", "1001:65535"] }),
    kind: "mtu",
    sentence: /packets of 1500 bytes from node-1 do not arrive at node-2, small ones do/,
  },
  {
    name: "two nodes have one router ID",
    ...{ peer: "node-2", overrides: { "node-2": { router: { routerId: "172.18.1.2" as never } } } },
    kind: "router-id",
    sentence: /node-1 and node-2 both have router ID 172\.18\.1\.2/,
  },
  {
    name: "another machine has a node's address",
    peer: "node-2",
    inject: addImpostor,
    kind: "duplicate-address",
    sentence: /another machine has 172\.18\.1\.3 too: node-1 finds it at 02:00:00:00:00:99/,
  },
  {
    name: "a router takes fewer prefixes",
    ...{ peer: router, cluster: withRouter },
    inject: (lab) => startRouter(lab, { limit: 2 }),
    kind: "max-prefix",
    sentence: /172\.18\.1\.1 has ended it, as node-1 announces more prefixes than 172\.18\.1\.1 takes/,
  },
  {
    name: "there is no route",
    peer: "node-3",
    inject: (lab) => lab.fabric.ip(lab.hostOf("node-1"), "route", "add", "unreachable", "172.18.2.0/24"),
    kind: "no-route",
    sentence: /node-1 has only a route of type unreachable to 172\.18\.2\.2/,
  },
  {
    name: "the other node is off",
    ...{ peer: "node-2", whenUp: true },
    inject: async (lab) => {
      await lab.stopAgent("node-2");
      await lab.fabric.ip(lab.hostOf("router"), "link", "set", "node-2", "down");
      await lab.fabric.ip(lab.hostOf("node-1"), "neighbour", "flush", "dev", "eth0");
    },
    kind: "absent",
    sentence:
      /node-2 is away: asked from node-1, its address 172\.18\.1\.3 is not there on eth0, and its agent does not answer/,
  },
  {
    name: "BIRD is dead",
    ...{ peer: "node-2", whenUp: true },
    inject: (lab) => lab.fabric.killBird(lab.hostOf("node-2")),
    kind: "daemon",
    sentence: /BIRD does not run on node-2/,
  },
];

// --- internal ---

interface Drop {
  readonly at: string;
  readonly from: string;
  readonly match?: readonly string[];
  readonly program?: "iptables" | "ip6tables";
}

/** Drops what comes `from` an address, both what goes to TCP port 179 and what comes from it. */
async function drop(lab: BgpWhyLab, { at, from, match = [], program = "iptables" }: Drop): Promise<void> {
  const rule = ["INPUT", "-s", from, "-p", "tcp", "-m", "multiport", "--ports", "179", ...match, "-j", "DROP"];
  await lab.fabric.run(lab.hostOf(at), program, "-A", ...rule);
}

async function startRouter(lab: BgpWhyLab, { as = 64_513, limit }: { readonly as?: number; readonly limit?: number }) {
  const text = torConfig({ routerId: router, as, neighbours: [{ address: "172.18.1.2", as: 64_512 }] });
  const limited =
    limit === undefined ? text : text.replace("import all;", `import all; import limit ${limit} action disable;`);
  await lab.startBird("router", limited);
}

function takePort(lab: BgpWhyLab): Promise<void> {
  const program = "require('node:net').createServer(() => {}).listen(179, () => console.log('listens'))";
  return lab.runProgram("node-2", process.execPath, "-e", program);
}

async function addSecondInterface(lab: BgpWhyLab): Promise<void> {
  const node = lab.hostOf("node-2");
  await lab.fabric.ip(node, "link", "add", "eth1", "type", "veth", "peer", "name", "eth1-end");
  await lab.fabric.ip(node, "address", "add", "10.9.0.3/24", "dev", "eth1");
  for (const link of ["eth1", "eth1-end"]) await lab.fabric.ip(node, "link", "set", link, "up");
}

/** A machine in the same rack that has node-2's address, and has told node-1 so. */
async function addImpostor(lab: BgpWhyLab): Promise<void> {
  const [own, asker] = [lab.hostOf("router"), lab.hostOf("node-1")];
  const impostor = lab.hostOf("impostor");
  await lab.fabric.ip(own, "link", "set", "impostor", "up");
  await lab.fabric.ip(impostor, "address", "add", "172.18.1.3/24", "dev", "eth0");
  const entry = ["172.18.1.3", "dev", "eth0"];
  await lab.fabric.ip(asker, "neighbour", "replace", ...entry, "lladdr", "02:00:00:00:00:99", "nud", "permanent");
}
