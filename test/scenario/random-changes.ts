/** Random changes over a few keys, so that objects often come, change, go, and meet. */
import fc from "fast-check";
import { parseBgpPeer } from "../../src/api/bgp-peer.ts";
import { parseIpPool } from "../../src/api/ip-pool.ts";
import { parseIpamBlock } from "../../src/api/ipam-block.ts";
import { type NamespacedName, namespacedName } from "../../src/api/names.ts";
import { type Attachment, attachmentKey } from "../../src/api/objects.ts";
import type { Change, KindName } from "../../src/api/snapshot.ts";
import { parseIp } from "../../src/net/ip.ts";
import * as objects from "./random-objects.ts";
import { ip, namespaceName, nodes, podNames, rarely, uid } from "./random-objects.ts";
import * as policies from "./random-policies.ts";
import { namespaceNames } from "./random-policies.ts";

export const [thisNode] = nodes;

const attachment: fc.Arbitrary<Attachment> = fc.record({
  containerId: fc.constantFrom("c1", "c2", "c3", "c4"),
  interfaceName: fc.constant("eth0"),
  hostInterface: fc.constantFrom("cali1", "cali2", "cali3"),
  netns: fc.constant("/run/netns/x"),
  pod: fc
    .tuple(namespaceName, fc.constantFrom(...podNames))
    .map(([namespace, name]): NamespacedName => namespacedName(namespace, name)),
  podUid: fc.option(uid, { nil: undefined }),
  addresses: fc.uniqueArray(ip, { minLength: 1, maxLength: 2 }),
  mtu: fc.constant(1500),
  bandwidthPlugin: fc.constantFrom(undefined, undefined, "annotated", "always"),
});

const pool = fc
  .record({
    name: fc.constantFrom("pool-1", "pool-2"),
    cidr: fc.constantFrom("10.0.0.0/16", "10.1.0.0/16", "fd00::/64"),
    natOutgoing: fc.boolean(),
  })
  .map(({ name, ...spec }) => parseIpPool({ metadata: { name }, spec }));

const releasedAt = "2026-01-01T00:00:00Z";

/** Two blocks that share addresses: the cluster has no such thing, but whatever is in it the plan must be the same. */
const block = fc
  .record({
    cidr: fc.constantFrom("10.0.0.0/30", "10.0.0.0/31", "10.0.0.2/31", "fd00::/126"),
    /** Indices of attributes; the last points nowhere. */
    allocations: fc.array(fc.option(fc.nat({ max: 6 }), { freq: 9 }), { minLength: 4, maxLength: 4 }),
    deleted: rarely,
    malformed: rarely,
    name: fc.constantFrom("block-1", "block-2"),
  })
  .map(({ name, cidr, allocations, deleted, malformed }) => {
    const size = malformed ? 3 : cidr.endsWith("/31") ? 2 : 4;
    const owners = namespaceNames.flatMap((namespace) => podNames.map((pod) => ({ namespace, pod })));
    const attributes = [...owners.map((secondary) => ({ secondary })), {}, { secondary: owners[0], releasedAt }];
    const spec = { cidr, deleted, allocations: allocations.slice(0, size), unallocated: [], attributes };
    return parseIpamBlock({ metadata: { name }, spec });
  });

const address = fc.constantFrom("172.16.0.1", "172.16.0.2", "fd01::1").map(parseIp);

const node = fc
  .record({ name: fc.constantFrom(...nodes), internalIps: fc.uniqueArray(address, { maxLength: 2 }) })
  .map((facts) => ({ labels: {}, annotations: {}, podCidrs: [], ...facts }));

const peer = fc
  .tuple(fc.constantFrom("peer-1", "peer-2"), fc.constantFrom("172.16.0.1", "172.16.0.9:1790", "[fd01::1]:179", ""))
  .map(([name, peerIP]) => parseBgpPeer({ metadata: { name }, spec: { peerIP, asNumber: 64513 } }));

/** What is written of one kind, so many times as often as of another. */
interface Writing {
  readonly kind: KindName;
  readonly weight: number;
  readonly written: fc.Arbitrary<{ readonly key: string; readonly value: object }>;
}

function keyed<T extends object>(value: fc.Arbitrary<T>, key: (value: T) => string): Writing["written"] {
  return value.map((one) => ({ key: key(one), value: one }));
}

/** Objects with their name in their metadata, or beside the reason why they cannot be read. */
function named(value: fc.Arbitrary<object>): Writing["written"] {
  return keyed(value, (one) => {
    const { namespace, name } = ("metadata" in one ? one.metadata : one) as { namespace?: string; name: string };
    return namespace ? namespacedName(namespace, name) : name;
  });
}

const writings: readonly Writing[] = [
  { kind: "pod", weight: 6, written: named(objects.pod) },
  { kind: "namespace", weight: 4, written: named(objects.namespace) },
  { kind: "serviceAccount", weight: 2, written: named(objects.serviceAccount) },
  { kind: "endpointSlice", weight: 2, written: named(objects.endpointSlice) },
  { kind: "networkSet", weight: 2, written: named(objects.networkSet) },
  { kind: "globalNetworkSet", weight: 2, written: named(objects.globalNetworkSet) },
  { kind: "hostEndpoint", weight: 4, written: named(objects.hostEndpoint) },
  { kind: "hostInterface", weight: 2, written: named(objects.hostInterface) },
  { kind: "tier", weight: 3, written: named(objects.tier) },
  { kind: "networkPolicy", weight: 3, written: named(policies.kubePolicy) },
  { kind: "clusterNetworkPolicy", weight: 2, written: named(policies.clusterPolicy) },
  { kind: "calicoNetworkPolicy", weight: 4, written: named(policies.calicoPolicy) },
  { kind: "globalNetworkPolicy", weight: 6, written: named(policies.globalPolicy) },
  { kind: "stagedNetworkPolicy", weight: 2, written: named(policies.stagedPolicy) },
  { kind: "stagedGlobalNetworkPolicy", weight: 3, written: named(policies.stagedGlobalPolicy) },
  { kind: "stagedKubernetesNetworkPolicy", weight: 2, written: named(policies.stagedKubePolicy) },
  { kind: "attachment", weight: 6, written: keyed(attachment, attachmentKey) },
  { kind: "ipamBlock", weight: 4, written: named(block) },
  { kind: "node", weight: 1, written: named(node) },
  { kind: "bgpPeer", weight: 1, written: named(peer) },
  { kind: "ipPool", weight: 1, written: named(pool) },
];

/** One object comes, changes or goes. */
export const change: fc.Arbitrary<Change> = fc
  .tuple(
    fc.oneof(
      ...writings.map(({ kind, weight, written }) => ({ weight, arbitrary: written.map((one) => ({ kind, ...one })) })),
    ),
    fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false)),
  )
  .map(([written, stays]) => (stays ? written : { ...written, value: undefined }) as Change);

/** Without these there is little to plan. */
const beginning = fc
  .tuple(
    ...namespaceNames.map((name) =>
      objects.namespace.map((value) => ({ kind: "namespace", key: name, value: { ...value, name } })),
    ),
    ...[objects.hostEndpoint, objects.hostEndpoint].map((one) =>
      named(one).map((written) => ({ kind: "hostEndpoint", ...written })),
    ),
    ...[objects.pod, objects.pod, objects.pod].map((one) => named(one).map((written) => ({ kind: "pod", ...written }))),
  )
  .map((all) => all as Change[]);

/** A cluster that has been at work for a while: so many changes that most objects are there. */
export const history: fc.Arbitrary<Change[]> = fc
  .tuple(beginning, fc.array(change, { minLength: 60, maxLength: 120 }))
  .map(([first, rest]) => [...first, ...rest]);
