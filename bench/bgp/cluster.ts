/** A cluster of which BGP sees what it would on a node of a real one: Nodes, a pool, a block for each node, and this node's pods. */
import { parseIpPool } from "../../src/api/ip-pool.ts";
import { hostAffinity, parseIpamBlock } from "../../src/api/ipam-block.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import { type Attachment, attachmentKey, type Node } from "../../src/api/objects.ts";
import { emptySnapshot, type Snapshot } from "../../src/api/snapshot.ts";
import type { BgpInputs } from "../../src/bgp/plan/bgp-inputs.ts";
import { parseIp } from "../../src/net/ip.ts";

/** A node of it. */
export interface ClusterNode {
  readonly name: string;
  readonly address: string;
}

/** The node that the others are peers of has so many pods. */
const localPods = 100;

/** A full mesh of these nodes; the first one's pods are in its block. */
export function meshSnapshot(nodes: readonly ClusterNode[]): Snapshot {
  const pool = parseIpPool({ metadata: { name: "bench" }, spec: { cidr: "10.0.0.0/8" } });
  const snapshot = {
    ...emptySnapshot(),
    node: new Map(nodes.map((node) => [nodeName(node.name), nodeOf(node)])),
    ipPool: new Map([[pool.metadata.name, pool]]),
    attachment: new Map(Array.from({ length: localPods }, (_, index) => attachmentOf(index))),
  };
  for (const [index, { name }] of nodes.entries()) addBlock(snapshot, blockOf(index), nodeName(name));
  return snapshot;
}

/** The block that node number `index`, from 0, has at first. */
export function blockOf(index: number): string {
  return `10.${100 + Math.floor(index / 250)}.${index % 250}.0/24`;
}

/** A block comes to be `node`'s. */
export function addBlock({ ipamBlock }: Pick<Snapshot, "ipamBlock">, cidr: string, node: NodeName): void {
  const spec = { cidr, affinity: hostAffinity(node), allocations: [], unallocated: [], attributes: [] };
  (ipamBlock as Map<string, ReturnType<typeof parseIpamBlock>>).set(
    cidr,
    parseIpamBlock({ metadata: { name: cidr }, spec }),
  );
}

/** It is nobody's any more. */
export function removeBlock({ ipamBlock }: Pick<Snapshot, "ipamBlock">, cidr: string): void {
  (ipamBlock as Map<string, unknown>).delete(cidr);
}

/** What bears on a plan besides the API server's objects: nothing. */
export function plainInputs(): Omit<BgpInputs, "snapshot" | "node"> {
  return { secrets: new Map(), deliverable: new Set(), isDraining: false };
}

/**
 * So many nodes that are not there: no BIRD ever answers for them. Their addresses are greater than those of the machines that
 * are, so that it is they who would have to connect.
 */
export function absentNodes(count: number): readonly ClusterNode[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `absent-${index + 1}`,
    address: `172.19.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`,
  }));
}

export function nodeName(name: string): NodeName {
  return name as NodeName;
}

// --- internal ---

function nodeOf({ name, address }: ClusterNode): Node {
  return { name: nodeName(name), labels: {}, annotations: {}, internalIps: [parseIp(address)], podCidrs: [] };
}

function attachmentOf(index: number): [ReturnType<typeof attachmentKey>, Attachment] {
  const attachment: Attachment = {
    containerId: `container${index}`,
    interfaceName: "eth0",
    hostInterface: `cali${index}`,
    netns: `/run/netns/${index}`,
    pod: namespacedName("default", `pod-${index}`),
    podUid: undefined,
    addresses: [parseIp(`10.100.0.${1 + index}`)],
    mtu: 1500,
  };
  return [attachmentKey(attachment), attachment];
}
