/**
 * The fixed parts of every conformance case: nine pods in three namespaces, on each node one of each namespace and one of
 * each letter; host-network pods, a name server, and two addresses outside the cluster and that of a cloud's metadata.
 */

/** A pod as its manifest says, with an address that never changes. */
export interface WorldPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly ports: readonly WorldPort[];
}

/** A port that a pod listens on, and what its container calls it. */
interface WorldPort {
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
  readonly name?: string;
}

/** The three namespaces under test, with their labels; z has no purpose. */
export const namespaceLabels: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  x: { team: "x", env: "prod", purpose: "shop" },
  y: { team: "y", env: "prod", purpose: "monitoring" },
  z: { team: "z", env: "test" },
};

export const nodeNames = ["node-1", "node-2", "node-3"] as const;
/** As lab/layout.ts has them: nodes 1 and 3 stand in one rack. */
export const nodeAddresses = { "node-1": "172.18.1.11", "node-2": "172.18.2.12", "node-3": "172.18.1.13" } as const;

/** Pods a, b and c of x, y and z. The same name of a port is another number in a and b, and another protocol in c. */
export const pods: readonly WorldPod[] = ["x", "y", "z"].flatMap((namespace, row) =>
  ["a", "b", "c"].map((letter, column) => {
    const node = ((row + column) % 3) + 1;
    return {
      namespace,
      name: letter,
      node: `node-${node}`,
      address: `192.168.${100 + node}.${(row + 1) * 10 + column + 1}`,
      labels: { pod: letter, backend: letter, ...labelsOf(letter) },
      serviceAccount: letter === "b" ? "robot" : "default",
      ports: portsOf(letter),
    };
  }),
);

/** The cluster's name server: asked, never asking. */
export const nameServer: WorldPod = {
  namespace: "kube-system",
  name: "dns",
  node: "node-2",
  address: "192.168.102.53",
  labels: { "k8s-app": "kube-dns", backend: "dns" },
  serviceAccount: "default",
  ports: [
    { protocol: "TCP", port: 53, name: "dns-tcp" },
    { protocol: "UDP", port: 53, name: "dns" },
  ],
};

/** One on each node, in the host's network: they listen on the nodes' addresses. */
export const hostPods: readonly WorldPod[] = nodeNames.map((node) => ({
  namespace: "z",
  name: node.replace("node", "host"),
  node,
  address: nodeAddresses[node],
  labels: { pod: "host", app: "web", backend: node.replace("node", "host") },
  serviceAccount: "default",
  ports: plainPorts(),
}));

/** Answers on TCP 80, as the instance metadata of a cloud would. */
export const metadataAddress = "169.254.169.254";

/** `NAMESPACE/NAME`, as expectations name a pod. */
export function nameOf({ namespace, name }: WorldPod): string {
  return `${namespace}/${name}`;
}

// --- internal ---

function labelsOf(letter: string): Readonly<Record<string, string>> {
  if (letter === "a") return { app: "web", rank: "1" };
  return letter === "b" ? { app: "db", rank: "2" } : { app: "api" };
}

function portsOf(letter: string): readonly WorldPort[] {
  const names: Readonly<Record<string, readonly (string | undefined)[]>> = {
    a: ["web", "admin", "query", undefined],
    b: ["admin", "web", undefined, "query"],
    c: [undefined, undefined, "web", undefined],
  };
  return [
    ...plainPorts().map((port, index) => {
      const name = names[letter]?.[index];
      return name === undefined ? port : { ...port, name };
    }),
    { protocol: "SCTP" as const, port: 80, ...(letter === "c" ? {} : { name: "signal" }) },
  ];
}

function plainPorts(): readonly WorldPort[] {
  return [
    { protocol: "TCP", port: 80 },
    { protocol: "TCP", port: 81 },
    { protocol: "UDP", port: 80 },
    { protocol: "UDP", port: 81 },
  ];
}
