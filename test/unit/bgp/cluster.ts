import { parseBgpConfiguration } from "../../../src/api/bgp-configuration.ts";
import { parseBgpFilter } from "../../../src/api/bgp-filter.ts";
import { parseBgpPeer } from "../../../src/api/bgp-peer.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import { parseIpamBlock } from "../../../src/api/ipam-block.ts";
import { parseEndpointSlice } from "../../../src/api/kubernetes/endpoint-slice.ts";
import { parseService } from "../../../src/api/kubernetes/service.ts";
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
  /** Name of a BGPConfiguration → spec. */
  readonly configuration?: Readonly<Record<string, object>>;
  /** Name of a BGPFilter → spec. */
  readonly filters?: Readonly<Record<string, object>>;
  /** Name of a Service in `default` → its JSON's `spec` and `status`. */
  readonly services?: Readonly<Record<string, { readonly spec: object; readonly status?: object }>>;
  /** Name → an EndpointSlice of the Service that its name begins with, up to the last dash: its endpoints as JSON has them. */
  readonly endpointSlices?: Readonly<Record<string, readonly object[]>>;
  /** Addresses of pods attached to this node. */
  readonly attached?: readonly string[];
}

interface NodeWords {
  readonly ips: readonly string[];
  readonly labels?: Labels;
  readonly annotations?: Labels;
  readonly as?: string;
  readonly unschedulable?: true;
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
    bgpConfiguration: mapOf(words.configuration, (name, spec) => [
      name,
      parseBgpConfiguration({ metadata: { name }, spec }),
    ]),
    bgpFilter: mapOf(words.filters, (name, spec) => [name, parseBgpFilter({ metadata: { name }, spec })]),
    service: new Map(
      Object.entries(words.services ?? {}).map(([name, one]) => [inDefault(name), serviceOf(name, one)]),
    ),
    endpointSlice: new Map(
      Object.entries(words.endpointSlices ?? {}).map(([name, endpoints]) => [
        inDefault(name),
        sliceOf(name, endpoints),
      ]),
    ),
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

const inDefault = (name: string) => namespacedName("default", name);

function serviceOf(name: string, json: object) {
  return parseService({ metadata: { namespace: "default", name }, ...json });
}

function sliceOf(name: string, endpoints: readonly object[]) {
  const labels = { "kubernetes.io/service-name": name.slice(0, name.lastIndexOf("-")) };
  const addressType = JSON.stringify(endpoints).includes("::") ? "IPv6" : "IPv4";
  return parseEndpointSlice({ metadata: { namespace: "default", name, labels }, addressType, endpoints });
}

function nodeOf(name: string, { ips, labels, annotations, as, unschedulable }: NodeWords): Node {
  return {
    ...{ name: nodeName(name), labels: labels ?? {}, internalIps: ips.map(parseIp), podCidrs: [] },
    annotations: { ...annotations, ...(as !== undefined && { "projectcalico.org/ASNumber": as }) },
    ...(unschedulable && { unschedulable }),
  };
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
