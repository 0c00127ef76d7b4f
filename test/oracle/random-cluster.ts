/** Small random clusters, in which policies, labels and addresses meet often. */
import fc from "fast-check";
import { type NamespacedName, type NodeName, namespacedName } from "../../src/api/names.ts";
import { type Attachment, type AttachmentKey, attachmentKey, type Labels, type Pod } from "../../src/api/objects.ts";
import { emptySnapshot, type KindName, type Kinds, type Snapshot } from "../../src/api/snapshot.ts";
import { globalPolicy, networkPolicy, stagedGlobalPolicy, stagedPolicy, tier } from "./random-calico-policies.ts";
import { endpointSlice, globalNetworkSet, hostEndpoint, hostInterfaces, networkSet } from "./random-hosts.ts";
import { clusterPolicy, policy, stagedKubernetesPolicy } from "./random-kubernetes-policies.ts";
import { namespaceLabels, namespaceNames } from "./random-labels.ts";
import { attachmentOf, blockOf, type Facts, ghostOf, nodes, podFacts, podOf } from "./random-pods.ts";

/** The cluster, and what each node has wired. */
export interface Cluster {
  readonly snapshot: Snapshot;
  readonly attachments: ReadonlyMap<NodeName, Snapshot["attachment"]>;
  /** Of the packets to try. */
  readonly seed: number;
}

/** What the node sees: the cluster, its own attachments and its own interfaces. */
export function viewOf(cluster: Cluster, node: NodeName): Snapshot {
  const hostInterface = new Map((hostInterfaces.get(node) ?? []).map((one) => [one.name, one]));
  return { ...cluster.snapshot, attachment: cluster.attachments.get(node) ?? new Map(), hostInterface };
}

/** Two to six wired pods, each with one address of each family, held in a block of each; and whatever concerns them. */
export const cluster: fc.Arbitrary<Cluster> = fc
  .record({
    seed: fc.nat(),
    namespaces: fc.tuple(...namespaceNames.map(() => namespaceLabels)),
    accounts: fc.uniqueArray(
      fc.tuple(fc.constantFrom(...namespaceNames), fc.constantFrom("sa-1", "sa-2"), namespaceLabels),
      {
        selector: ([namespace, name]) => `${namespace}/${name}`,
        maxLength: 4,
      },
    ),
    pods: fc.array(podFacts, { minLength: 2, maxLength: 6 }),
    hostEndpoints: fc.oneof(fc.constant([]), {
      weight: 3,
      arbitrary: fc.array(hostEndpoint, { minLength: 2, maxLength: 5 }),
    }),
    networkSets: fc.array(networkSet, { maxLength: 2 }),
    globalNetworkSets: fc.array(globalNetworkSet, { maxLength: 2 }),
    endpointSlices: fc.array(endpointSlice, { maxLength: 4, size: "max" }),
    tiers: fc.array(tier, { maxLength: 2 }),
    policies: someOf(policy, 3),
    clusterPolicies: someOf(clusterPolicy, 2),
    networkPolicies: someOf(networkPolicy, 4),
    globalPolicies: someOf(globalPolicy, 5),
    stagedPolicies: someOf(stagedPolicy, 1),
    stagedGlobalPolicies: someOf(stagedGlobalPolicy, 1),
    stagedKubernetesPolicies: someOf(stagedKubernetesPolicy, 1),
  })
  .map(({ seed, pods, ...others }) => {
    const snapshot: Snapshot = { ...emptySnapshot(), ...podObjects(pods), ...otherObjects(others) };
    return { seed, snapshot, attachments: attachmentsOf(pods) };
  });

// --- internal ---

type Some<T> = readonly T[];
type Of<K extends KindName> = Some<Kinds[K]["value"]>;

/** Any number up to `max`. */
function someOf<T>(one: fc.Arbitrary<T>, max: number): fc.Arbitrary<T[]> {
  return fc.array(one, { maxLength: max, size: "max" });
}

function podObjects(pods: readonly Facts[]): Pick<Snapshot, "pod" | "ipamBlock"> {
  const known = new Map<NamespacedName, Pod>();
  for (const [index, facts] of pods.entries()) {
    const pod = podOf(index, facts);
    if (facts.state !== "unknown") known.set(keyOf(pod), pod);
    const ghost = ghostOf(pod, facts.state);
    if (ghost !== undefined) known.set(keyOf(ghost), ghost);
  }
  return { pod: known, ipamBlock: new Map(["10.0.0.0/29", "fd00::/125"].map((cidr) => [cidr, blockOf(cidr, pods)])) };
}

function attachmentsOf(pods: readonly Facts[]): Cluster["attachments"] {
  const attachments = new Map(nodes.map((node) => [node, new Map<AttachmentKey, Attachment>()]));
  for (const [index, facts] of pods.entries()) {
    const attachment = attachmentOf(index, podOf(index, facts));
    attachments.get(facts.node)?.set(attachmentKey(attachment), attachment);
  }
  return attachments;
}

interface Others {
  readonly namespaces: Some<Labels>;
  readonly accounts: Some<readonly [namespace: string, name: string, labels: Labels]>;
  readonly hostEndpoints: Of<"hostEndpoint">;
  readonly networkSets: Of<"networkSet">;
  readonly globalNetworkSets: Of<"globalNetworkSet">;
  readonly endpointSlices: Of<"endpointSlice">;
  readonly tiers: Of<"tier">;
  readonly policies: Of<"networkPolicy">;
  readonly clusterPolicies: Of<"clusterNetworkPolicy">;
  readonly networkPolicies: Of<"calicoNetworkPolicy">;
  readonly globalPolicies: Of<"globalNetworkPolicy">;
  readonly stagedPolicies: Of<"stagedNetworkPolicy">;
  readonly stagedGlobalPolicies: Of<"stagedGlobalNetworkPolicy">;
  readonly stagedKubernetesPolicies: Of<"stagedKubernetesNetworkPolicy">;
}

function otherObjects(others: Others): Partial<Snapshot> {
  return {
    namespace: new Map(
      others.namespaces.map((labels, index) => {
        const name = namespaceNames[index] ?? "";
        return [name, { name, labels, annotations: {} }];
      }),
    ),
    serviceAccount: new Map(
      others.accounts.map(([namespace, name, labels]) => [
        namespacedName(namespace, name),
        { namespace, name, labels },
      ]),
    ),
    node: new Map(
      nodes.map((name) => {
        const internalIps = hostInterfaces.get(name)?.[0]?.addresses ?? [];
        return [name, { name, labels: {}, annotations: {}, internalIps, podCidrs: [] }];
      }),
    ),
    hostEndpoint: byName(others.hostEndpoints),
    networkSet: byKey(others.networkSets),
    globalNetworkSet: byName(others.globalNetworkSets),
    endpointSlice: byKey(others.endpointSlices),
    tier: byName(others.tiers),
    networkPolicy: byKey(others.policies),
    clusterNetworkPolicy: byName(others.clusterPolicies),
    calicoNetworkPolicy: byKey(others.networkPolicies),
    globalNetworkPolicy: byName(others.globalPolicies),
    stagedNetworkPolicy: byKey(others.stagedPolicies),
    stagedGlobalNetworkPolicy: byName(others.stagedGlobalPolicies),
    stagedKubernetesNetworkPolicy: byKey(others.stagedKubernetesPolicies),
  };
}

interface Meta {
  readonly name: string;
  readonly namespace?: string | undefined;
}

type Named = Meta | { readonly metadata: Meta };

function metaOf(object: Named): Meta {
  return "metadata" in object ? object.metadata : object;
}

function keyOf(object: Named): NamespacedName {
  const { namespace = "", name } = metaOf(object);
  return namespacedName(namespace, name);
}

function byName<T extends Named>(objects: readonly T[]): ReadonlyMap<string, T> {
  return new Map(objects.map((one) => [metaOf(one).name, one]));
}

function byKey<T extends Named>(objects: readonly T[]): ReadonlyMap<NamespacedName, T> {
  return new Map(objects.map((one) => [keyOf(one), one]));
}
