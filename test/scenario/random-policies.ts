/** Random policies of every kind over a few names, labels and tiers, so that they often meet, and objects that reach only a few. */
import fc from "fast-check";
import type { CalicoNetworkPolicy } from "../../src/api/calico-network-policy.ts";
import type { GlobalNetworkPolicy } from "../../src/api/global-network-policy.ts";
import type { ClusterNetworkPolicy, ClusterPodPeer } from "../../src/api/kubernetes/cluster-network-policy.ts";
import type { KubeNetworkPolicy, KubeRule, LabelSelector, Revision } from "../../src/api/objects.ts";
import type { GlobalPolicySpec, PolicyRule, PolicySpec, RuleEntity, RulePort } from "../../src/api/policy-rule.ts";
import { parseSelector } from "../../src/api/selector/parse-selector.ts";
import type { Rejected, RejectedScope } from "../../src/api/snapshot.ts";
import { parseCidr } from "../../src/net/cidr.ts";

export const namespaceNames = ["ns-1", "ns-2"];
export const accountNames = ["default", "robot"];
export const serviceNames = ["svc-1", "svc-2"];
export const tierNames = ["early", "late", "never-made", "default", "kube-admin", "kube-baseline"];
export const portNames = ["http", "dns"];
export const labelValue = fc.constantFrom("a", "b");
export const protocol = fc.constantFrom(6, 17);
const revision: fc.Arbitrary<Revision> = fc
  .tuple(fc.constantFrom("uid-1", "uid-2"), fc.integer({ min: 1, max: 2 }))
  .map(([uid, generation]) => ({ uid, generation }));

/** What a namespaced policy of some kind is about; `name` is one of two. */
const name = fc.constantFrom("p1", "p2");
const namespace = fc.constantFrom(...namespaceNames);

const selector = fc.constantFrom(
  "",
  "all()",
  "app == 'a'",
  "app != 'a'",
  "app in {'a', 'b'} && tier == 'a'",
  "!has(app) || app == 'b'",
  "has(tier)",
  "pcns.app == 'a'",
  "pcsa.app == 'a'",
  "projectcalico.org/namespace == 'ns-1'",
  "projectcalico.org/orchestrator == 'k8s'",
  "!has(projectcalico.org/namespace)",
);
const namespaceSelector = fc.constantFrom("", "", "all()", "global()", "app == 'a'", "!has(app)");
const accountSelector = fc.constantFrom("", "", "app == 'a'");

const port: fc.Arbitrary<RulePort> = fc.oneof(
  fc.constantFrom({ first: 80, last: 80 }, { first: 80, last: 90 }),
  fc.constantFrom(...portNames).map((one) => ({ name: one })),
);

const entity: fc.Arbitrary<RuleEntity> = fc
  .record({
    nets: fc.constantFrom([], [], [parseCidr("10.0.0.0/30")]),
    selector,
    notSelector: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, selector),
    namespaceSelector,
    ports: fc.array(port, { maxLength: 2 }),
    notPorts: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(port, { maxLength: 1 })),
    serviceAccounts: fc.constantFrom(
      undefined,
      undefined,
      { names: ["robot"], selector: "" },
      { names: [], selector: "app == 'a'" },
    ),
  })
  .map((fields) => ({ notNets: [], ...fields }));

const nothing: RuleEntity = {
  ...{ nets: [], notNets: [], selector: "", notSelector: "", namespaceSelector: "", ports: [], notPorts: [] },
};

function rule(side: "source" | "destination"): fc.Arbitrary<PolicyRule> {
  const services = fc
    .record({ name: fc.constantFrom(...serviceNames), namespace: fc.constantFrom("ns-1", "ns-2") })
    .map((one) => ({ ...nothing, services: one }));
  const other = side === "source" ? "destination" : "source";
  return fc
    .record({
      action: fc.constantFrom("Allow", "Deny", "Pass", "Log"),
      protocol: fc.option(protocol, { nil: undefined }),
      peer: fc.oneof({ weight: 3, arbitrary: entity }, services),
      own: fc.oneof({ weight: 2, arbitrary: fc.constant(nothing) }, entity),
    })
    .map(({ peer, own, ...rest }) => ({ ...rest, [side]: peer, [other]: own }) as PolicyRule);
}

const types = fc.subarray(["Ingress", "Egress"] as const, { minLength: 1 });
const spec: fc.Arbitrary<PolicySpec> = fc.record({
  tier: fc.constantFrom("default", "default", ...tierNames),
  order: fc.constantFrom(undefined, 1, 1, 2),
  selector,
  serviceAccountSelector: accountSelector,
  types,
  ingress: fc.array(rule("source"), { maxLength: 2 }),
  egress: fc.array(rule("destination"), { maxLength: 2 }),
});

const stage = fc.constantFrom(
  { doNotTrack: false, preDNAT: false, applyOnForward: false },
  { doNotTrack: false, preDNAT: false, applyOnForward: true },
  { doNotTrack: true, preDNAT: false, applyOnForward: true },
  { doNotTrack: false, preDNAT: true, applyOnForward: true },
);
const globalSpec: fc.Arbitrary<GlobalPolicySpec> = fc
  .tuple(spec, namespaceSelector, stage)
  .map(([common, ofNamespace, own]) => ({ ...common, namespaceSelector: ofNamespace, ...own }));

const stagedAction = fc.constantFrom("Set" as const, "Set" as const, "Delete" as const, "Learn" as const);

const scope: fc.Arbitrary<RejectedScope> = fc.record(
  {
    tier: fc.constantFrom(...tierNames),
    order: fc.constantFrom(1, 2),
    selector: selector.map(parseSelector),
  },
  { requiredKeys: [] },
);

/** One in eight cannot be read. */
function orRejected<T>(readable: fc.Arbitrary<T>, isNamespaced: boolean): fc.Arbitrary<T | Rejected> {
  const rejected: fc.Arbitrary<Rejected> = fc.record({
    rejected: fc.constant("it cannot be read"),
    namespace: isNamespaced ? namespace : fc.constant(""),
    name,
    revision,
    scope,
  });
  return fc.oneof({ weight: 7, arbitrary: readable }, rejected);
}

function metadata(isNamespaced: boolean) {
  const place = isNamespaced ? namespace : fc.constant(undefined);
  return fc
    .tuple(name, place, revision)
    .map(([own, its, rest]) => ({ name: own, namespace: its, ...rest, labels: {}, annotations: {} }));
}

/** A NetworkPolicy of `projectcalico.org/v3`. */
export const calicoPolicy: fc.Arbitrary<CalicoNetworkPolicy | Rejected> = orRejected(
  fc.record({ metadata: metadata(true), spec }),
  true,
);

/** A GlobalNetworkPolicy. */
export const globalPolicy: fc.Arbitrary<GlobalNetworkPolicy | Rejected> = orRejected(
  fc.record({ metadata: metadata(false), spec: globalSpec }),
  false,
);

/** A StagedNetworkPolicy. */
export const stagedPolicy = orRejected(
  fc.record({
    metadata: metadata(true),
    spec: fc.tuple(spec, stagedAction).map(([own, action]) => ({ ...own, stagedAction: action })),
  }),
  true,
);

/** A StagedGlobalNetworkPolicy. */
export const stagedGlobalPolicy = orRejected(
  fc.record({
    metadata: metadata(false),
    spec: fc.tuple(globalSpec, stagedAction).map(([own, action]) => ({ ...own, stagedAction: action })),
  }),
  false,
);

const labelKey = fc.constantFrom("app", "tier", "pcns.app");

const labelSelector: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    fc.dictionary(labelKey, labelValue, { maxKeys: 1, noNullPrototype: true }),
  ),
  matchExpressions: fc.array(
    fc.oneof(
      fc.record({
        key: labelKey,
        operator: fc.constantFrom("In", "NotIn"),
        values: fc.uniqueArray(labelValue, { minLength: 1 }),
      }),
      fc.record({
        key: labelKey,
        operator: fc.constantFrom("Exists", "DoesNotExist"),
        values: fc.constant<string[]>([]),
      }),
    ),
    { maxLength: 1 },
  ),
});

const kubeRule: fc.Arbitrary<KubeRule> = fc.record({
  peers: fc.array(
    fc.record(
      { kind: fc.constant("pods" as const), namespaceSelector: labelSelector, podSelector: labelSelector },
      { requiredKeys: ["kind"] },
    ),
    { maxLength: 2 },
  ),
  ports: fc.array(
    fc.record({
      protocol: fc.constantFrom("TCP" as const, "UDP" as const),
      port: fc.constantFrom(80, "http", undefined),
      endPort: fc.constant(undefined),
    }),
    { maxLength: 2 },
  ),
});

const kubeFields = {
  namespace,
  name,
  revision,
  podSelector: labelSelector,
  types,
  ingress: fc.array(kubeRule, { maxLength: 2 }),
  egress: fc.array(kubeRule, { maxLength: 2 }),
};

/** A NetworkPolicy of Kubernetes. */
export const kubePolicy: fc.Arbitrary<KubeNetworkPolicy | Rejected> = orRejected(
  fc.record<KubeNetworkPolicy>(kubeFields),
  true,
);

/** A StagedKubernetesNetworkPolicy. */
export const stagedKubePolicy = orRejected(fc.record({ ...kubeFields, stagedAction }), true);

const clusterPeer: fc.Arbitrary<ClusterPodPeer> = fc.record({
  kind: fc.constant("pods"),
  namespaceSelector: labelSelector,
  podSelector: fc.option(labelSelector, { nil: undefined }),
});

const clusterRules = fc.array(
  fc.record({
    name: fc.constantFrom("", "first"),
    action: fc.constantFrom("Accept" as const, "Deny" as const, "Pass" as const),
    peers: fc.array(clusterPeer, { minLength: 1, maxLength: 2 }),
    ports: fc.constantFrom([], [{ protocol: 6, range: { first: 80, last: 80 } }], [{ name: "http" }]),
  }),
  { maxLength: 2 },
);

/** A ClusterNetworkPolicy. */
export const clusterPolicy: fc.Arbitrary<ClusterNetworkPolicy | Rejected> = orRejected(
  fc.record<ClusterNetworkPolicy>({
    name,
    revision,
    tier: fc.constantFrom("Admin", "Baseline"),
    priority: fc.integer({ min: 0, max: 2 }),
    subject: clusterPeer,
    ingress: clusterRules,
    egress: clusterRules,
    problems: fc.constant([]),
  }),
  false,
);
