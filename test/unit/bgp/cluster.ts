import { parseBgpPeer } from "../../../src/api/bgp-peer.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import { parseIpamBlock } from "../../../src/api/ipam-block.ts";
import { type NodeName, namespacedName } from "../../../src/api/names.ts";
import { type Attachment, attachmentKey, type Labels, type Node } from "../../../src/api/objects.ts";
import { emptySnapshot, type Snapshot } from "../../../src/api/snapshot.ts";
import type { BgpInputs } from "../../../src/bgp/plan/bgp-inputs.ts";
import { parseIp } from "../../../src/net/ip.ts";

/** A cluster in the few words that BGP depends on. */
export interface ClusterWords {
  readonly nodes: Readonly<Record<string, NodeWords>>;
  /** CIDR → further fields of the pool. */
  readonly pools?: Readonly<Record<string, object>>;
  /** CIDR → affinity. */
  readonly blocks?: Readonly<Record<string, string>>;
  /** Name → spec. */
  readonly peers?: Readonly<Record<string, object>>;
  /** Addresses of pods attached to this node. */
  readonly attached?: readonly string[];
}

interface NodeWords {
  readonly ips: readonly string[];
  readonly labels?: Labels;
  readonly as?: string;
}

export const nodeName = (name: string): NodeName => name as NodeName;

export function clusterSnapshot(words: ClusterWords): Snapshot {
  return {
    ...emptySnapshot(),
    node: new Map(Object.entries(words.nodes).map(([name, node]) => [nodeName(name), nodeOf(name, node)])),
    ipPool: mapOf(words.pools, (cidr, fields) => {
      const name = cidr.replaceAll(/[^0-9a-f]/g, "-");
      return [name, parseIpPool({ metadata: { name }, spec: { cidr, ...fields } })];
    }),
    ipamBlock: mapOf(words.blocks, (cidr, affinity) => {
      const spec = { cidr, affinity, allocations: [], unallocated: [], attributes: [] };
      return [cidr, parseIpamBlock({ metadata: { name: cidr }, spec })];
    }),
    bgpPeer: mapOf(words.peers, (name, spec) => [name, parseBgpPeer({ metadata: { name }, spec })]),
    attachment: new Map((words.attached ?? []).map((ip, index) => attachmentOf(ip, index))),
  };
}

/** What `node` plans from when nothing but the API server's objects bears on it. */
export function bgpInputs(snapshot: Snapshot, node: NodeName): BgpInputs {
  return { snapshot, node, secrets: new Map(), deliverable: new Set(), isDraining: false };
}

// --- internal ---

function mapOf<V, R>(record: Readonly<Record<string, V>> | undefined, entry: (key: string, value: V) => [string, R]) {
  return new Map(Object.entries(record ?? {}).map(([key, value]) => entry(key, value)));
}

function nodeOf(name: string, { ips, labels, as }: NodeWords): Node {
  const annotations: Labels = as === undefined ? {} : { "projectcalico.org/ASNumber": as };
  return { name: nodeName(name), labels: labels ?? {}, annotations, internalIps: ips.map(parseIp), podCidrs: [] };
}

function attachmentOf(ip: string, index: number): [ReturnType<typeof attachmentKey>, Attachment] {
  const attachment: Attachment = {
    containerId: `container${index}`,
    interfaceName: "eth0",
    hostInterface: `cali${index}`,
    netns: `/run/netns/${index}`,
    pod: namespacedName("default", `pod-${index}`),
    podUid: undefined,
    addresses: [parseIp(ip)],
    mtu: 1500,
  };
  return [attachmentKey(attachment), attachment];
}
