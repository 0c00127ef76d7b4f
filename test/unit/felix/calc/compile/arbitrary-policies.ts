/** Valid policies of every kind, at random. */
import fc from "fast-check";
import type {
  ClusterPeer,
  ClusterPort,
  ClusterRule,
} from "../../../../../src/api/kubernetes/cluster-network-policy.ts";
import type { KubePeer, KubePort, KubeRule, LabelSelector } from "../../../../../src/api/objects.ts";
import type { PolicyRule, RuleEntity, RulePort } from "../../../../../src/api/policy-rule.ts";
import type { Kinds, PolicyKind } from "../../../../../src/api/snapshot.ts";
import { parseCidr } from "../../../../../src/net/cidr.ts";

/** A kind and one of its objects. */
export interface KindAndPolicy {
  readonly kind: PolicyKind;
  readonly value: Kinds[PolicyKind]["value"];
}

/** Objects of all kinds, with everything in them that may be. */
export function arbitraryPolicy(): fc.Arbitrary<KindAndPolicy> {
  const stagedAction = fc.constantFrom("Set" as const, "Set" as const, "Delete" as const, "Learn" as const);
  const staged = <T extends { readonly spec: object }>(one: fc.Arbitrary<T>) =>
    fc
      .tuple(one, stagedAction)
      .map(([policy, action]) => ({ ...policy, spec: { ...policy.spec, stagedAction: action } }));
  return fc.oneof(
    kube.map((value) => ({ kind: "networkPolicy" as const, value })),
    fc.tuple(kube, stagedAction).map(([policy, action]) => ({
      kind: "stagedKubernetesNetworkPolicy" as const,
      value: { ...policy, stagedAction: action },
    })),
    cluster.map((value) => ({ kind: "clusterNetworkPolicy" as const, value })),
    namespaced.map((value) => ({ kind: "calicoNetworkPolicy" as const, value })),
    staged(namespaced).map((value) => ({ kind: "stagedNetworkPolicy" as const, value })),
    global.map((value) => ({ kind: "globalNetworkPolicy" as const, value })),
    staged(global).map((value) => ({ kind: "stagedGlobalNetworkPolicy" as const, value })),
  );
}

// --- internal ---

const name = fc.constantFrom("a", "b", "web");
const namespace = fc.constantFrom("shop", "data");
const revision = fc.record({ uid: name, generation: fc.nat(9) });
const types = fc.subarray(["Ingress" as const, "Egress" as const], { minLength: 1 });
const cidrs = ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "fd00::/8", "::/0"].map(parseCidr);
const cidr = fc.constantFrom(...cidrs);
const port = fc.integer({ min: 1, max: 65535 });
const range = fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));

const labelSelector: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: fc.dictionary(name, name, { maxKeys: 2 }),
  matchExpressions: fc.array(
    fc.record({
      key: name,
      operator: fc.constantFrom("In" as const, "NotIn" as const, "Exists" as const, "DoesNotExist" as const),
      values: fc.array(name, { maxLength: 2 }),
    }),
    { maxLength: 1 },
  ),
});

const kubePeer: fc.Arbitrary<KubePeer> = fc.oneof(
  fc.record(
    { kind: fc.constant("pods" as const), podSelector: labelSelector, namespaceSelector: labelSelector },
    { requiredKeys: ["kind"] },
  ),
  fc.record({ kind: fc.constant("block" as const), cidr, except: fc.array(cidr, { maxLength: 2 }) }),
);

const kubePort: fc.Arbitrary<KubePort> = fc.oneof(
  fc.record({
    protocol: fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const),
    port: fc.oneof(port, name, fc.constant(undefined)),
    endPort: fc.constant(undefined),
  }),
  range.map(({ first, last }) => ({ protocol: "TCP" as const, port: first, endPort: last })),
);

const kubeRules: fc.Arbitrary<readonly KubeRule[]> = fc.array(
  fc.record({ peers: fc.array(kubePeer, { maxLength: 3 }), ports: fc.array(kubePort, { maxLength: 3 }) }),
  { maxLength: 2 },
);

const kube = fc.record({
  ...{ namespace, name, revision, types },
  podSelector: labelSelector,
  ingress: kubeRules,
  egress: kubeRules,
});

const podPeer = fc.record({
  kind: fc.constant("pods" as const),
  namespaceSelector: labelSelector,
  podSelector: fc.option(labelSelector, { nil: undefined }),
});

const clusterPeer: fc.Arbitrary<ClusterPeer> = fc.oneof(
  podPeer,
  fc.record({ kind: fc.constant("networks" as const), cidrs: fc.array(cidr, { minLength: 1, maxLength: 3 }) }),
);

const clusterPort: fc.Arbitrary<ClusterPort> = fc.oneof(
  fc.record({ protocol: fc.constantFrom(6, 17, 132), range: fc.option(range, { nil: undefined }) }),
  fc.record({ name }),
);

const clusterRules: fc.Arbitrary<readonly ClusterRule[]> = fc.array(
  fc.record({
    name: fc.constantFrom("", "rule"),
    action: fc.constantFrom("Accept" as const, "Deny" as const, "Pass" as const),
    peers: fc.array(clusterPeer, { maxLength: 3 }),
    ports: fc.array(clusterPort, { maxLength: 3 }),
  }),
  { maxLength: 2 },
);

const cluster = fc.record({
  ...{ name, revision },
  tier: fc.constantFrom("Admin" as const, "Baseline" as const),
  priority: fc.nat(1000),
  subject: podPeer,
  ingress: clusterRules,
  egress: clusterRules,
  problems: fc.constant([]),
});

const selector = fc.constantFrom("", "", "all()", "a == 'b'", "has(web) && b != 'a'", "!(a in {'a', 'b'} || all())");
const namespaceSelector = fc.oneof(selector, fc.constant("global()"));

const rulePort: fc.Arbitrary<RulePort> = fc.oneof(range, fc.record({ name }));
const numberOrRange = fc.array(rulePort, { maxLength: 2 });
const fewNets = fc.array(cidr, { maxLength: 2 });

const entity: fc.Arbitrary<RuleEntity> = fc.record(
  {
    ...{ nets: fewNets, notNets: fewNets, selector, notSelector: selector, namespaceSelector },
    ...{ ports: numberOrRange, notPorts: numberOrRange },
    serviceAccounts: fc.record({ names: fc.array(name, { maxLength: 2 }), selector }),
    services: fc.record({ name, namespace: fc.oneof(namespace, fc.constant("")) }),
  },
  { requiredKeys: ["nets", "notNets", "selector", "notSelector", "namespaceSelector", "ports", "notPorts"] },
);

const icmp = fc.record({ type: fc.nat(254), code: fc.nat(255) }, { requiredKeys: ["type"] });

const rules: fc.Arbitrary<readonly PolicyRule[]> = fc.array(
  fc.record(
    {
      action: fc.constantFrom("Allow" as const, "Deny" as const, "Pass" as const, "Log" as const),
      ipVersion: fc.constantFrom(4 as const, 6 as const),
      protocol: fc.constantFrom(1, 6, 17, 58, 132),
      notProtocol: fc.constantFrom(1, 6),
      ...{ icmp, notICMP: icmp, source: entity, destination: entity },
      http: fc.record({
        methods: fc.array(fc.constant("GET"), { maxLength: 1 }),
        paths: fc.constant([{ exact: "/" }]),
      }),
      metadata: fc.record({ annotations: fc.dictionary(fc.constantFrom("name", "x"), name) }),
    },
    { requiredKeys: ["action", "source", "destination"] },
  ),
  { maxLength: 3 },
);

const commonSpec = {
  tier: fc.constantFrom("default", "security"),
  order: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
  ...{ selector, serviceAccountSelector: selector, types, ingress: rules, egress: rules },
};

const commonMetadata = {
  name,
  labels: fc.constant({}),
  annotations: fc.constant({}),
  uid: name,
  generation: fc.nat(9),
};

const namespaced = fc.record({
  metadata: fc.record({ ...commonMetadata, namespace }),
  spec: fc.record(commonSpec),
});

const flag = fc.boolean();

const global = fc.record({
  metadata: fc.record(commonMetadata),
  spec: fc.record({
    ...commonSpec,
    namespaceSelector: selector,
    doNotTrack: flag,
    preDNAT: flag,
    applyOnForward: flag,
  }),
});
