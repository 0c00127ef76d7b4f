/** Random Kubernetes NetworkPolicies, staged ones, and ClusterNetworkPolicies. */
import fc from "fast-check";
import type {
  ClusterNetworkPolicy,
  ClusterPeer,
  ClusterPodPeer,
  ClusterPort,
  ClusterRule,
} from "../../src/api/kubernetes/cluster-network-policy.ts";
import type { KubeNetworkPolicy, KubePeer, KubePort, KubeRule } from "../../src/api/objects.ts";
import type { Rejected } from "../../src/api/snapshot.ts";
import type { StagedKubernetesNetworkPolicy } from "../../src/api/staged-kubernetes-network-policy.ts";
import { cidrContains } from "../../src/net/cidr.ts";
import { labelSelector, namespaceNames, networks, networksOf, seldom } from "./random-labels.ts";
import { rejected } from "./random-rejected.ts";

export const policyName = fc.constantFrom("p1", "p2", "p-with-a-name-too-long-for-a-chain");
/** A Kubernetes NetworkPolicy, or in its place what could not be read. */
export const policy: fc.Arbitrary<KubeNetworkPolicy | Rejected> = fc
  .tuple(fc.constantFrom(...namespaceNames), policyName)
  .chain(([namespace, name]) =>
    fc.oneof(
      { weight: 12, arbitrary: kubernetesPolicy(namespace, name) },
      rejected({ namespace, name }, { tiers: [], orders: [] }),
    ),
  );

/** A StagedKubernetesNetworkPolicy. */
export const stagedKubernetesPolicy: fc.Arbitrary<StagedKubernetesNetworkPolicy> = fc
  .tuple(fc.constantFrom(...namespaceNames), policyName, fc.constantFrom("Set", "Set", "Delete", "Learn", "Ignore"))
  .chain(([namespace, name, stagedAction]) =>
    kubernetesPolicy(namespace, name).map((one) => ({ ...one, stagedAction: stagedAction as "Set" })),
  );

/** A ClusterNetworkPolicy, or in its place what could not be read. */
export const clusterPolicy: fc.Arbitrary<ClusterNetworkPolicy | Rejected> = policyName.chain((name) =>
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record<ClusterNetworkPolicy>({
        name: fc.constant(name),
        revision: fc.constant(revision),
        tier: fc.constantFrom("Admin", "Baseline"),
        priority: fc.constantFrom(0, 1, 1, 1000),
        subject: podPeer,
        problems: fc.constant([]),
        ingress: fc.array(clusterRule("ingress"), { maxLength: 2 }),
        egress: fc.array(clusterRule("egress"), { maxLength: 2 }),
      }),
    },
    rejected({ namespace: "", name }, { tiers: ["kube-admin", "kube-baseline"], orders: [0, 1] }),
  ),
);

// --- internal ---

/** Nothing is decided from it. */
const revision = { uid: "uid", generation: 1 };

function kubernetesPolicy(namespace: string, name: string): fc.Arbitrary<KubeNetworkPolicy> {
  return fc.record<KubeNetworkPolicy>({
    namespace: fc.constant(namespace),
    name: fc.constant(name),
    revision: fc.constant(revision),
    podSelector: labelSelector,
    types: fc.subarray(["Ingress", "Egress"] as const, { minLength: 1 }),
    ingress: fc.array(rule, { maxLength: 2 }),
    egress: fc.array(rule, { maxLength: 2 }),
  });
}

const blockPeer: fc.Arbitrary<KubePeer> = fc.constantFrom(...networks[4], ...networks[6]).chain((cidr) => {
  const inside = [...networks[4], ...networks[6]].filter((net) => net !== cidr && cidrContains(cidr, net));
  return fc
    .subarray(inside, { maxLength: Math.min(3, inside.length) })
    .map((except) => ({ kind: "block", cidr, except }));
});

/** One selector at least. */
const podsPeer: fc.Arbitrary<KubePeer> = fc
  .record(
    { kind: fc.constant("pods" as const), namespaceSelector: labelSelector, podSelector: labelSelector },
    { requiredKeys: ["kind"] },
  )
  .filter(({ namespaceSelector, podSelector }) => namespaceSelector !== undefined || podSelector !== undefined);

const protocol = fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const);

const port: fc.Arbitrary<KubePort> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      protocol,
      port: fc.constantFrom(80, 81, 443, "http", "http", "dns"),
      endPort: fc.constant(undefined),
    }),
  },
  fc.record({ protocol, port: fc.constant(80), endPort: fc.constantFrom(80, 82, 443) }),
  fc.record({ protocol, port: fc.constant(undefined), endPort: fc.constant(undefined) }),
);

/** So many single ports, every second one, that one multiport match cannot hold them. */
const manyPorts: fc.Arbitrary<KubePort[]> = fc
  .tuple(protocol, fc.integer({ min: 14, max: 35 }))
  .map(([proto, count]) =>
    Array.from({ length: count }, (_, index) => ({ protocol: proto, port: 443 - 2 * index, endPort: undefined })),
  );

const rule: fc.Arbitrary<KubeRule> = fc.record({
  peers: fc.array(fc.oneof(blockPeer, podsPeer), { maxLength: 2 }),
  ports: fc.oneof({ weight: 6, arbitrary: fc.array(port, { maxLength: 3 }) }, manyPorts),
});

const podPeer: fc.Arbitrary<ClusterPodPeer> = fc.record({
  kind: fc.constant("pods" as const),
  namespaceSelector: labelSelector,
  podSelector: seldom(labelSelector, 1),
});

const networkPeer: fc.Arbitrary<ClusterPeer> = fc
  .constantFrom(4 as const, 6 as const)
  .chain((version) => networksOf(version, { all: true }))
  .map((cidrs) => ({ kind: "networks", cidrs }));

const clusterPort: fc.Arbitrary<ClusterPort> = fc.oneof(
  fc.record({
    protocol: fc.constantFrom(6, 17, 132),
    range: fc.constantFrom(
      { first: 1, last: 65_535 },
      { first: 80, last: 80 },
      { first: 80, last: 82 },
      { first: 443, last: 443 },
    ),
  }),
  fc.record({ name: fc.constantFrom("http", "dns") }),
);

function clusterRule(direction: "ingress" | "egress"): fc.Arbitrary<ClusterRule> {
  const peer = direction === "ingress" ? podPeer : fc.oneof(podPeer, networkPeer);
  return fc
    .record({
      name: fc.constantFrom("", "the rule"),
      action: fc.constantFrom("Accept" as const, "Deny" as const, "Pass" as const),
      peers: fc.array(peer, { minLength: 1, maxLength: 2 }),
      ports: fc.array(clusterPort, { maxLength: 2 }),
    })
    .filter(({ peers, ports }) => !hasNetworks(peers) || !ports.some((port) => "name" in port));
}

/** They have no ports with names, and the API takes none together with them. */
function hasNetworks(peers: readonly ClusterPeer[]): boolean {
  return peers.some(({ kind }) => kind === "networks");
}
