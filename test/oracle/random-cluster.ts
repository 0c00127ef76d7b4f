/** Small random clusters, in which policies, labels and addresses meet often. */
import fc from "fast-check";
import { type IpamBlock, parseIpamBlock } from "../../src/api/ipam-block.ts";
import { type NamespacedName, type NodeName, namespacedName } from "../../src/api/names.ts";
import {
  type Attachment,
  attachmentKey,
  type KubeNetworkPolicy,
  type KubePeer,
  type KubePort,
  type KubeRule,
  type LabelSelector,
  type Labels,
  type Namespace,
  type Pod,
} from "../../src/api/objects.ts";
import { emptySnapshot, type Rejected, type Snapshot } from "../../src/api/snapshot.ts";
import { cidrContains, parseCidr } from "../../src/net/cidr.ts";
import { type Ip, parseIp } from "../../src/net/ip.ts";

export const nodes = ["node-a", "node-b"] as NodeName[];
export const namespaceNames = ["ns-1", "ns-2"];

/** The cluster, and what each node has wired. */
export interface Cluster {
  readonly snapshot: Snapshot;
  readonly attachments: ReadonlyMap<NodeName, Snapshot["attachment"]>;
}

/** What the node sees: the cluster and its own attachments. */
export function viewOf(cluster: Cluster, node: NodeName): Snapshot {
  return { ...cluster.snapshot, attachment: cluster.attachments.get(node) ?? new Map() };
}

// The second key is what the first would be as an inherited label.
const labelKey = fc.constantFrom("app", "pcns.app");
const labelValue = fc.constantFrom("a", "b");

export const labels: fc.Arbitrary<Labels> = fc
  .tuple(fc.option(labelValue, { nil: undefined }), fc.option(labelValue, { nil: undefined, freq: 2 }))
  .map(([app, inherited]) => ({
    ...(app === undefined ? {} : { app }),
    ...(inherited === undefined ? {} : { "pcns.app": inherited }),
  }));

export const namespaceLabels: fc.Arbitrary<Labels> = fc
  .option(labelValue, { nil: undefined })
  .map((app): Labels => (app === undefined ? {} : { app }));

function selectorWith(key: fc.Arbitrary<string>): fc.Arbitrary<LabelSelector> {
  const requirement = fc.oneof(
    fc.record({
      key,
      operator: fc.constantFrom("In", "NotIn"),
      values: fc.uniqueArray(labelValue, { minLength: 1 }),
    }),
    fc.record({ key, operator: fc.constantFrom("Exists", "DoesNotExist"), values: fc.constant<string[]>([]) }),
  );
  return fc.record({
    matchLabels: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, fc.dictionary(key, labelValue, { maxKeys: 1 })),
    matchExpressions: fc.array(requirement, { maxLength: 1 }),
  });
}

/** A pod's own label with the inherited prefix may be selected, but only as what it is: see `compiled-policy`. */
const podSelector = selectorWith(labelKey);
const peerSelector = selectorWith(fc.constant("app"));

const blocks = [
  "0.0.0.0/0",
  "10.0.0.0/29",
  "10.0.0.0/30",
  "10.0.0.4/30",
  "10.0.0.2/32",
  "203.0.113.0/24",
  "203.0.113.7/32",
]
  .concat(["::/0", "fd00::/125", "fd00::/126", "fd00::2/128", "2001:db8::/32", "2001:db8::7/128"])
  .map(parseCidr);

const blockPeer: fc.Arbitrary<KubePeer> = fc.constantFrom(...blocks).chain((cidr) => {
  const inside = blocks.filter((net) => net !== cidr && cidrContains(cidr, net));
  return fc
    .subarray(inside, { maxLength: Math.min(3, inside.length) })
    .map((except) => ({ kind: "block", cidr, except }));
});

const podsPeer: fc.Arbitrary<KubePeer> = fc.record(
  { kind: fc.constant("pods" as const), namespaceSelector: peerSelector, podSelector: peerSelector },
  { requiredKeys: ["kind"] },
);

const protocol = fc.constantFrom("TCP", "UDP", "SCTP");

const port: fc.Arbitrary<KubePort> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ protocol, port: fc.constantFrom(80, 81, 443), endPort: fc.constant(undefined) }),
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

export const policy: fc.Arbitrary<KubeNetworkPolicy | Rejected> = fc
  .tuple(fc.constantFrom(...namespaceNames), fc.constantFrom("p1", "p2", "p-with-a-name-too-long-for-a-chain"))
  .chain(([namespace, name]) =>
    fc.oneof(
      {
        weight: 12,
        arbitrary: fc.record<KubeNetworkPolicy>({
          namespace: fc.constant(namespace),
          name: fc.constant(name),
          podSelector: fc.oneof(fc.constant({ matchLabels: {}, matchExpressions: [] }), podSelector),
          types: fc.subarray(["Ingress", "Egress"] as const, { minLength: 1 }),
          ingress: fc.array(rule, { maxLength: 2 }),
          egress: fc.array(rule, { maxLength: 2 }),
        }),
      },
      fc.record<Rejected>({
        rejected: fc.constant("it cannot be read"),
        namespace: fc.constant(namespace),
        name: fc.constant(name),
      }),
    ),
  );

const namespaces: fc.Arbitrary<Namespace[]> = fc
  .tuple(...namespaceNames.map(() => namespaceLabels))
  .map((all) => all.map((one, index) => ({ name: namespaceNames[index] ?? "", labels: one, annotations: {} })));

const podFacts = fc.record({
  namespace: fc.constantFrom(...namespaceNames),
  labels,
  node: fc.constantFrom(...nodes),
  state: fc.constantFrom<PodState>("running", "running", "running", "unknown", "replaced", "outlived", "foretold"),
});

/**
 * `unknown`: wired, but its Pod is not there. The others run, beside a Pod object whose labels must count for nothing:
 * `replaced` has the address of a finished pod, `outlived` that of one that is not finished but has given it back, and
 * `foretold` stands beside one that names addresses as its own before a node has it.
 */
type PodState = "running" | "unknown" | "replaced" | "outlived" | "foretold";

/** Two to six wired pods, each with one address of each family, held in a block of each. */
export const cluster: fc.Arbitrary<Cluster> = fc
  .record({
    namespaces,
    pods: fc.array(podFacts, { minLength: 2, maxLength: 6 }),
    policies: fc.array(policy, { maxLength: 5 }),
  })
  .map(({ namespaces, pods, policies }) => {
    const attachments = new Map(nodes.map((node) => [node, new Map() as Map<string, Attachment>]));
    const known = new Map<NamespacedName, Pod>();
    for (const [index, facts] of pods.entries()) {
      const pod = podOf(index, facts);
      const key = namespacedName(pod.namespace, pod.name);
      const attachment = attachmentOf(index, pod);
      attachments.get(facts.node)?.set(attachmentKey(attachment), attachment);
      if (facts.state !== "unknown") known.set(key, pod);
      const ghost = ghostOf(pod, facts.state);
      if (ghost !== undefined) known.set(namespacedName(ghost.namespace, ghost.name), ghost);
    }
    const snapshot: Snapshot = {
      ...emptySnapshot(),
      pod: known,
      namespace: new Map(namespaces.map((namespace) => [namespace.name, namespace])),
      networkPolicy: new Map(policies.map((one) => [namespacedName(one.namespace, one.name), one])),
      ipamBlock: new Map(["10.0.0.0/29", "fd00::/125"].map((cidr) => [cidr, blockOf(cidr, pods)])),
    };
    return { snapshot, attachments: attachments as unknown as Cluster["attachments"] };
  });

function podOf(index: number, facts: { namespace: string; labels: Labels; node: NodeName }): Pod {
  return {
    namespace: facts.namespace,
    name: `pod-${index}`,
    uid: `uid-${index}`,
    labels: facts.labels,
    annotations: {},
    node: facts.node,
    serviceAccount: "default",
    ips: addressesOf(index),
    annotatedIps: [],
    hostNetwork: false,
    finished: false,
  };
}

function ghostOf(pod: Pod, state: PodState): Pod | undefined {
  const app = pod.labels["app"] === "a" ? "b" : "a";
  const ghost = { ...pod, name: `${pod.name}-ghost`, labels: { app } };
  if (state === "replaced") return { ...ghost, finished: true };
  if (state === "outlived") return ghost;
  if (state === "foretold") return { ...ghost, node: undefined, ips: outsideAddresses };
  return undefined;
}

/** Says of each address which wired pod has it. */
function blockOf(cidr: string, pods: readonly { readonly namespace: string }[]): IpamBlock {
  const attributes = pods.map(({ namespace }, index) => ({ secondary: { namespace, pod: `pod-${index}` } }));
  const allocations = Array.from({ length: 8 }, (_, ordinal) => (attributes[ordinal - 1] ? ordinal - 1 : null));
  return parseIpamBlock({ metadata: { name: cidr }, spec: { cidr, attributes, allocations, unallocated: [] } });
}

function attachmentOf(index: number, pod: Pod): Attachment {
  return {
    containerId: `container-${index}`,
    interfaceName: "eth0",
    hostInterface: `cali${"0123ab"[index % 3]}${index}`,
    netns: `/run/netns/${index}`,
    pod: namespacedName(pod.namespace, pod.name),
    podUid: pod.uid,
    addresses: pod.ips,
    mtu: 1500,
  };
}

function addressesOf(index: number): readonly Ip[] {
  return [parseIp(`10.0.0.${index + 1}`), parseIp(`fd00::${index + 1}`)];
}

/** Addresses outside the cluster, in and beside the blocks. */
export const outsideAddresses: readonly Ip[] = [
  "203.0.113.7",
  "203.0.113.8",
  "198.51.100.1",
  "2001:db8::7",
  "2001:db8::8",
].map(parseIp);

/** Each node's own addresses. */
export const nodeAddresses: ReadonlyMap<NodeName, readonly Ip[]> = new Map(
  nodes.map((node, index) => [node, [parseIp(`172.16.0.${index + 1}`), parseIp(`fd01::${index + 1}`)]]),
);
