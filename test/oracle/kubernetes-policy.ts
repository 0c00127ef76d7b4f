/**
 * Who may talk to whom, read straight from the specification of networking.k8s.io/v1 NetworkPolicy
 * (https://kubernetes.io/docs/concepts/services-networking/network-policies/). It shares no code with src/felix.
 */
import type { NamespacedName } from "../../src/api/names.ts";
import type {
  KubeNetworkPolicy,
  KubePeer,
  KubePort,
  LabelSelector,
  Labels,
  Pod,
  Protocol,
} from "../../src/api/objects.ts";
import { isRejected, type Snapshot } from "../../src/api/snapshot.ts";
import { cidrContainsIp } from "../../src/net/cidr.ts";
import type { Ip } from "../../src/net/ip.ts";

/** One end of a connection: an address, and the pod that has it if it is a pod's. */
export interface Party {
  readonly ip: Ip;
  readonly pod?: NamespacedName;
}

/** A new connection, not one between a pod and itself. */
export interface Connection {
  readonly from: Party;
  readonly to: Party;
  readonly protocol: Protocol;
  readonly port: number;
}

/** Both ends must allow a connection. */
export function allowed(snapshot: Snapshot, connection: Connection): boolean {
  return mayLeave(snapshot, connection) && mayEnter(snapshot, connection);
}

/** Whether the source's policies allow it; one that is no pod has none. A pod that is not known may do nothing. */
export function mayLeave(snapshot: Snapshot, { from, to, protocol, port }: Connection): boolean {
  return permits(snapshot, "Egress", from, (rule) => {
    const peers = rule.peers.length === 0 || rule.peers.some((peer) => isPeer(snapshot, peer, rule.namespace, to));
    return peers && portAllowed(rule.ports, protocol, port);
  });
}

/** Whether the destination's policies allow it. */
export function mayEnter(snapshot: Snapshot, { from, to, protocol, port }: Connection): boolean {
  return permits(snapshot, "Ingress", to, (rule) => {
    const peers = rule.peers.length === 0 || rule.peers.some((peer) => isPeer(snapshot, peer, rule.namespace, from));
    return peers && portAllowed(rule.ports, protocol, port);
  });
}

// --- internal ---

interface Rule {
  readonly namespace: string;
  readonly peers: readonly KubePeer[];
  readonly ports: readonly KubePort[];
}

function permits(
  snapshot: Snapshot,
  type: "Ingress" | "Egress",
  party: Party,
  ruleAllows: (rule: Rule) => boolean,
): boolean {
  if (party.pod === undefined) return true;
  const pod = snapshot.pod.get(party.pod);
  if (pod === undefined) return false;
  let isolated = false;
  for (const policy of snapshot.networkPolicy.values()) {
    if (policy.namespace !== pod.namespace) continue;
    // What could not be read may have selected this pod, and allows nothing.
    if (isRejected(policy)) isolated = true;
    else if (policy.types.includes(type) && selects(policy.podSelector, pod.labels)) {
      isolated = true;
      if (rulesOf(policy, type).some(ruleAllows)) return true;
    }
  }
  return !isolated;
}

function rulesOf(policy: KubeNetworkPolicy, type: "Ingress" | "Egress"): readonly Rule[] {
  const rules = type === "Ingress" ? policy.ingress : policy.egress;
  return rules.map((rule) => ({ namespace: policy.namespace, ...rule }));
}

function isPeer(snapshot: Snapshot, peer: KubePeer, policyNamespace: string, party: Party): boolean {
  if (peer.kind === "block") {
    return cidrContainsIp(peer.cidr, party.ip) && !peer.except.some((net) => cidrContainsIp(net, party.ip));
  }
  const pod = party.pod === undefined ? undefined : snapshot.pod.get(party.pod);
  if (pod === undefined || pod.hostNetwork) return false;
  return (
    inSelectedNamespace(snapshot, peer, policyNamespace, pod) && selects(peer.podSelector ?? everything, pod.labels)
  );
}

function inSelectedNamespace(
  snapshot: Snapshot,
  peer: KubePeer & { kind: "pods" },
  policyNamespace: string,
  pod: Pod,
): boolean {
  if (peer.namespaceSelector === undefined) return pod.namespace === policyNamespace;
  const namespace = snapshot.namespace.get(pod.namespace);
  return namespace !== undefined && selects(peer.namespaceSelector, namespace.labels);
}

const everything: LabelSelector = { matchLabels: {}, matchExpressions: [] };

function selects({ matchLabels, matchExpressions }: LabelSelector, labels: Labels): boolean {
  const equal = Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
  return (
    equal &&
    matchExpressions.every(({ key, operator, values }) => {
      const value = labels[key];
      if (operator === "Exists") return value !== undefined;
      if (operator === "DoesNotExist") return value === undefined;
      const listed = value !== undefined && values.includes(value);
      return operator === "In" ? listed : !listed;
    })
  );
}

function portAllowed(ports: readonly KubePort[], protocol: Protocol, port: number): boolean {
  if (ports.length === 0) return true;
  return ports.some((one) => {
    if (one.protocol !== protocol) return false;
    if (one.port === undefined) return true;
    return typeof one.port === "number" && port >= one.port && port <= (one.endPort ?? one.port);
  });
}
