import type { CalicoNetworkPolicy } from "../../src/api/calico-network-policy.ts";
import type { GlobalNetworkPolicy } from "../../src/api/global-network-policy.ts";
import type { ClusterNetworkPolicy } from "../../src/api/kubernetes/cluster-network-policy.ts";
import { namespacedName } from "../../src/api/names.ts";
import type { KubeNetworkPolicy, KubePeer, KubeRule, LabelSelector, Namespace } from "../../src/api/objects.ts";
import type { PolicyRule, RuleEntity } from "../../src/api/policy-rule.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { apps, appsIn, environments, roles, teams } from "./cluster.ts";
import type { Random } from "./random.ts";

/** Tiers of our own, before the default one. */
const tiers = ["security", "platform", "application"];

/** Those of no namespace and the tiers: 400 global policies, 20 ClusterNetworkPolicies. */
export function* globalPolicyChanges(random: Random): Iterable<Change> {
  for (const [index, name] of tiers.entries()) {
    const metadata = { name, labels: {}, annotations: {} };
    yield { kind: "tier", key: name, value: { metadata, spec: { order: 100 + index, defaultAction: "Pass" } } };
  }
  for (let index = 0; index < 400; index++) yield globalPolicyChange(index, random);
  for (let index = 0; index < 20; index++) {
    const value = clusterPolicyAt(index, random);
    yield { kind: "clusterNetworkPolicy", key: value.name, value };
  }
}

/** One of no namespace. */
export function globalPolicyChange(index: number, random: Random): Change {
  const value = globalPolicyAt(index, random);
  return { kind: "globalNetworkPolicy", key: value.metadata.name, value };
}

/** The `index`th policy of a namespace: three of five are Kubernetes' own. The same index gives another of the same name. */
export function namespacePolicyChange(index: number, namespace: Namespace, random: Random): Change {
  const key = namespacedName(namespace.name, `policy-${index}`);
  if (index % 5 < 3) return { kind: "networkPolicy", key, value: kubePolicyAt(index, namespace, random) };
  return { kind: "calicoNetworkPolicy", key, value: calicoPolicyAt(index, namespace, random) };
}

// --- internal ---

const revisionOf = (name: string) => ({ uid: `uid-of-${name}`, generation: 1 });

function kubePolicyAt(index: number, { name: namespace }: Namespace, random: Random): KubeNetworkPolicy {
  const name = `policy-${index}`;
  const common = { namespace, name, revision: revisionOf(`${namespace}-${name}`) };
  if (random.chance(20)) {
    return { ...common, podSelector: matching({}), types: ["Ingress"], ingress: [], egress: [] };
  }
  const podSelector = matching(
    random.chance(80) ? { app: random.oneOf(appsIn(namespace)) } : { role: random.oneOf(roles) },
  );
  if (random.chance(15)) return { ...common, podSelector, types: ["Egress"], ingress: [], egress: [dnsRule()] };
  return { ...common, podSelector, types: ["Ingress"], ingress: [kubeRule(namespace, random)], egress: [] };
}

function kubeRule(namespace: string, random: Random): KubeRule {
  const ports = [
    { protocol: "TCP" as const, port: random.chance(20) ? "http" : 8000 + random.below(100), endPort: undefined },
  ];
  return { peers: [kubePeer(namespace, random)], ports };
}

function kubePeer(namespace: string, random: Random): KubePeer {
  const kind = random.below(100);
  const podSelector = matching({ app: random.oneOf(appsIn(namespace)) });
  if (kind < 60) return { kind: "pods", podSelector };
  if (kind < 80) return { kind: "pods", podSelector, namespaceSelector: matching({ team: random.oneOf(teams) }) };
  if (kind < 90) return { kind: "pods", namespaceSelector: matching({ team: random.oneOf(teams) }) };
  if (kind < 92) return { kind: "pods", namespaceSelector: matching({ env: random.oneOf(environments) }) };
  return { kind: "block", cidr: parseCidr(`10.${random.below(256)}.0.0/16`), except: [] };
}

function dnsRule(): KubeRule {
  const namespaceSelector = matching({ "kubernetes.io/metadata.name": "namespace-0" });
  return { peers: [{ kind: "pods", namespaceSelector }], ports: [{ protocol: "UDP", port: 53, endPort: undefined }] };
}

function matching(matchLabels: Readonly<Record<string, string>>): LabelSelector {
  return { matchLabels, matchExpressions: [] };
}

function calicoPolicyAt(index: number, { name: namespace }: Namespace, random: Random): CalicoNetworkPolicy {
  const name = `policy-${index}`;
  return {
    metadata: {
      name,
      namespace,
      labels: {},
      annotations: {},
      uid: revisionOf(`${namespace}-${name}`).uid,
      generation: 1,
    },
    spec: {
      tier: random.chance(80) ? "default" : "application",
      order: random.below(1000),
      selector: random.chance(80)
        ? `app == '${random.oneOf(appsIn(namespace))}'`
        : `role in {'${random.oneOf(roles)}', 'other'}`,
      serviceAccountSelector: "",
      types: ["Ingress", "Egress"],
      ingress: [ruleFrom(sourceOf(namespace, random), random), ruleFrom(sourceOf(namespace, random), random)],
      egress: [rule({ destination: destinationOf(namespace, random) })],
    },
  };
}

function sourceOf(namespace: string, random: Random): Partial<RuleEntity> {
  const kind = random.below(100);
  if (kind < 45) return { selector: `app == '${random.oneOf(appsIn(namespace))}'` };
  if (kind < 60) return { selector: `role == '${random.oneOf(roles)}' && has(version)` };
  if (kind < 75)
    return { selector: `app == '${random.oneOf(apps)}'`, namespaceSelector: `team == '${random.oneOf(teams)}'` };
  if (kind < 85) return { serviceAccounts: { names: [`${random.oneOf(apps)}-account`], selector: "" } };
  if (kind < 95) return { selector: "kind == 'partner'" };
  return { nets: [parseCidr(`172.16.${random.below(256)}.0/24`)] };
}

function destinationOf(namespace: string, random: Random): Partial<RuleEntity> {
  if (random.chance(30)) return { services: { name: random.chance(50) ? "web" : "api", namespace } };
  return { selector: `role == '${random.oneOf(roles)}'`, ports: [{ first: 5432, last: 5432 }] };
}

function ruleFrom(source: Partial<RuleEntity>, random: Random): PolicyRule {
  const port = random.chance(25) ? { name: "http" } : { first: 8080, last: 8080 + random.below(10) };
  return rule({ protocol: 6, source, destination: { ports: [port] } });
}

interface RuleFacts {
  readonly action?: PolicyRule["action"];
  readonly protocol?: number;
  readonly source?: Partial<RuleEntity>;
  readonly destination?: Partial<RuleEntity>;
}

function rule({ action = "Allow", protocol, source = {}, destination = {} }: RuleFacts): PolicyRule {
  return { action, protocol, source: { ...anyone, ...source }, destination: { ...anyone, ...destination } };
}

const anyone: RuleEntity = {
  nets: [],
  notNets: [],
  selector: "",
  notSelector: "",
  namespaceSelector: "",
  ports: [],
  notPorts: [],
};

function globalPolicyAt(index: number, random: Random): GlobalNetworkPolicy {
  const isForHosts = index % 20 === 19;
  const source: Partial<RuleEntity> = random.chance(60)
    ? { selector: `feed == 'feed-${random.below(20)}'`, namespaceSelector: "global()" }
    : { namespaceSelector: `team == '${random.oneOf(teams)}'` };
  return {
    metadata: { name: `global-${index}`, labels: {}, annotations: {}, uid: `uid-of-global-${index}`, generation: 1 },
    spec: {
      tier: isForHosts ? "default" : random.oneOf(tiers),
      order: index,
      selector: isForHosts
        ? "has(host)"
        : random.chance(70)
          ? `app == '${random.oneOf(apps)}'`
          : `role == '${random.oneOf(roles)}'`,
      namespaceSelector: isForHosts || random.chance(50) ? "" : `env == '${random.oneOf(environments)}'`,
      serviceAccountSelector: "",
      types: ["Ingress"],
      ingress: [rule({ action: random.chance(50) ? "Deny" : "Pass", source })],
      egress: [],
      doNotTrack: false,
      preDNAT: false,
      applyOnForward: false,
    },
  };
}

function clusterPolicyAt(index: number, random: Random): ClusterNetworkPolicy {
  const name = `cluster-${index}`;
  return {
    name,
    revision: revisionOf(name),
    tier: index % 2 === 0 ? "Admin" : "Baseline",
    priority: index,
    subject: { kind: "pods", namespaceSelector: matching({ env: random.oneOf(environments) }), podSelector: undefined },
    ingress: [
      {
        name: "from-env",
        action: "Accept",
        peers: [
          { kind: "pods", namespaceSelector: matching({ env: random.oneOf(environments) }), podSelector: undefined },
        ],
        ports: [{ protocol: 6, range: { first: 443, last: 443 } }],
      },
    ],
    egress: [],
    problems: [],
  };
}
