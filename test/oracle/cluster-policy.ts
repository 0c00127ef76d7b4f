/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy (https://network-policy-api.sigs.k8s.io/): about pods alone, before and after all others. */
import type {
  ClusterNetworkPolicy,
  ClusterPeer,
  ClusterPort,
  ClusterRule,
} from "../../src/api/kubernetes/cluster-network-policy.ts";
import { isRejected, type Rejected, type Snapshot } from "../../src/api/snapshot.ts";
import { cidrContainsIp } from "../../src/net/cidr.ts";
import { isNamedPort } from "./calico-rule.ts";
import type { JudgedPolicy, JudgedRule } from "./judged-policy.ts";
import { inheritedLabels, type Party, podsAt, type Seen, type Selectable } from "./parties.ts";
import { labelSelectorSelects, selects } from "./selection.ts";

/** Those of the snapshot. */
export function clusterPolicies(snapshot: Snapshot): readonly JudgedPolicy[] {
  return [...snapshot.clusterNetworkPolicy.values()].map((policy) => ({
    title: `ClusterNetworkPolicy ${policy.name}`,
    sortName: `${policy.name}//KubernetesClusterNetworkPolicy`,
    stage: "normal",
    applyOnForward: false,
    ...(isRejected(policy) ? rejected(policy) : readable(policy, snapshot)),
  }));
}

// --- internal ---

type Rest = Pick<JudgedPolicy, "tier" | "order" | "ingress" | "egress" | "appliesTo">;

function readable(policy: ClusterNetworkPolicy, snapshot: Snapshot): Rest {
  const judged = (rules: readonly ClusterRule[], end: "from" | "to") =>
    rules.length === 0 ? "not about it" : rules.map((rule) => judgedRule(rule, end, snapshot));
  return {
    tier: policy.tier === "Admin" ? "kube-admin" : "kube-baseline",
    order: policy.priority,
    ingress: judged(policy.ingress, "from"),
    egress: judged(policy.egress, "to"),
    appliesTo: (one) => isAmong(policy.subject, one),
  };
}

/** It denies everything to whom it may have been about. */
function rejected({ scope }: Rejected): Rest {
  const everything: readonly JudgedRule[] = [{ action: "deny", matches: () => true }];
  return {
    tier: scope.tier ?? "kube-admin",
    order: scope.order ?? 0,
    ingress: everything,
    egress: everything,
    appliesTo: (one) => one.what === "pod" && (scope.selector === undefined || selects(scope.selector, one.labels)),
  };
}

const actions = { Accept: "allow", Deny: "deny", Pass: "pass" } as const;

function judgedRule({ action, peers, ports }: ClusterRule, end: "from" | "to", snapshot: Snapshot): JudgedRule {
  const isPeer = (peer: ClusterPeer, party: Party) =>
    peer.kind === "networks"
      ? peer.cidrs.some((cidr) => cidrContainsIp(cidr, party.ip))
      : podsAt(snapshot, party).some((one) => isAmong(peer, one));
  return {
    action: actions[action],
    matches: (seen) => {
      if (peers.length > 0 && !peers.some((peer) => isPeer(peer, seen[end]))) return false;
      return ports.length === 0 || ports.some((port) => portMatches(port, seen, snapshot));
    },
  };
}

function isAmong({ namespaceSelector, podSelector }: ClusterNetworkPolicy["subject"], one: Selectable): boolean {
  if (one.what !== "pod" || !labelSelectorSelects(namespaceSelector, inheritedLabels(one, "pcns."))) return false;
  return podSelector === undefined || labelSelectorSelects(podSelector, one.labels);
}

function portMatches(port: ClusterPort, seen: Seen, snapshot: Snapshot): boolean {
  if ("name" in port) return isNamedPort(port.name, seen, podsAt(snapshot, seen.to));
  if (port.protocol !== seen.protocol) return false;
  return (
    port.range === undefined ||
    (seen.port !== undefined && seen.port >= port.range.first && seen.port <= port.range.last)
  );
}
