import type { KubeNetworkPolicy, KubePeer, KubePort, KubeRule, Protocol } from "../../api/objects.ts";
import type { Selector } from "../../api/selector/selector.ts";
import { selectorOfLabelSelector } from "../../api/selector/selector-of-label-selector.ts";
import { isRejected, type Rejected } from "../../api/snapshot.ts";
import { cidrVersion } from "../../net/cidr.ts";
import { namespaceLabel, namespaceLabelPrefix, orchestratorLabel } from "./endpoint-labels.ts";
import type { MatchPlan, PolicyId, PolicyPlan, PortRange, RulePlan, SetId } from "./plan.ts";
import { mergeRanges } from "./port-ranges.ts";
import { setIdOf } from "./set-id.ts";

/** A Kubernetes policy in the terms of the plan, with what is needed to know whom it concerns. */
export interface CompiledPolicy {
  readonly namespace: string;
  readonly name: string;
  /** Over the pods' own labels, within the namespace. */
  readonly appliesTo: Selector;
  readonly isolates: { readonly ingress: boolean; readonly egress: boolean };
  readonly plan: PolicyPlan;
  /** The sets that the plan's rules name. */
  readonly sets: ReadonlyMap<SetId, SetSource>;
}

/** What a set's members are: the addresses of the pods that `selector` matches by their endpoint labels. */
export interface SetSource {
  readonly id: SetId;
  readonly selector: Selector;
  /** Only pods of this namespace can match; undefined: of any. */
  readonly namespace: string | undefined;
}

/**
 * Policies only add to each other, so one that cannot be read isolates every pod of its namespace both ways and allows
 * nothing; what other policies allow stays allowed.
 */
export function compilePolicy(policy: KubeNetworkPolicy | Rejected): CompiledPolicy {
  if (isRejected(policy)) return closedPolicy(policy);
  const sets = new Map<SetId, SetSource>();
  const [ingress, egress] = [policy.types.includes("Ingress"), policy.types.includes("Egress")];
  const rulesOf = (rules: readonly KubeRule[], side: PeerSide) =>
    rules.flatMap((rule) => expandRule(rule, side, policy.namespace, sets));
  return {
    namespace: policy.namespace,
    name: policy.name,
    appliesTo: selectorOfLabelSelector(policy.podSelector),
    isolates: { ingress, egress },
    plan: {
      id: policyIdOf(policy),
      ingress: ingress ? rulesOf(policy.ingress, "source") : [],
      egress: egress ? rulesOf(policy.egress, "destination") : [],
    },
    sets,
  };
}

function policyIdOf(policy: { readonly namespace: string; readonly name: string }): PolicyId {
  return `knp/${policy.namespace}/${policy.name}` as PolicyId;
}

// --- internal ---

/** Where a rule's peers stand: ingress rules name sources, egress rules destinations. */
type PeerSide = "source" | "destination";

function closedPolicy({ namespace, name }: { readonly namespace: string; readonly name: string }): CompiledPolicy {
  const plan = { id: policyIdOf({ namespace, name }), ingress: [], egress: [] };
  const isolates = { ingress: true, egress: true };
  return { namespace, name, appliesTo: { kind: "all" }, isolates, plan, sets: new Map() };
}

/** One rule for each protocol and peer. */
function expandRule(
  rule: KubeRule,
  side: PeerSide,
  policyNamespace: string,
  sets: Map<SetId, SetSource>,
): readonly RulePlan[] {
  const peers = rule.peers.map((peer) => peerMatch(peer, policyNamespace, sets));
  return protocolMatches(rule.ports).flatMap(({ protocol, ports }) =>
    (peers.length === 0 ? [{}] : peers).map((peer: PeerMatch): RulePlan => {
      const { ipVersion, ...address } = peer;
      const versioned = ipVersion === undefined ? {} : { ipVersion };
      const common = { action: "allow" as const, ...versioned, ...(protocol === undefined ? {} : { protocol }) };
      return side === "source"
        ? { ...common, source: address, destination: ports }
        : { ...common, source: {}, destination: { ...address, ...ports } };
    }),
  );
}

type PeerMatch = MatchPlan & Pick<RulePlan, "ipVersion">;

function peerMatch(peer: KubePeer, policyNamespace: string, sets: Map<SetId, SetSource>): PeerMatch {
  if (peer.kind === "block") {
    const ipVersion = cidrVersion(peer.cidr);
    const notNets = peer.except.filter((net) => cidrVersion(net) === ipVersion);
    return { ipVersion, nets: [peer.cidr], ...(notNets.length === 0 ? {} : { notNets }) };
  }
  const source = setSource(peer, policyNamespace);
  sets.set(source.id, source);
  return { sets: [source.id] };
}

function setSource(
  { podSelector, namespaceSelector }: KubePeer & { kind: "pods" },
  policyNamespace: string,
): SetSource {
  const namespace = namespaceSelector === undefined ? policyNamespace : undefined;
  const operands: Selector[] = [
    { kind: "==", label: orchestratorLabel, value: "k8s" },
    namespaceSelector === undefined
      ? { kind: "==", label: namespaceLabel, value: policyNamespace }
      : selectorOfLabelSelector(namespaceSelector, namespaceLabelPrefix),
  ];
  if (podSelector !== undefined) operands.push(selectorOfLabelSelector(podSelector));
  const selector: Selector = { kind: "&&", operands };
  return { id: setIdOf(selector), selector, namespace };
}

const protocolNumbers: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

interface ProtocolMatch {
  readonly protocol?: number;
  readonly ports: MatchPlan;
}

/** Without ports: one match that always holds. A named port matches nothing. */
function protocolMatches(ports: readonly KubePort[]): readonly ProtocolMatch[] {
  if (ports.length === 0) return [{ ports: {} }];
  const protocols = [...new Set(ports.map(({ protocol }) => protocol))];
  return protocols.map((protocol) => {
    const ofProtocol = ports.filter((port) => port.protocol === protocol);
    const everyPort = ofProtocol.some(({ port }) => port === undefined);
    const ranges = mergeRanges(ofProtocol.flatMap(rangeOf));
    return { protocol: protocolNumbers[protocol], ports: everyPort ? {} : { ports: ranges } };
  });
}

function rangeOf({ port, endPort }: KubePort): readonly PortRange[] {
  return typeof port === "number" ? [{ first: port, last: endPort ?? port }] : [];
}
