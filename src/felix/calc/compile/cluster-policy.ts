import { clusterPolicyTiers } from "../../../api/built-in-tiers.ts";
import type {
  ClusterNetworkPolicy,
  ClusterPeer,
  ClusterPodPeer,
  ClusterPort,
  ClusterRule,
} from "../../../api/kubernetes/cluster-network-policy.ts";
import { namespaceLabelPrefix } from "../../../api/label-names.ts";
import { conjunction } from "../../../api/selector/conjunction.ts";
import type { Selector } from "../../../api/selector/selector.ts";
import { selectorOfLabelSelector } from "../../../api/selector/selector-of-label-selector.ts";
import type { CompiledPolicy, SelectedAddresses } from "../compiled-policy.ts";
import type { RulePlan } from "../plan.ts";
import { pods, podsAppliesTo } from "./applies-to.ts";
import { Memo } from "./memo.ts";
import { type Peer, type PeerPort, type PeerRulePlace, peerRules } from "./peer-rules.ts";
import { policyIdentity } from "./policy-identity.ts";
import { collectSets, selectedAddresses } from "./set-sources.ts";

/** A ClusterNetworkPolicy. It has nothing to say about a direction without rules, for its tiers deny nothing at their end. */
export function clusterPolicy(policy: ClusterNetworkPolicy): CompiledPolicy {
  const { revision, ingress, egress } = policy;
  const tier = clusterPolicyTiers[policy.tier];
  const { sets, use } = collectSets();
  const { selector: appliesTo, text } = podsAppliesTo(selectorOfPods(policy.subject), undefined);
  const { id, sortName } = policyIdentity("clusterNetworkPolicy", policy);
  const place = { own: appliesTo, use };
  const plan = {
    id,
    revision,
    tier,
    selector: text,
    staged: false,
    ingress: rulesOf(ingress, { ...place, direction: "ingress" }),
    egress: rulesOf(egress, { ...place, direction: "egress" }),
    problems: policy.problems,
  };
  const applies = { ingress: ingress.length > 0, egress: egress.length > 0 };
  const common = { id, tier, order: policy.priority, sortName, namespace: undefined, appliesTo, applies, plan, sets };
  return { ...common, stage: "normal", applyOnForward: false };
}

// --- internal ---

const actions = { Accept: "allow", Deny: "deny", Pass: "pass" } as const;

function rulesOf(rules: readonly ClusterRule[], place: PeerRulePlace): readonly RulePlan[] {
  return rules.flatMap(({ name, action, peers, ports }, origin) =>
    peerRules(
      {
        action: actions[action],
        origin,
        ...(name !== "" && { name }),
        peers: peers.length === 0 ? undefined : peers.map(peerOf),
        ports: ports.length === 0 ? undefined : ports.map(portOf),
      },
      place,
    ),
  );
}

const selections = new Memo<SelectedAddresses>(1_000);

function peerOf(peer: ClusterPeer): Peer {
  if (peer.kind === "networks") return { kind: "networks", nets: peer.cidrs, except: [] };
  const key = JSON.stringify([peer.namespaceSelector, peer.podSelector]);
  const selected = selections.of(key, () => selectedAddresses(conjunction([selectorOfPods(peer), pods])));
  return { kind: "pods", selected };
}

function selectorOfPods({ namespaceSelector, podSelector }: ClusterPodPeer): Selector {
  return conjunction([
    podSelector && selectorOfLabelSelector(podSelector),
    selectorOfLabelSelector(namespaceSelector, namespaceLabelPrefix),
  ]);
}

function portOf(port: ClusterPort): PeerPort {
  if ("name" in port) return { protocol: undefined, port };
  return { protocol: port.protocol, port: port.range };
}
