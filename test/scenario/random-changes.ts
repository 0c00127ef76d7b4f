/** Random changes over a few keys, so that objects often come, change, go, and meet. */
import fc from "fast-check";
import { parseBgpPeer } from "../../src/api/bgp-peer.ts";
import { parseIpPool } from "../../src/api/ip-pool.ts";
import { parseIpamBlock } from "../../src/api/ipam-block.ts";
import { type NamespacedName, type NodeName, namespacedName } from "../../src/api/names.ts";
import { type Attachment, attachmentKey, type Pod } from "../../src/api/objects.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { parseIp } from "../../src/net/ip.ts";
import { labels, namespaceLabels, namespaceNames, nodes, policy } from "../oracle/random-cluster.ts";

export const thisNode = nodes[0] as NodeName;

const podNames = ["pod-1", "pod-2"];
const ip = fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1").map(parseIp);
const rarely = fc.oneof({ weight: 11, arbitrary: fc.constant(false) }, fc.constant(true));
const uid = fc.oneof({ weight: 7, arbitrary: fc.constant("uid-1") }, fc.constant("uid-2"));

const annotations = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  fc.dictionary(
    fc.constantFrom(
      "kubernetes.io/ingress-bandwidth",
      "qos.projectcalico.org/ingressBandwidth",
      "qos.projectcalico.org/ingressPeakrate",
      "qos.projectcalico.org/egressBandwidth",
    ),
    fc.constantFrom("8M", "20M", "nonsense"),
    { noNullPrototype: true },
  ),
);

const pod: fc.Arbitrary<Pod> = fc.record({
  namespace: fc.constantFrom(...namespaceNames),
  name: fc.constantFrom(...podNames),
  uid,
  labels,
  annotations,
  node: fc.oneof({ weight: 7, arbitrary: fc.constant(thisNode) }, fc.constantFrom(...nodes, undefined)),
  serviceAccount: fc.constant("default"),
  ips: fc.uniqueArray(ip, { maxLength: 2 }),
  annotatedIps: fc.uniqueArray(ip, { maxLength: 2 }),
  hostNetwork: rarely,
  finished: rarely,
  ports: fc.constant([]),
});

const attachment: fc.Arbitrary<Attachment> = fc.record({
  containerId: fc.constantFrom("c1", "c2", "c3", "c4"),
  interfaceName: fc.constant("eth0"),
  hostInterface: fc.constantFrom("cali1", "cali2", "cali3"),
  netns: fc.constant("/run/netns/x"),
  pod: fc
    .tuple(fc.constantFrom(...namespaceNames), fc.constantFrom(...podNames))
    .map(([namespace, name]): NamespacedName => namespacedName(namespace, name)),
  podUid: fc.option(uid, { nil: undefined }),
  addresses: fc.uniqueArray(ip, { minLength: 1, maxLength: 2 }),
  mtu: fc.constant(1500),
  bandwidthPlugin: fc.constantFrom(undefined, undefined, "annotated", "always"),
});

const pool = fc.record({
  name: fc.constantFrom("pool-1", "pool-2"),
  cidr: fc.constantFrom("10.0.0.0/16", "10.1.0.0/16", "fd00::/64"),
  natOutgoing: fc.boolean(),
});

const releasedAt = "2026-01-01T00:00:00Z";

/** Two blocks that share addresses: the cluster has no such thing, but whatever is in it the plan must be the same. */
const block = fc
  .record({
    cidr: fc.constantFrom("10.0.0.0/30", "10.0.0.0/31", "10.0.0.2/31", "fd00::/126"),
    /** Indices of attributes; the last points nowhere. */
    allocations: fc.array(fc.option(fc.nat({ max: 6 }), { freq: 9 }), { minLength: 4, maxLength: 4 }),
    deleted: rarely,
    malformed: rarely,
  })
  .map(({ cidr, allocations, deleted, malformed }) => {
    const size = malformed ? 3 : cidr.endsWith("/31") ? 2 : 4;
    const owners = namespaceNames.flatMap((namespace) => podNames.map((pod) => ({ namespace, pod })));
    const attributes = [...owners.map((secondary) => ({ secondary })), {}, { secondary: owners[0], releasedAt }];
    return { cidr, deleted, allocations: allocations.slice(0, size), unallocated: [], attributes };
  });

const address = fc.constantFrom("172.16.0.1", "172.16.0.2", "fd01::1").map(parseIp);

/** One object comes, changes or goes. */
export const change: fc.Arbitrary<Change> = fc
  .tuple(
    fc.oneof(
      {
        weight: 4,
        arbitrary: pod.map((value) => ({ kind: "pod", key: namespacedName(value.namespace, value.name), value })),
      },
      {
        weight: 2,
        arbitrary: fc
          .tuple(fc.constantFrom(...namespaceNames), namespaceLabels)
          .map(([name, own]) => ({ kind: "namespace", key: name, value: { name, labels: own, annotations: {} } })),
      },
      {
        weight: 4,
        arbitrary: policy.map((value) => ({
          kind: "networkPolicy",
          key: namespacedName(value.namespace, value.name),
          value,
        })),
      },
      { weight: 4, arbitrary: attachment.map((value) => ({ kind: "attachment", key: attachmentKey(value), value })) },
      {
        weight: 4,
        arbitrary: fc.tuple(fc.constantFrom("block-1", "block-2"), block).map(([name, spec]) => ({
          kind: "ipamBlock",
          key: name,
          value: parseIpamBlock({ metadata: { name }, spec }),
        })),
      },
      fc.tuple(fc.constantFrom(...nodes), fc.uniqueArray(address, { maxLength: 2 })).map(([name, internalIps]) => ({
        kind: "node",
        key: name,
        value: { name, labels: {}, annotations: {}, internalIps, podCidrs: [] },
      })),
      fc
        .tuple(
          fc.constantFrom("peer-1", "peer-2"),
          fc.constantFrom("172.16.0.1", "172.16.0.9:1790", "[fd01::1]:179", ""),
        )
        .map(([name, peerIP]) => ({
          kind: "bgpPeer",
          key: name,
          value: parseBgpPeer({ metadata: { name }, spec: { peerIP, asNumber: 64513 } }),
        })),
      pool.map(({ name, ...spec }) => ({
        kind: "ipPool",
        key: name,
        value: parseIpPool({ metadata: { name }, spec }),
      })),
    ),
    fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false)),
  )
  .map(([written, stays]) => (stays ? written : { ...written, value: undefined }) as Change);

/** A cluster that has been at work for a while: so many changes that most objects are there. */
export const history: fc.Arbitrary<Change[]> = fc.array(change, { minLength: 30, maxLength: 60 });
