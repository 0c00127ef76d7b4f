/** Small objects of the kinds of policy, and short ways to look at what they compile to. */
import type { CalicoNetworkPolicy } from "../../../../../src/api/calico-network-policy.ts";
import type { GlobalNetworkPolicy } from "../../../../../src/api/global-network-policy.ts";
import type { ClusterNetworkPolicy } from "../../../../../src/api/kubernetes/cluster-network-policy.ts";
import type { KubeNetworkPolicy, KubePeer, KubePort, LabelSelector } from "../../../../../src/api/objects.ts";
import type { GlobalPolicySpec, PolicyRule, PolicySpec, RuleEntity } from "../../../../../src/api/policy-rule.ts";
import { formatSelector } from "../../../../../src/api/selector/format-selector.ts";
import type { Kinds, PolicyKind } from "../../../../../src/api/snapshot.ts";
import { compilePolicy } from "../../../../../src/felix/calc/compile/compile-policy.ts";
import type { CompiledPolicy, SetSource } from "../../../../../src/felix/calc/compiled-policy.ts";
import type { RulePlan, SetId } from "../../../../../src/felix/calc/plan.ts";

/** Selects everything. */
export const everything: LabelSelector = { matchLabels: {}, matchExpressions: [] };

/** One side of a rule that says only what is given. */
export function entity(given: Partial<RuleEntity> = {}): RuleEntity {
  const selectors = { selector: "", notSelector: "", namespaceSelector: "" };
  return { nets: [], notNets: [], ports: [], notPorts: [], ...selectors, ...given };
}

/** An allow rule that says only what is given. */
export function rule(given: Partial<PolicyRule> = {}): PolicyRule {
  return { action: "Allow", source: entity(), destination: entity(), ...given };
}

/** `np/shop/p`. */
export function namespaced(spec: Partial<PolicySpec> = {}): CalicoNetworkPolicy {
  return { metadata: { ...metadata, namespace: "shop" }, spec: { ...common, ...spec } };
}

/** `gnp/p`. */
export function global(spec: Partial<GlobalPolicySpec> = {}): GlobalNetworkPolicy {
  const flags = { doNotTrack: false, preDNAT: false, applyOnForward: false };
  return { metadata, spec: { ...common, namespaceSelector: "", ...flags, ...spec } };
}

/** `knp/shop/p`, about ingress from `peers` by `ports`. */
export function kube(peers: readonly KubePeer[], ports: readonly KubePort[]): KubeNetworkPolicy {
  const names = { namespace: "shop", name: "p", revision: { uid: "u", generation: 3 } };
  return { ...names, podSelector: everything, types: ["Ingress"], ingress: [{ peers, ports }], egress: [] };
}

/** `kcnp/p` of the tier `kube-admin`. */
export function cluster(given: Partial<ClusterNetworkPolicy> = {}): ClusterNetworkPolicy {
  const subject = { kind: "pods", namespaceSelector: everything, podSelector: undefined } as const;
  const names = { name: "p", revision: { uid: "u", generation: 3 } };
  return { ...names, tier: "Admin", priority: 7, subject, ingress: [], egress: [], problems: [], ...given };
}

/** What it compiles to. Throws when that is nothing. */
export function compiled<K extends PolicyKind>(kind: K, value: Kinds[K]["value"]): CompiledPolicy {
  const policy = compilePolicy(kind, value);
  if (policy === undefined) throw new Error(`Cannot look at ${kind}: it compiles to nothing`);
  return policy;
}

/** The only rule of a policy's ingress. */
export function onlyIngress({ plan }: CompiledPolicy): RulePlan {
  const [first, ...others] = plan.ingress;
  if (first === undefined || others.length > 0) throw new Error(`Cannot look at one rule: ${JSON.stringify(plan)}`);
  return first;
}

/** In one line, what the set's members are. */
export function setText(policy: CompiledPolicy, id: SetId | undefined): string {
  const source = id === undefined ? undefined : policy.sets.get(id);
  return source === undefined ? "no set" : sourceText(source);
}

// --- internal ---

const metadata = { name: "p", uid: "u", generation: 3, labels: {}, annotations: {} };

const common: PolicySpec = {
  tier: "default",
  selector: "",
  serviceAccountSelector: "",
  types: ["Ingress", "Egress"],
  ingress: [],
  egress: [],
};

function sourceText(source: SetSource): string {
  if ("service" in source) return `${source.kind} ${source.service}`;
  const text = `${formatSelector(source.selector)} in ${source.namespace ?? "any"}`;
  return source.kind === "addresses" ? text : `${source.portName}/${source.protocol ?? "any"} of ${text}`;
}
