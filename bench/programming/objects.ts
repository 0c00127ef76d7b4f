/** What the API server holds: a cluster of so many pods, and as many policies, of which the benched node has some. Pure. */
import { benchedNode } from "../cni/objects.ts";

/** How many pods of the cluster are on the benched node. */
export const localPods = 100;
/** On average; a policy selects one of four apps of its namespace. */
const podsPerNamespace = 20;
const apps = ["web", "api", "db", "jobs"] as const;
const podsPerNode = 100;

/** How many namespaces there are beside so many pods. At least one, so that an empty cluster has a place for what is measured. */
export function namespaceCount(size: number): number {
  return Math.max(1, Math.ceil(size / podsPerNamespace));
}

/** The namespace of this index. */
export function namespaceName(index: number): string {
  return `bench-${index}`;
}

export function namespaceObject(index: number): object {
  const labels = { team: `team-${index % 50}`, stage: index % 3 === 0 ? "production" : "test" };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: namespaceName(index), labels } };
}

/** The names of the nodes that so many pods need beside the benched one. */
export function otherNodes(size: number): readonly string[] {
  return Array.from({ length: Math.ceil(Math.max(0, size - localPods) / podsPerNode) }, (_, index) => `other-${index}`);
}

/** Which pod it is. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
}

/** The pods of the cluster are numbered; the first ones are the benched node's. */
export function podIdentity(index: number, size: number): PodIdentity {
  return { namespace: namespaceName(index % namespaceCount(size)), name: `pod-${index}` };
}

export function podObject(index: number, size: number): object {
  const { namespace, name } = podIdentity(index, size);
  const labels = { ...podLabels(index), "pod-template-hash": `${index % 97}` };
  return {
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name, namespace, labels } },
    spec: {
      nodeName: nodeOf(index),
      containers: [{ name: "main", image: "bench", ports: [{ name: "http", containerPort: 8080 }] }],
    },
  };
}

/** What policies select it by. */
function podLabels(index: number): Readonly<Record<string, string>> {
  return {
    app: apps[Math.floor(index / 7) % apps.length] ?? "",
    tier: index % 2 === 0 ? "front" : "back",
    flip: "off",
  };
}

/** What the runtime would have reported of a pod that is not on the benched node. */
export function podStatus(index: number): object {
  const podIP = remoteAddress(index);
  return { status: { phase: "Running", podIP, podIPs: [{ ip: podIP }] } };
}

/** Beyond the pool that the benched node takes its pods' addresses from. */
function remoteAddress(index: number): string {
  return `10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

/** One policy: whom it selects, and from whom and by which port it lets in. `port` is what an edit changes. */
export function policyObject(index: number, size: number, port = 8080): object {
  const app = apps[index % apps.length];
  const from = apps[(index + 1) % apps.length];
  const peers = [
    { podSelector: { matchLabels: { app: from } } },
    {
      namespaceSelector: { matchLabels: { team: `team-${index % 50}` } },
      podSelector: { matchLabels: { tier: "front" } },
    },
  ];
  return {
    ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: policyIdentity(index, size) },
    spec: {
      podSelector: { matchLabels: { app } },
      policyTypes: ["Ingress"],
      ingress: [{ from: peers.slice(0, 1 + (index % 2)), ports: [{ protocol: "TCP", port }] }],
    },
  };
}

export function policyIdentity(index: number, size: number): PodIdentity {
  return { namespace: namespaceName(Math.floor(index / apps.length) % namespaceCount(size)), name: `policy-${index}` };
}

/** The policy that is edited: it selects every pod of the first local pod's namespace. */
export function editedPolicy(port: number): object {
  return {
    ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: edited },
    spec: {
      podSelector: {},
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { flip: "on" } } }], ports: [{ protocol: "TCP", port }] }],
    },
  };
}

export const edited: PodIdentity = { namespace: namespaceName(0), name: "edited" };

/** The last pod's: `editedPolicy` lets it in when its label `flip` is on. One beside those that `size` counts. */
export function flippedPod(): object {
  return {
    ...{ apiVersion: "v1", kind: "Pod", metadata: { ...flipped, labels: { app: "web", flip: "off" } } },
    spec: { nodeName: "other-0", containers: [{ name: "main", image: "bench" }] },
  };
}

export const flipped: PodIdentity & { readonly address: string } = {
  namespace: namespaceName(0),
  name: "flipped",
  address: "10.255.0.1",
};

export const poolObject = {
  ...{ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "bench" } },
  spec: { cidr: "10.0.0.0/9", blockSize: 26, natOutgoing: true, nodeSelector: "all()" },
};

// --- internal ---

function nodeOf(index: number): string {
  return index < localPods ? benchedNode : `other-${Math.floor((index - localPods) / podsPerNode)}`;
}
