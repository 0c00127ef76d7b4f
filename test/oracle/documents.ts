/** A cluster's objects as the API has them, so that a person can apply them and look. */
import { stringify } from "yaml";
import type {
  ClusterNetworkPolicy,
  ClusterPeer,
  ClusterPort,
} from "../../src/api/kubernetes/cluster-network-policy.ts";
import type { KubeNetworkPolicy, KubePeer, Pod } from "../../src/api/objects.ts";
import { formatSelector } from "../../src/api/selector/format-selector.ts";
import { isRejected, type Rejected, type Snapshot } from "../../src/api/snapshot.ts";
import { calicoDocument } from "./calico-documents.ts";

/** One object in the form of the API server. */
export type Document = Readonly<Record<string, unknown>>;

/** Every object of the snapshot that a person could apply, as YAML documents; what could not be read is told in comments. */
export function yamlOf(snapshot: Snapshot): string {
  const objects = documentsOf(snapshot).map((one) => stringify(one, { aliasDuplicateObjects: false }));
  return [...objects, ...rejectedOnes(snapshot)].join("---\n");
}

/** The same as objects, without those that could not be read. */
export function documentsOf(snapshot: Snapshot): readonly Document[] {
  const calico = (["tier", "networkSet", "globalNetworkSet", "hostEndpoint", ...policyKinds] as const).flatMap((kind) =>
    [...snapshot[kind].values()].flatMap((value) => (isRejected(value) ? [] : [calicoDocument(kind, value)])),
  );
  return [
    ...[...snapshot.namespace.values()].map(({ name, labels }) => ({
      ...core("Namespace"),
      metadata: { name, labels },
    })),
    ...[...snapshot.serviceAccount.values()].map((metadata) => ({ ...core("ServiceAccount"), metadata })),
    ...[...snapshot.pod.values()].map(podDocument),
    ...[...snapshot.endpointSlice.values()].map(({ namespace, name, service, addresses, ports }) => ({
      ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4" },
      metadata: { namespace, name, labels: service === undefined ? {} : { "kubernetes.io/service-name": service } },
      endpoints: addresses.map((address) => ({ addresses: [address] })),
      ports: ports.map(({ protocol, port }) => ({ protocol: protocolNames[protocol], port })),
    })),
    ...readable(snapshot.networkPolicy.values()).map(networkPolicyDocument),
    ...readable(snapshot.clusterNetworkPolicy.values()).map(clusterPolicyDocument),
    ...calico,
    ...readable(snapshot.stagedKubernetesNetworkPolicy.values()).map((policy) => ({
      ...networkPolicyDocument(policy),
      ...{ apiVersion: "projectcalico.org/v3", kind: "StagedKubernetesNetworkPolicy" },
      spec: { stagedAction: policy.stagedAction, ...kubernetesSpec(policy) },
    })),
  ];
}

// --- internal ---

const policyKinds = [
  "calicoNetworkPolicy",
  "globalNetworkPolicy",
  "stagedNetworkPolicy",
  "stagedGlobalNetworkPolicy",
] as const;

const protocolNames: Readonly<Record<number, string>> = { 6: "TCP", 17: "UDP", 132: "SCTP" };

function core(kind: string): Document {
  return { apiVersion: "v1", kind };
}

function readable<T extends object>(objects: Iterable<T | Rejected>): readonly T[] {
  return [...objects].filter((one): one is T => !isRejected(one));
}

/** On its node, so that no scheduler has to be asked; its addresses are what the node gives it. */
function podDocument({ namespace, name, labels, node, serviceAccount, namedPorts, ips, finished }: Pod): Document {
  const ports = namedPorts.map((one) => ({
    ...{ name: one.name, containerPort: one.port, protocol: protocolNames[one.protocol] },
  }));
  return {
    ...core("Pod"),
    metadata: { namespace, name, labels },
    spec: {
      ...{ nodeName: node, serviceAccountName: serviceAccount },
      // Of one container a port's name can stand for one port only.
      containers: ports.length === 0 ? [pause(0, [])] : ports.map((port, index) => pause(index, [port])),
    },
    status: { phase: finished ? "Succeeded" : "Running", podIPs: ips.map((ip) => ({ ip })) },
  };
}

function pause(index: number, ports: readonly Document[]): Document {
  return { name: `container-${index}`, image: "registry.k8s.io/pause:3.10", ports };
}

function networkPolicyDocument(policy: KubeNetworkPolicy): Document {
  const { namespace, name } = policy;
  const spec = kubernetesSpec(policy);
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { namespace, name }, spec };
}

function kubernetesSpec({ podSelector, types, ingress, egress }: KubeNetworkPolicy): Document {
  return {
    ...{ podSelector, policyTypes: types },
    ingress: ingress.map(({ peers, ports }) => ({ from: peers.map(peerDocument), ports })),
    egress: egress.map(({ peers, ports }) => ({ to: peers.map(peerDocument), ports })),
  };
}

function peerDocument(peer: KubePeer): Document {
  const { kind, ...rest } = peer;
  return kind === "block" ? { ipBlock: rest } : rest;
}

function clusterPolicyDocument({ name, tier, priority, subject, ingress, egress }: ClusterNetworkPolicy): Document {
  const rule = (
    end: "from" | "to",
    { name: ruleName, action, peers, ports }: ClusterNetworkPolicy["ingress"][number],
  ) => ({
    ...(ruleName === "" ? {} : { name: ruleName }),
    ...{ action, [end]: peers.map(clusterPeer) },
    // Absent for every protocol: an empty list is refused.
    ...(ports.length > 0 && { protocols: ports.map(clusterPort) }),
  });
  return {
    ...{ apiVersion: "policy.networking.k8s.io/v1alpha2", kind: "ClusterNetworkPolicy", metadata: { name } },
    spec: {
      ...{ tier, priority, subject: clusterPeer(subject) },
      ingress: ingress.map((one) => rule("from", one)),
      egress: egress.map((one) => rule("to", one)),
    },
  };
}

function clusterPeer(peer: ClusterPeer): Document {
  if (peer.kind === "networks") return { networks: peer.cidrs };
  const { namespaceSelector, podSelector } = peer;
  return podSelector === undefined ? { namespaces: namespaceSelector } : { pods: { namespaceSelector, podSelector } };
}

function clusterPort(port: ClusterPort): Document {
  if ("name" in port) return { destinationNamedPort: port.name };
  const { range } = port;
  const one =
    range?.first === range?.last ? { number: range?.first } : { range: { start: range?.first, end: range?.last } };
  return { [(protocolNames[port.protocol] ?? "").toLowerCase()]: range === undefined ? {} : { destinationPort: one } };
}

function rejectedOnes(snapshot: Snapshot): readonly string[] {
  return Object.entries(snapshot).flatMap(([kind, objects]) =>
    [...objects.values()].filter(isRejected).map(({ namespace, name, scope }) => {
      const { selector, ...rest } = scope;
      const known = JSON.stringify({ ...rest, ...(selector && { selector: formatSelector(selector) }) });
      return `# ${kind} ${namespace}/${name} cannot be read, but for ${known}\n`;
    }),
  );
}
