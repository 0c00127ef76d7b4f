import { type AllocationAttribute, type IpamBlock, reserveHandle } from "../../../src/api/ipam-block.ts";
import { type NamespacedName, type NodeName, namespacedName, systemNamespace } from "../../../src/api/names.ts";
import { agentLeaseName } from "../../../src/api/node-query.ts";
import type { Lease, Node, Pod } from "../../../src/api/objects.ts";
import { emptySnapshot, type Snapshot } from "../../../src/api/snapshot.ts";
import { newBlock } from "../../../src/ipam/block.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";

export const nodeName = (name: string) => name as NodeName;
export const podName = (name: string): NamespacedName => namespacedName("shop", name);

/** A block of node-1 in which these attributes hold one address each, from the first on; undefined leaves one free. */
export function blockOf(cidr: string, attributes: readonly (AllocationAttribute | undefined)[], affinity?: string) {
  const claim = { node: nodeName("node-1"), claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 1n };
  const empty = newBlock(parseCidr(cidr), claim);
  const held = attributes.flatMap((one) => one ?? []);
  const allocations = empty.spec.allocations.map((_, ordinal) => {
    const attribute = attributes[ordinal];
    return attribute === undefined ? null : held.indexOf(attribute);
  });
  const sequences = allocations.flatMap((index, ordinal) => (index === null ? [] : [[String(ordinal), 5n] as const]));
  return {
    ...empty,
    spec: {
      ...empty.spec,
      ...(affinity === undefined ? {} : { affinity: affinity || undefined }),
      allocations,
      unallocated: allocations.flatMap((index, ordinal) => (index === null ? [ordinal] : [])),
      attributes: held,
      sequenceNumber: 6n,
      sequenceNumberForAllocation: Object.fromEntries(sequences),
    },
  } satisfies IpamBlock;
}

/** What the CNI keeps beside the address of a pod of namespace `shop`. */
export function heldBy(pod: string, node = "node-1", handle = `k8s-pod-network.${pod}`): AllocationAttribute {
  return { handle_id: handle, secondary: { namespace: "shop", pod, node } };
}

/** An address that a node holds for pods to come. */
export function reserveOf(node = "node-1"): AllocationAttribute {
  return { handle_id: reserveHandle(nodeName(node)), secondary: { node } };
}

export function aPod(name: string, { node = "node-1", ips = [], ...rest }: PodWish = {}): Pod {
  return {
    ...{ namespace: "shop", name, uid: `uid-${name}`, labels: {}, annotations: {}, serviceAccount: "default" },
    ...{ node: node === "" ? undefined : nodeName(node), ips: ips.map(parseIp) },
    ...{ annotatedIps: [], hostNetwork: false, namedPorts: [], finished: false, ...rest },
  };
}

interface PodWish {
  readonly node?: string;
  readonly ips?: readonly string[];
  readonly hostNetwork?: boolean;
  readonly finished?: boolean;
}

export function aLease(node: string, renewTime: string): Lease {
  return {
    ...{ namespace: systemNamespace, name: agentLeaseName(nodeName(node)), annotations: {} },
    ...{ holder: node, renewTime },
  };
}

/** A snapshot of these. */
export function snapshotOf(parts: {
  readonly blocks?: readonly IpamBlock[];
  readonly pods?: readonly Pod[];
  readonly nodes?: readonly string[];
  readonly leases?: readonly Lease[];
}): Snapshot {
  const { blocks = [], pods = [], nodes = [], leases = [] } = parts;
  const node = (name: string): Node => ({
    name: nodeName(name),
    labels: {},
    annotations: {},
    internalIps: [],
    podCidrs: [],
  });
  return {
    ...emptySnapshot(),
    ipamBlock: new Map(blocks.map((block) => [block.metadata.name, block])),
    pod: new Map(pods.map((pod) => [namespacedName(pod.namespace, pod.name), pod])),
    node: new Map(nodes.map((name) => [nodeName(name), node(name)])),
    lease: new Map(leases.map((lease) => [namespacedName(lease.namespace, lease.name), lease])),
  };
}
