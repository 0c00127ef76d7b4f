import { parseIpPool } from "../../../src/api/ip-pool.ts";
import { parseIpamBlock } from "../../../src/api/ipam-block.ts";
import { namespacedName } from "../../../src/api/names.ts";
import { attachmentKey } from "../../../src/api/objects.ts";
import { emptySnapshot, type Snapshot } from "../../../src/api/snapshot.ts";
import type { Secret } from "../../../src/bgp/plan/bgp-inputs.ts";
import { readPassword } from "../../../src/bgp/plan/passwords.ts";
import { feeds } from "../../../src/kube/fed-kinds.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { type BgpWords, hiddenPool, self } from "./random-bgp-objects.ts";

/** As an agent would have read the objects: what cannot be read is what its kind makes of it. */
export function snapshotOf(words: BgpWords): Snapshot {
  const snapshot = emptySnapshot();
  for (const [name, spec] of words.configurations) feed("bgpConfiguration", snapshot, { metadata: { name }, spec });
  for (const [index, spec] of words.peers.entries()) {
    feed("bgpPeer", snapshot, { metadata: { name: `peer-${index}` }, spec });
  }
  for (const [name, spec] of words.filters) feed("bgpFilter", snapshot, { metadata: { name }, spec });
  words.annotations.forEach((annotations, index) => {
    const metadata = { name: `node-${index}`, labels: index % 2 ? { rack: "1" } : {}, annotations };
    const internal = (words.internalIps[index] ?? []).map((ip) => ({ type: "InternalIP", address: ip }));
    feed("node", snapshot, { metadata, spec: {}, status: { addresses: internal } });
  });
  for (const [index, cidr] of ["10.244.0.0/16", "2001:db8:1::/48", hiddenPool].entries()) {
    const pool = parseIpPool({
      metadata: { name: `pool-${index}` },
      spec: { cidr, disableBGPExport: cidr === hiddenPool },
    });
    (snapshot.ipPool as Map<string, typeof pool>).set(pool.metadata.name, pool);
  }
  for (const cidr of ["10.244.0.0/26", "10.244.1.7/32", "2001:db8:1::/122", "10.9.0.0/26"]) {
    const spec = { cidr, affinity: `host:${self}`, allocations: [], unallocated: [], attributes: [] };
    const block = parseIpamBlock({ metadata: { name: cidr }, spec });
    (snapshot.ipamBlock as Map<string, typeof block>).set(cidr, block);
  }
  addPod(snapshot);
  return snapshot;
}

/** What the Secrets of these words come to; one that is named beyond them has not been read. */
export function secretsOf({ passwords }: BgpWords): ReadonlyMap<string, Secret> {
  return new Map(passwords.map((value, index) => [`secret-${index}/k`, readPassword(value, `secret-${index}`)]));
}

// --- internal ---

interface Json {
  readonly metadata: { readonly name: string };
  readonly spec: object;
  readonly status?: object;
}

type Kind = "bgpConfiguration" | "bgpPeer" | "bgpFilter" | "node";

function feed(kind: Kind, snapshot: Snapshot, object: Json): void {
  const value = read(kind, object);
  if (value !== undefined) (snapshot[kind] as Map<string, unknown>).set(object.metadata.name, value);
}

function read(kind: Kind, object: Json): unknown {
  try {
    return feeds[kind].parse(object);
  } catch (error) {
    return feeds[kind].unreadable(
      object as Parameters<(typeof feeds)["node"]["unreadable"]>[0],
      (error as Error).message,
    );
  }
}

function addPod(snapshot: Snapshot): void {
  const name = namespacedName("default", "pod");
  const pod = feeds.pod.parse({
    metadata: { name: "pod", namespace: "default", uid: "uid", labels: {} },
    spec: { nodeName: self, containers: [] },
    status: {},
  });
  const attachment = {
    ...{ containerId: "container", interfaceName: "eth0", hostInterface: "cali0", netns: "/run/netns/0", pod: name },
    ...{ podUid: "uid", addresses: [parseIp("10.244.0.5"), parseIp("2001:db8:1::5")], mtu: 1500 },
  };
  const namespace = feeds.namespace.parse({ metadata: { name: "default", labels: {} } });
  (snapshot.pod as Map<unknown, unknown>).set(name, pod);
  (snapshot.namespace as Map<unknown, unknown>).set("default", namespace);
  (snapshot.attachment as Map<unknown, unknown>).set(attachmentKey(attachment), attachment);
}
