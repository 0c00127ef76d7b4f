/** What the API server holds before anything is measured. Pure. */

/** The node's name in the cluster. */
export const benchedNode = "node-1";

/** The namespace of all pods. */
export const podNamespace = "bench";

/** The pod of this index: servers and clients in turn. */
export function podName(index: number): string {
  return `pod-${index}`;
}

/** A pool for all pods, and the node itself, less its status. */
export function clusterObjects(): readonly object[] {
  return [
    {
      ...{ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name: "bench" } },
      spec: { cidr: "192.168.0.0/16", blockSize: 26, natOutgoing: true, nodeSelector: "all()" },
    },
    {
      ...{ apiVersion: "v1", kind: "Node" },
      metadata: { name: benchedNode, labels: { "kubernetes.io/hostname": benchedNode, "kubernetes.io/os": "linux" } },
    },
    { apiVersion: "v1", kind: "Namespace", metadata: { name: podNamespace, labels: { team: "bench" } } },
  ];
}

/** The status that makes the node one with an address. */
export function nodeStatus(address: string): object {
  return { status: { addresses: [{ type: "InternalIP", address }] } };
}

/** Pods on the node, and the policies that select them: one for each pod, two for every other one. */
export function podObjects(count: number): readonly object[] {
  return [...policies, ...Array.from({ length: count }, (_, index) => podObject(index))];
}

// --- internal ---

const policies = [
  policyObject("everyone", {
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "bench" } } }] }],
    egress: [
      { to: [{ namespaceSelector: {} }] },
      { to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.96.0.0/16"] } }], ports: [{ protocol: "UDP", port: 53 }] },
    ],
  }),
  policyObject("servers", {
    podSelector: { matchLabels: { role: "server" } },
    policyTypes: ["Ingress"],
    ingress: [
      { from: [{ podSelector: { matchLabels: { role: "client" } } }], ports: [{ protocol: "TCP", port: 8080 }] },
    ],
  }),
];

function policyObject(name: string, spec: object): object {
  return {
    ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" },
    ...{ metadata: { name, namespace: podNamespace }, spec },
  };
}

function podObject(index: number): object {
  const labels = { app: "bench", role: index % 2 === 0 ? "server" : "client" };
  return {
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: podName(index), namespace: podNamespace, labels } },
    spec: { nodeName: benchedNode, containers: [{ name: "main", image: "bench" }] },
  };
}
