import type { IpamBlock } from "../../src/api/ipam-block.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import { type Attachment, attachmentKey, type EndpointSlice, type Namespace, type Pod } from "../../src/api/objects.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { type Ip, ipFromNumber, ipPlus } from "../../src/net/ip.ts";
import type { Random } from "./random.ts";

/** How large a cluster is. */
export interface ClusterSize {
  readonly pods: number;
  readonly namespaces: number;
}

/** The node whose policy is calculated. */
export const thisNode = "node-0" as NodeName;
/** What pods call themselves. */
export const apps: readonly string[] = Array.from({ length: 40 }, (_, index) => `app-${index}`);
/** The four apps that a namespace has pods of, and policies for. */
export function appsIn(namespace: string): readonly string[] {
  const first = Number(namespace.slice(namespace.indexOf("-") + 1)) % apps.length;
  return [0, 7, 15, 26].map((step) => apps[(first + step) % apps.length] ?? "");
}

/** What parts of an app there are. */
export const roles: readonly string[] = ["frontend", "backend", "database", "cache", "worker", "batch"];
/** What namespaces are for. */
export const environments: readonly string[] = ["prod", "staging", "development", "test"];
/** Whose namespaces are. */
export const teams: readonly string[] = Array.from({ length: 200 }, (_, index) => `team-${index}`);

/** So many pods are on a node; this one has some more. */
const podsPerNode = 100;
const podsOfThisNode = 110;
const blockSize = 64;

/** A cluster but for its policies, as pods and namespaces come to have it, and as changes that tell of it. */
export class BenchCluster {
  readonly namespaces: readonly Namespace[];
  readonly pods: Pod[] = [];
  readonly #random: Random;
  readonly #blocks: IpamBlock[] = [];

  constructor(size: ClusterSize, random: Random) {
    this.#random = random;
    this.namespaces = Array.from({ length: size.namespaces }, (_, index) => namespaceAt(index, random));
    for (let index = 0; index < size.pods; index++) this.addPod(nodeOf(index));
  }

  /** Those of this node. */
  get localPods(): readonly Pod[] {
    return this.pods.filter(({ node }) => node === thisNode);
  }

  /** One more pod, with an address of the last block. */
  addPod(node: NodeName): Pod {
    const index = this.pods.length;
    const namespace = this.#random.oneOf(this.namespaces).name;
    const app = this.#random.oneOf(appsIn(namespace));
    const ordinal = index % blockSize;
    if (ordinal === 0) this.#blocks.push(emptyBlock(this.#blocks.length, node));
    const pod: Pod = {
      namespace,
      name: `${app}-${index.toString(36)}`,
      uid: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
      labels: {
        app,
        role: this.#random.oneOf(roles),
        version: `v${this.#random.below(5)}`,
        "pod-template-hash": `${app}-${namespace}`,
      },
      annotations: { "cni.projectcalico.org/containerID": `c${index}` },
      node,
      serviceAccount: this.#random.chance(70) ? "default" : `${app}-account`,
      ips: [addressAt(index)],
      annotatedIps: [],
      hostNetwork: false,
      namedPorts: this.#random.chance(60) ? [{ name: "http", protocol: 6, port: 8080 }] : [],
      finished: false,
    };
    this.pods.push(pod);
    this.#blocks.push(withHolder(this.#blocks.pop(), ordinal, pod));
    return pod;
  }

  /** The block that the last pod has its address from. */
  lastBlock(): Change {
    return blockChange(this.#blocks.at(-1));
  }

  *changes(): Iterable<Change> {
    for (const value of this.namespaces) {
      yield { kind: "namespace", key: value.name, value };
      const account = { namespace: value.name, name: "default", labels: { tier: this.#random.oneOf(roles) } };
      yield { kind: "serviceAccount", key: namespacedName(value.name, "default"), value: account };
    }
    for (const value of this.pods) yield { kind: "pod", key: namespacedName(value.namespace, value.name), value };
    for (const block of this.#blocks) yield blockChange(block);
    for (const pod of this.localPods) yield attachmentChange(pod);
    for (let node = 0; node * podsPerNode < this.pods.length; node++) yield* nodeChanges(node);
    for (const slice of this.#slices()) {
      yield { kind: "endpointSlice", key: namespacedName(slice.namespace, slice.name), value: slice };
    }
    yield* networkSetChanges(this.namespaces, this.#random);
  }

  /** Two Services a namespace, of three pods each. */
  *#slices(): Iterable<EndpointSlice> {
    for (const { name: namespace } of this.namespaces) {
      for (const service of ["web", "api"]) {
        const addresses = [0, 1, 2].flatMap(() => this.#random.oneOf(this.pods).ips);
        yield {
          namespace,
          name: `${service}-1`,
          service,
          addresses,
          endpoints: [],
          ports: [{ protocol: 6, port: 8080 }],
        };
      }
    }
  }
}

/** That the node has wired the pod. */
export function attachmentChange(pod: Pod): Change {
  const value: Attachment = {
    containerId: pod.uid,
    interfaceName: "eth0",
    hostInterface: `cali${pod.uid.slice(-10)}`,
    netns: `/var/run/netns/${pod.uid}`,
    pod: namespacedName(pod.namespace, pod.name),
    podUid: pod.uid,
    addresses: pod.ips,
    mtu: 1500,
  };
  return { kind: "attachment", key: attachmentKey(value), value };
}

// --- internal ---

function nodeOf(index: number): NodeName {
  return (
    index < podsOfThisNode ? thisNode : `node-${1 + Math.floor((index - podsOfThisNode) / podsPerNode)}`
  ) as NodeName;
}

function addressAt(index: number): Ip {
  return ipFromNumber(0x0a000000n + BigInt(index), 4);
}

function namespaceAt(index: number, random: Random): Namespace {
  const name = `namespace-${index}`;
  const labels = {
    "kubernetes.io/metadata.name": name,
    env: random.oneOf(environments),
    team: random.oneOf(teams),
  };
  return { name, labels, annotations: {} };
}

function emptyBlock(index: number, node: NodeName): IpamBlock {
  const cidr = parseCidr(`${addressAt(index * blockSize)}/26`);
  const name = cidr.replaceAll(/[./]/g, "-");
  return {
    metadata: { name, labels: {}, annotations: {}, resourceVersion: "1" },
    spec: {
      cidr,
      affinity: `host:${node}`,
      allocations: new Array<null>(blockSize).fill(null),
      unallocated: Array.from({ length: blockSize }, (_, ordinal) => ordinal),
      attributes: [],
      sequenceNumber: 1n,
      sequenceNumberForAllocation: {},
      deleted: false,
    },
  } as unknown as IpamBlock;
}

function withHolder(block: IpamBlock | undefined, ordinal: number, pod: Pod): IpamBlock {
  if (block === undefined) throw new Error("Cannot give an address: there is no block");
  const { allocations, attributes, unallocated } = block.spec;
  const secondary = { namespace: pod.namespace, pod: pod.name, node: pod.node ?? "" };
  const spec = {
    ...block.spec,
    allocations: allocations.with(ordinal, attributes.length),
    unallocated: unallocated.slice(1),
    attributes: [...attributes, { handle_id: `k8s-pod-network.${pod.uid}`, secondary }],
  };
  return { ...block, spec };
}

function blockChange(value: IpamBlock | undefined): Change {
  return { kind: "ipamBlock", key: value?.metadata.name ?? "", value };
}

function* nodeChanges(index: number): Iterable<Change> {
  const node = `node-${index}` as NodeName;
  const ip = ipPlus(addressAt(0x800000), index);
  const labels = { "kubernetes.io/hostname": node, zone: `zone-${index % 3}` };
  const value = { name: node, labels, annotations: {}, internalIps: [ip], podCidrs: [] };
  yield { kind: "node", key: node, value };
  const spec = { node, interfaceName: "*", expectedIPs: [ip], profiles: ["projectcalico-default-allow"], ports: [] };
  const metadata = { name: `${node}-auto-hep`, labels: { ...labels, host: "yes" }, annotations: {} };
  yield { kind: "hostEndpoint", key: metadata.name, value: { metadata, spec } };
}

/** For every twentieth namespace one of its own, and 200 that are everybody's. */
function* networkSetChanges(namespaces: readonly Namespace[], random: Random): Iterable<Change> {
  const netsOf = (count: number) =>
    Array.from({ length: count }, () =>
      parseCidr(`${100 + random.below(60)}.${random.below(256)}.${random.below(256)}.0/24`),
    );
  for (const { name: namespace } of namespaces.filter((_, index) => index % 20 === 0)) {
    const metadata = { name: "partners", namespace, labels: { kind: "partner" }, annotations: {} };
    yield {
      kind: "networkSet",
      key: namespacedName(namespace, "partners"),
      value: { metadata, spec: { nets: netsOf(10) } },
    };
  }
  for (let index = 0; index < 200; index++) {
    const metadata = { name: `feed-${index}`, labels: { feed: `feed-${index % 20}` }, annotations: {} };
    yield { kind: "globalNetworkSet", key: metadata.name, value: { metadata, spec: { nets: netsOf(50) } } };
  }
}
