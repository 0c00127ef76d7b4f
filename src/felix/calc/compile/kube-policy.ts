import { namespaceLabel, namespaceLabelPrefix } from "../../../api/label-names.ts";
import type { KubeNetworkPolicy, KubePeer, KubePort, KubeRule } from "../../../api/objects.ts";
import { conjunction } from "../../../api/selector/conjunction.ts";
import { selectorOfLabelSelector } from "../../../api/selector/selector-of-label-selector.ts";
import { cidrVersion } from "../../../net/cidr.ts";
import { protocolNumbers } from "../../../net/protocol-numbers.ts";
import type { CompiledPolicy, SelectedAddresses } from "../compiled-policy.ts";
import { pods, podsAppliesTo } from "./applies-to.ts";
import { kubeOrder } from "./kube-order.ts";
import { Memo } from "./memo.ts";
import { type Peer, type PeerPort, type PeerRulePlace, peerRules } from "./peer-rules.ts";
import { policyIdentity } from "./policy-identity.ts";
import { collectSets, selectedAddresses } from "./set-sources.ts";

/** A Kubernetes NetworkPolicy, or one that is staged. */
export function kubePolicy(
  kind: "networkPolicy" | "stagedKubernetesNetworkPolicy",
  policy: KubeNetworkPolicy,
): CompiledPolicy {
  const { namespace, revision, types } = policy;
  const { sets, use } = collectSets();
  const { selector: appliesTo, text } = podsAppliesTo(selectorOfLabelSelector(policy.podSelector), namespace);
  const { id, sortName } = policyIdentity(kind, policy);
  const applies = { ingress: types.includes("Ingress"), egress: types.includes("Egress") };
  const place = { namespace, own: appliesTo, use };
  const plan = {
    id,
    revision,
    tier: "default",
    selector: text,
    staged: kind === "stagedKubernetesNetworkPolicy",
    ingress: applies.ingress ? rulesOf(policy.ingress, { ...place, direction: "ingress" }) : [],
    egress: applies.egress ? rulesOf(policy.egress, { ...place, direction: "egress" }) : [],
    problems: [],
  };
  const common = { id, tier: "default", order: kubeOrder, sortName, namespace, appliesTo, applies, plan, sets };
  return { ...common, stage: "normal", applyOnForward: false };
}

// --- internal ---

interface KubePlace extends PeerRulePlace {
  readonly namespace: string;
}

function rulesOf(rules: readonly KubeRule[], place: KubePlace): CompiledPolicy["plan"]["ingress"] {
  return rules.flatMap(({ peers, ports }, origin) => {
    const kubePeers = peers.length === 0 ? undefined : peers.map((peer) => peerOf(peer, place.namespace));
    const kubePorts = ports.length === 0 ? undefined : ports.map(portOf);
    return peerRules({ action: "allow", origin, peers: kubePeers, ports: kubePorts }, place);
  });
}

const selections = new Memo<SelectedAddresses>(10_000);

function peerOf(peer: KubePeer, namespace: string): Peer {
  if (peer.kind === "block") {
    const { cidr } = peer;
    // What is of the other family lies outside of the block anyway.
    const except = peer.except.filter((net) => cidrVersion(net) === cidrVersion(cidr));
    return { kind: "networks", nets: [cidr], except };
  }
  const { podSelector, namespaceSelector } = peer;
  const key = JSON.stringify([podSelector, namespaceSelector ?? namespace]);
  const selected = selections.of(key, () =>
    selectedAddresses(
      conjunction([
        podSelector && selectorOfLabelSelector(podSelector),
        namespaceSelector === undefined
          ? { kind: "==", label: namespaceLabel, value: namespace }
          : selectorOfLabelSelector(namespaceSelector, namespaceLabelPrefix),
        pods,
      ]),
    ),
  );
  return { kind: "pods", selected };
}

function portOf({ protocol, port, endPort }: KubePort): PeerPort {
  if (typeof port === "string") return { protocol: protocolNumbers[protocol], port: { name: port } };
  const range = port === undefined ? undefined : { first: port, last: endPort ?? port };
  return { protocol: protocolNumbers[protocol], port: range };
}
