/** What happens to a node in the life of a cluster, as lists of states. */
import { parseBgpPeer } from "../../src/api/bgp-peer.ts";
import { parseIpPool } from "../../src/api/ip-pool.ts";
import { type IpamBlock, parseIpamBlock } from "../../src/api/ipam-block.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import {
  type Attachment,
  attachmentKey,
  type KubeNetworkPolicy,
  type KubePeer,
  type Labels,
  type Node,
  type Pod,
} from "../../src/api/objects.ts";
import { emptySnapshot, type Rejected, type Snapshot } from "../../src/api/snapshot.ts";
import { parseIp } from "../../src/net/ip.ts";
import { nodes } from "./random-objects.ts";

const [thisNode, otherNode] = nodes;
const revision = { uid: "uid", generation: 1 };

const dscp = "qos.projectcalico.org/dscp";
const floatingIPs = "cni.projectcalico.org/floatingIPs";
const sources = "cni.projectcalico.org/allowedSourcePrefixes";
const asked = JSON.stringify(["192.0.2.1", "192.0.2.2", "224.0.0.1", "10.0.0.2", "198.51.100.1", "fd00::1", "x"]);
const web = pod({ name: "web", labels: { app: "web" }, ips: ["10.0.0.1"] });
const db = pod({ name: "db", labels: { app: "db" }, ips: ["10.0.0.2"] });
const remote = pod({ name: "remote", labels: { app: "web" }, ips: ["10.0.1.1"], node: otherNode });
const annotated = { ...remote, ips: [], annotatedIps: remote.ips };
const floats = (one: Pod): Pod => ({ ...one, annotations: { [floatingIPs]: asked } });
const floating = { pools: [pool("floating", "192.0.2.0/26", false)] };
const wiredWeb = attachment("c-web", web);
const wiredDb = attachment("c-db", db);
const furtherDb = {
  ...wiredDb,
  interfaceName: "net1",
  hostInterface: "cali-further",
  addresses: [parseIp("10.9.0.2")],
};
const shop = { name: "shop", labels: { team: "shop" }, annotations: {} };

const webToDb = policy("web-to-db", { app: "db" }, { kind: "pods", podSelector: labelled({ app: "web" }) });
const teamToDb = policy("team-to-db", { app: "db" }, { kind: "pods", namespaceSelector: labelled({ team: "shop" }) });

const ownEgress = "qos.projectcalico.org/egressBandwidth";
const shaped = {
  [ownEgress]: "20M",
  "qos.projectcalico.org/egressBurst": "1M",
  "kubernetes.io/ingress-bandwidth": "8M",
};

const base = { pods: [web, db, remote], namespaces: [shop], attachments: [wiredWeb, wiredDb] };

export const scenarios: Readonly<Record<string, readonly Snapshot[]>> = {
  "a pod gets a further interface, and loses either": [
    snapshot({ ...base, policies: [webToDb] }),
    snapshot({ ...base, attachments: [wiredWeb, wiredDb, furtherDb], policies: [webToDb] }),
    snapshot({ ...base, attachments: [wiredWeb, furtherDb], policies: [webToDb] }),
    snapshot({ ...base, attachments: [wiredWeb, furtherDb], pods: [web, remote], policies: [webToDb] }),
    snapshot({ ...base, attachments: [wiredWeb, wiredDb], policies: [webToDb] }),
  ],
  "a policy comes, changes and goes": [
    snapshot(base),
    snapshot({ ...base, policies: [webToDb] }),
    snapshot({ ...base, policies: [{ ...webToDb, types: ["Ingress", "Egress"] }] }),
    snapshot({ ...base, policies: [teamToDb, webToDb] }),
    snapshot({ ...base, policies: [teamToDb] }),
    snapshot(base),
  ],
  "a policy becomes unreadable and is mended": [
    snapshot({ ...base, policies: [webToDb] }),
    snapshot({
      ...base,
      policies: [
        { rejected: "spec.podSelector: it is missing", namespace: "shop", name: "web-to-db", revision, scope: {} },
      ],
    }),
    snapshot({ ...base, policies: [webToDb] }),
  ],
  "labels turn": [
    snapshot({ ...base, policies: [webToDb, teamToDb] }),
    snapshot({ ...base, policies: [webToDb, teamToDb], pods: [{ ...web, labels: {} }, db, remote] }),
    snapshot({ ...base, policies: [webToDb, teamToDb], pods: [{ ...web, labels: { app: "db" } }, db, remote] }),
    snapshot({ ...base, policies: [webToDb, teamToDb], namespaces: [{ ...shop, labels: {} }] }),
    snapshot({ ...base, policies: [webToDb, teamToDb], namespaces: [] }),
  ],
  "a pod starts, ends and is made anew with its address": [
    snapshot({ ...base, policies: [webToDb], pods: [db, remote] }),
    snapshot({ ...base, policies: [webToDb] }),
    snapshot({ ...base, policies: [webToDb], pods: [{ ...web, finished: true }, db, remote] }),
    snapshot({ ...base, policies: [webToDb], pods: [{ ...web, uid: "new" }, db, remote] }),
    snapshot({
      ...base,
      policies: [webToDb],
      pods: [{ ...web, uid: "new" }, db, remote],
      attachments: [wiredWeb, wiredDb, { ...wiredWeb, containerId: "c-new", podUid: "new" }],
    }),
    snapshot({ ...base, policies: [webToDb], attachments: [wiredDb] }),
  ],
  "a pod is wired before anybody reports its address": [
    snapshot({ ...base, policies: [webToDb], pods: [{ ...web, ips: [] }, db, remote], attachments: [wiredDb] }),
    snapshot({ ...base, policies: [webToDb], pods: [{ ...web, ips: [] }, db, remote] }),
    snapshot({ ...base, policies: [webToDb], pods: [{ ...web, ips: [], node: otherNode }, db, remote] }),
    snapshot({ ...base, policies: [webToDb] }),
    snapshot({ ...base, policies: [webToDb], pods: [{ ...web, finished: true }, db, remote] }),
  ],
  "the only pod that a policy selects leaves this node": [
    snapshot({ ...base, policies: [webToDb] }),
    snapshot({ ...base, policies: [webToDb], pods: [web, { ...db, node: otherNode }, remote] }),
    snapshot({ ...base, policies: [webToDb], attachments: [wiredWeb] }),
  ],
  "two pods bring one address to a set, and one goes": [
    snapshot({ ...base, policies: [webToDb], pods: [web, db, { ...remote, ips: web.ips }] }),
    snapshot({ ...base, policies: [webToDb], pods: [web, db] }),
    snapshot({ ...base, policies: [webToDb], pods: [db, { ...remote, ips: web.ips }] }),
  ],
  "an address outlives its pod's hold on it": [
    snapshot({ ...base, policies: [webToDb] }),
    snapshot({ ...base, policies: [webToDb], blocks: [block("10.0.0.0/30", [undefined, web, db])] }),
    snapshot({ ...base, policies: [webToDb], blocks: [block("10.0.0.0/30", [undefined, undefined, db])] }),
    snapshot({ ...base, policies: [webToDb], blocks: [block("10.0.0.0/30", [undefined, remote, db])] }),
    snapshot({ ...base, policies: [webToDb], blocks: [block("10.0.1.0/30", [undefined, remote])] }),
    snapshot({ ...base, policies: [webToDb], blocks: [block("10.0.0.0/30", [undefined, remote, db], true)] }),
  ],
  "an annotation names an address before the status does": [
    snapshot({ ...base, policies: [webToDb], pods: [db, { ...annotated, ips: [] }] }),
    snapshot({ ...base, policies: [webToDb], pods: [db, annotated], blocks: [block("10.0.1.0/30", [])] }),
    snapshot({ ...base, policies: [webToDb], pods: [db, annotated], blocks: [block("10.0.1.0/30", [undefined, db])] }),
    snapshot({
      ...base,
      policies: [webToDb],
      pods: [db, annotated],
      blocks: [block("10.0.1.0/30", [undefined, remote])],
    }),
    snapshot({ ...base, policies: [webToDb], pods: [db, remote], blocks: [block("10.0.1.0/30", [undefined, remote])] }),
    snapshot({ ...base, policies: [webToDb], pods: [db, annotated] }),
  ],
  "a pod names an address before a node has it": [
    snapshot({ ...base, policies: [webToDb], pods: [{ ...web, node: undefined }, db] }),
    snapshot({ ...base, policies: [webToDb], pods: [web, db] }),
  ],
  "a pod's bandwidth is limited, then otherwise, then no more": [
    snapshot(base),
    snapshot({ ...base, pods: [{ ...web, annotations: { "kubernetes.io/ingress-bandwidth": "10M" } }, db, remote] }),
    snapshot({ ...base, pods: [{ ...web, annotations: shaped }, db, remote] }),
    snapshot({ ...base, pods: [{ ...web, annotations: { ...shaped, [ownEgress]: "much" } }, db, remote] }),
    snapshot({ ...base, pods: [{ ...web, annotations: shaped, finished: true }, db, remote] }),
    snapshot({ ...base, pods: [web, { ...db, annotations: shaped }, { ...remote, annotations: shaped }] }),
  ],
  "a pod asks to send from networks, then from others, then in a way that cannot be read": [
    snapshot({ ...base, pods: [{ ...web, annotations: { [sources]: '["192.0.2.0/24", "::1"]' } }, db, remote] }),
    snapshot({ ...base, pods: [{ ...web, annotations: { [sources]: '["2001:db8::/32"]' } }, db, remote] }),
    snapshot({ ...base, pods: [{ ...web, annotations: { [sources]: "all" } }, db, remote] }),
  ],
  "a pod's packets are to have a code point, then an unreadable one, then none": [
    snapshot({ ...base, pods: [{ ...web, annotations: { [dscp]: "af11" } }, db, remote] }),
    snapshot({
      ...base,
      pods: [
        { ...web, annotations: { [dscp]: "64" } },
        { ...db, annotations: { [dscp]: "EF" } },
      ],
    }),
    snapshot(base),
  ],
  "floating addresses are claimed: by two, of no pool, in use, a node's, and no more": [
    snapshot({ ...base, pods: [floats(web), db, remote] }),
    snapshot({ ...base, ...floating, pods: [floats(web), db, remote] }),
    snapshot({ ...base, ...floating, pods: [floats(web), floats(db), remote] }),
    snapshot({ ...base, ...floating, pods: [floats(web), floats(db), { ...remote, ips: [parseIp("192.0.2.1")] }] }),
    snapshot({ ...base, ...floating, pods: [floats(web), db, remote], nodes: [node("node-b", "192.0.2.2")] }),
    snapshot({ ...base, ...floating, pods: [floats(web), db, remote], peers: ["192.0.2.1:179"] }),
    snapshot({ ...base, ...floating, pods: [floats(web)], blocks: [block("192.0.2.0/30", [undefined, remote])] }),
    snapshot({ ...base, ...floating, pods: [{ ...floats(web), finished: true }, floats(db), remote] }),
    snapshot({ ...base, ...floating, pods: [web, floats(db), remote] }),
    snapshot({ ...base, ...floating, pods: [{ ...web, annotations: { [floatingIPs]: "[7]" } }, db, remote] }),
    snapshot({ ...base, ...floating }),
  ],
  "a plugin of the chain shapes": [
    snapshot({ ...base, pods: [{ ...web, annotations: shaped }], attachments: [wiredWeb] }),
    snapshot({
      ...base,
      pods: [{ ...web, annotations: shaped }],
      attachments: [{ ...wiredWeb, bandwidthPlugin: "annotated" }],
    }),
    snapshot({
      ...base,
      pods: [{ ...web, annotations: { ...shaped, "kubernetes.io/egress-bandwidth": "1M" } }],
      attachments: [{ ...wiredWeb, bandwidthPlugin: "annotated" }],
    }),
    snapshot({
      ...base,
      pods: [{ ...web, annotations: shaped }],
      attachments: [{ ...wiredWeb, bandwidthPlugin: "always" }],
    }),
  ],
  "BGP neighbours come and go": [
    snapshot({ ...base, nodes: [node("node-a", "172.16.0.1", "fd01::1")] }),
    snapshot({
      ...base,
      nodes: [node("node-a", "172.16.0.1"), node("node-b", "172.16.0.2")],
      peers: ["172.16.0.2:179"],
    }),
    snapshot({ ...base, nodes: [node("node-a", "172.16.0.1")], peers: ["172.16.0.2:179", "[fd01::9]:1790"] }),
    snapshot({ ...base, peers: [""] }),
  ],
  "pools come and go": [
    snapshot({ ...base, pools: [pool("a", "10.0.0.0/16", true)] }),
    snapshot({ ...base, pools: [pool("a", "10.0.0.0/16", false), pool("b", "fd00::/64", true)] }),
    snapshot({ ...base, pools: [pool("b", "fd00::/64", true), pool("c", "fd00::/64", false)] }),
  ],
};

// --- internal ---

interface Objects {
  readonly pods?: readonly Pod[];
  readonly namespaces?: readonly { name: string; labels: Labels; annotations: Labels }[];
  readonly policies?: readonly (KubeNetworkPolicy | Rejected)[];
  readonly attachments?: readonly Attachment[];
  readonly pools?: readonly ReturnType<typeof parseIpPool>[];
  readonly blocks?: readonly IpamBlock[];
  readonly nodes?: readonly Node[];
  /** Their addresses. */
  readonly peers?: readonly string[];
}

function snapshot(objects: Objects): Snapshot {
  const { pods = [], namespaces = [], policies = [], attachments = [], pools = [] } = objects;
  const peers = (objects.peers ?? []).map((peerIP, index) =>
    parseBgpPeer({ metadata: { name: `peer-${index}` }, spec: { peerIP, asNumber: 64513 } }),
  );
  return {
    ...emptySnapshot(),
    pod: new Map(pods.map((one) => [namespacedName(one.namespace, one.name), one])),
    namespace: new Map(namespaces.map((one) => [one.name, one])),
    networkPolicy: new Map(policies.map((one) => [namespacedName(one.namespace, one.name), one])),
    attachment: new Map(attachments.map((one) => [attachmentKey(one), one])),
    ipPool: new Map(pools.map((one) => [one.metadata.name, one])),
    ipamBlock: new Map(objects.blocks?.map((one) => [one.metadata.name, one])),
    node: new Map(objects.nodes?.map((one) => [one.name, one])),
    bgpPeer: new Map(peers.map((one) => [one.metadata.name, one])),
  };
}

function pod(facts: {
  name: string;
  labels: Labels;
  ips: string[];
  node?: Pod["node"];
  namedPorts?: Pod["namedPorts"];
}): Pod {
  return {
    namespace: "shop",
    uid: `uid-${facts.name}`,
    annotations: {},
    serviceAccount: "default",
    annotatedIps: [],
    hostNetwork: false,
    finished: false,
    namedPorts: [],
    node: thisNode,
    ...facts,
    ips: facts.ips.map(parseIp),
  };
}

function attachment(containerId: string, { namespace, name, uid, ips }: Pod): Attachment {
  return {
    containerId,
    interfaceName: "eth0",
    hostInterface: `cali-${name}`,
    netns: `/run/netns/${name}`,
    pod: namespacedName(namespace, name),
    podUid: uid,
    addresses: ips,
    mtu: 1500,
  };
}

function policy(name: string, podLabels: Labels, peer: KubePeer): KubeNetworkPolicy {
  return {
    namespace: "shop",
    name,
    revision,
    podSelector: labelled(podLabels),
    types: ["Ingress"],
    ingress: [{ peers: [peer], ports: [{ protocol: "TCP", port: 5432, endPort: undefined }] }],
    egress: [],
  };
}

function labelled(matchLabels: Labels) {
  return { matchLabels, matchExpressions: [] };
}

function pool(name: string, cidr: string, natOutgoing: boolean) {
  return parseIpPool({ metadata: { name }, spec: { cidr, natOutgoing } });
}

/** Four addresses, of which the first have these holders. */
function block(cidr: string, holders: readonly (Pod | undefined)[], deleted = false): IpamBlock {
  const attributes = holders.map((holder) => (holder ? { secondary: { namespace: "shop", pod: holder.name } } : {}));
  const allocations = [0, 1, 2, 3].map((ordinal) => (holders[ordinal] ? ordinal : null));
  return parseIpamBlock({
    metadata: { name: "block" },
    spec: { cidr, attributes, allocations, unallocated: [], deleted },
  });
}

function node(name: string, ...ips: string[]): Node {
  return { name: name as NodeName, labels: {}, annotations: {}, internalIps: ips.map(parseIp), podCidrs: [] };
}
