/** Random pods, and the objects beside them whose labels must count for nothing. */
import fc from "fast-check";
import { type IpamBlock, parseIpamBlock } from "../../src/api/ipam-block.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import type { Attachment, Labels, NamedPort, Pod } from "../../src/api/objects.ts";
import { type Ip, parseIp } from "../../src/net/ip.ts";
import { labels, namespaceNames } from "./random-labels.ts";

export const nodes = ["node-a", "node-b"] as NodeName[];

/** What is random of a pod. */
export interface Facts {
  readonly namespace: string;
  readonly labels: Labels;
  readonly node: NodeName;
  readonly serviceAccount: string;
  readonly namedPorts: readonly NamedPort[];
  readonly state: PodState;
}

/** The same name stands for different ports, and in different protocols. */
export const namedPorts: fc.Arbitrary<NamedPort[]> = fc.subarray([
  { name: "http", protocol: 6, port: 80 },
  { name: "http", protocol: 6, port: 8080 },
  { name: "http", protocol: 17, port: 80 },
  { name: "dns", protocol: 17, port: 53 },
  { name: "dns", protocol: 132, port: 81 },
]);

export const podFacts: fc.Arbitrary<Facts> = fc.record({
  // One is known to nobody.
  namespace: fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...namespaceNames) }, fc.constant("ns-unknown")),
  labels,
  node: fc.constantFrom(...nodes),
  serviceAccount: fc.constantFrom("default", "sa-1", "sa-2", `sa-${"long".repeat(20)}`),
  namedPorts,
  state: fc.constantFrom<PodState>(...Array(11).fill("running"), "unknown", "replaced", "outlived", "foretold"),
});

/** The pod of that place among all. */
export function podOf(index: number, { state: _, ...facts }: Facts): Pod {
  return {
    ...facts,
    name: `pod-${index}`,
    uid: `uid-${index}`,
    annotations: {},
    ips: addressesOf(index),
    annotatedIps: [],
    hostNetwork: false,
    finished: false,
  };
}

/** The pod that stands beside it, if one does. */
export function ghostOf(pod: Pod, state: PodState): Pod | undefined {
  const app = pod.labels["app"] === "a" ? "b" : "a";
  const ghost = { ...pod, name: `${pod.name}-ghost`, labels: { app } };
  if (state === "replaced") return { ...ghost, finished: true };
  if (state === "outlived") return ghost;
  if (state === "foretold") return { ...ghost, node: undefined, ips: outsideAddresses };
  return undefined;
}

/** Says of each address which wired pod has it. */
export function blockOf(cidr: string, pods: readonly { readonly namespace: string }[]): IpamBlock {
  const attributes = pods.map(({ namespace }, index) => ({ secondary: { namespace, pod: `pod-${index}` } }));
  const allocations = Array.from({ length: 8 }, (_, ordinal) => (attributes[ordinal - 1] ? ordinal - 1 : null));
  return parseIpamBlock({ metadata: { name: cidr }, spec: { cidr, attributes, allocations, unallocated: [] } });
}

/** What its node has wired for it. */
export function attachmentOf(index: number, pod: Pod): Attachment {
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

/** Addresses outside the cluster, in and beside the networks of policies. */
export const outsideAddresses: readonly Ip[] = [
  "203.0.113.7",
  "203.0.113.8",
  "198.51.100.1",
  "2001:db8::7",
  "2001:db8::8",
].map(parseIp);

// --- internal ---

/**
 * `unknown`: wired, but its Pod is not there. The others run, beside a Pod object whose labels must count for nothing:
 * `replaced` has the address of a finished pod, `outlived` that of one that is not finished but has given it back, and
 * `foretold` stands beside one that names addresses as its own before a node has it.
 */
type PodState = "running" | "unknown" | "replaced" | "outlived" | "foretold";

function addressesOf(index: number): readonly Ip[] {
  return [parseIp(`10.0.0.${index + 1}`), parseIp(`fd00::${index + 1}`)];
}
