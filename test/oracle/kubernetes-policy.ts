/**
 * networking.k8s.io/v1 NetworkPolicy (https://kubernetes.io/docs/concepts/services-networking/network-policies/): pods that
 * some policy selects are isolated in its directions, and policies add to each other. Among tiers they are the ones of order
 * 1000 in the tier `default`.
 */
import type { KubeNetworkPolicy, KubePeer, KubePort, KubeRule } from "../../src/api/objects.ts";
import { isRejected, type Rejected, type Snapshot } from "../../src/api/snapshot.ts";
import { cidrContainsIp } from "../../src/net/cidr.ts";
import { isNamedPort } from "./calico-rule.ts";
import type { JudgedPolicy, JudgedRule } from "./judged-policy.ts";
import { inheritedLabels, type Party, podsAt, type Seen, type Selectable } from "./parties.ts";
import { labelSelectorSelects, selects } from "./selection.ts";

/** Those of the snapshot. */
export function kubernetesPolicies(snapshot: Snapshot): readonly JudgedPolicy[] {
  return [...snapshot.networkPolicy.values()].map((policy) => {
    const { namespace, name } = policy;
    const placed = {
      title: `Kubernetes NetworkPolicy ${namespace}/${name}`,
      tier: "default",
      order: 1000,
      sortName: `${name}/${namespace}/KubernetesNetworkPolicy`,
      stage: "normal",
      applyOnForward: false,
    } as const;
    if (isRejected(policy)) return { ...placed, ...rejected(policy) };
    const about = (type: "Ingress" | "Egress", rules: readonly KubeRule[]) =>
      policy.types.includes(type) ? rules.map((rule) => judged(rule, type, { policy, snapshot })) : "not about it";
    return {
      ...placed,
      ingress: about("Ingress", policy.ingress),
      egress: about("Egress", policy.egress),
      appliesTo: (one) =>
        one.what === "pod" && one.namespace === namespace && labelSelectorSelects(policy.podSelector, one.labels),
    };
  });
}

// --- internal ---

/** It isolates what it may have selected, and allows nothing; others may. */
function rejected({ namespace, scope }: Rejected): Pick<JudgedPolicy, "ingress" | "egress" | "appliesTo"> {
  const appliesTo = (one: Selectable) =>
    one.what === "pod" &&
    one.namespace === namespace &&
    (scope.selector === undefined || selects(scope.selector, one.labels));
  return { ingress: [], egress: [], appliesTo };
}

interface Context {
  readonly policy: KubeNetworkPolicy;
  readonly snapshot: Snapshot;
}

function judged({ peers, ports }: KubeRule, type: "Ingress" | "Egress", { policy, snapshot }: Context): JudgedRule {
  const peerMatches = (peer: KubePeer, party: Party) => {
    if (peer.kind === "block") {
      return cidrContainsIp(peer.cidr, party.ip) && !peer.except.some((net) => cidrContainsIp(net, party.ip));
    }
    return podsAt(snapshot, party).some((one) => isPeerPod(peer, one, policy.namespace));
  };
  return {
    action: "allow",
    matches: (seen) => {
      const other = type === "Ingress" ? seen.from : seen.to;
      // A port's name is that of a pod's container.
      const destinations = podsAt(snapshot, seen.to);
      if (peers.length > 0 && !peers.some((peer) => peerMatches(peer, other))) return false;
      return ports.length === 0 || ports.some((port) => portMatches(port, seen, destinations));
    },
  };
}

function isPeerPod(peer: KubePeer & { kind: "pods" }, one: Selectable, policyNamespace: string): boolean {
  const inNamespace =
    peer.namespaceSelector === undefined
      ? one.namespace === policyNamespace
      : labelSelectorSelects(peer.namespaceSelector, inheritedLabels(one, "pcns."));
  return inNamespace && (peer.podSelector === undefined || labelSelectorSelects(peer.podSelector, one.labels));
}

const protocolNumbers = { TCP: 6, UDP: 17, SCTP: 132 };

function portMatches({ protocol, port, endPort }: KubePort, seen: Seen, destinations: readonly Selectable[]): boolean {
  if (protocolNumbers[protocol] !== seen.protocol) return false;
  if (port === undefined) return true;
  if (typeof port === "string") return isNamedPort(port, seen, destinations);
  return seen.port !== undefined && seen.port >= port && seen.port <= (endPort ?? port);
}
