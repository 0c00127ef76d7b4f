import type { KubeObject } from "./objects.ts";
import { hostPods, nameServer, namespaceLabels, pods, type WorldPod } from "./world.ts";

/** Namespaces and ServiceAccounts, which must be there before the pods. */
export function namespaceObjects(): readonly KubeObject[] {
  return Object.entries(namespaceLabels).flatMap(([name, labels]) => [
    { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } },
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace: name, name: "robot", labels: { role: "robot" } },
    },
  ]);
}

/** The pods, and a Service for each of its own name. */
export function workloadObjects(): readonly KubeObject[] {
  return [
    ...[...pods, nameServer].map((pod) => podObject(pod)),
    ...hostPods.map((pod) => podObject(pod)),
    ...[...pods, nameServer, ...hostPods].map(serviceObject),
  ];
}

/** A pod's manifest; its address is asked for by annotation, so that a pod made anew has its predecessor's. */
export function podObject(pod: WorldPod, labels: Readonly<Record<string, string>> = pod.labels): KubeObject {
  const { namespace, name, node, address, serviceAccount } = pod;
  const hostNetwork = hostPods.includes(pod);
  const ports = pod.ports.map((port) => ({ name: port.name, containerPort: port.port, protocol: port.protocol }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...{ namespace, name, labels },
      annotations: hostNetwork ? {} : { "cni.projectcalico.org/ipAddrs": JSON.stringify([address]) },
    },
    spec: {
      ...{ nodeName: node, hostNetwork, serviceAccountName: serviceAccount, tolerations: [{ operator: "Exists" }] },
      containers: [{ name: "echo", image: "lab/echo", ports }],
    },
  };
}

// --- internal ---

function serviceObject({ namespace, name, labels, ports }: WorldPod): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name: `to-${name}` },
    spec: {
      selector: { backend: labels["backend"] },
      ports: ports.map(({ protocol, port }) => ({ name: `${protocol}-${port}`.toLowerCase(), protocol, port })),
    },
  };
}
