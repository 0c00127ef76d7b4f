/** Random objects that policies select, or that tell what they select: a few names, labels and addresses, so that they meet. */
import fc from "fast-check";
import type { HostEndpoint } from "../../src/api/host-endpoint.ts";
import type { NodeName } from "../../src/api/names.ts";
import type { GlobalNetworkSet, NetworkSet } from "../../src/api/network-set.ts";
import type {
  EndpointSlice,
  HostInterface,
  Labels,
  NamedPort,
  Namespace,
  Pod,
  ServiceAccount,
} from "../../src/api/objects.ts";
import type { Tier } from "../../src/api/tier.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { parseIp } from "../../src/net/ip.ts";
import {
  accountNames,
  labelValue,
  namespaceNames,
  portNames,
  protocol,
  serviceNames,
  tierNames,
} from "./random-policies.ts";

export const nodes = ["node-a", "node-b"] as [NodeName, NodeName];
export const podNames = ["pod-1", "pod-2"];
const interfaceNames = ["eth0", "eth1", "cali1"];

export const namespaceName = fc.constantFrom(...namespaceNames);
export const ip = fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1").map(parseIp);
const nodeIp = fc.constantFrom("172.16.0.1", "172.16.0.2", "10.0.0.1").map(parseIp);
const net = fc.constantFrom("10.0.0.0/30", "10.0.0.1/32", "fd00::/64", "203.0.113.0/24").map(parseCidr);
export const rarely = fc.oneof({ weight: 11, arbitrary: fc.constant(false) }, fc.constant(true));
export const uid = fc.oneof({ weight: 7, arbitrary: fc.constant("uid-1") }, fc.constant("uid-2"));

/** The rarer keys are ours to give: whoever has them of its own speaks for what it is not in. */
const labels: fc.Arbitrary<Labels> = fc
  .record(
    {
      app: labelValue,
      tier: labelValue,
      "pcns.app": labelValue,
      "pcsa.app": labelValue,
      "projectcalico.org/namespace": namespaceName,
      "projectcalico.org/orchestrator": fc.constant("k8s"),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  .map((all) => all as Labels);
const parentLabels: fc.Arbitrary<Labels> = fc
  .option(labelValue, { nil: undefined })
  .map((app): Labels => (app === undefined ? {} : { app }));

const namedPorts: fc.Arbitrary<NamedPort[]> = fc.array(
  fc.record({ name: fc.constantFrom(...portNames), protocol, port: fc.constantFrom(80, 8080) }),
  { maxLength: 2 },
);

const annotations = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  fc.record(
    {
      "cni.projectcalico.org/floatingIPs": fc.oneof(
        fc.constant("none"),
        fc.array(fc.oneof(ip, fc.constantFrom("192.0.2.9", "::1")), { maxLength: 3 }).map((ips) => JSON.stringify(ips)),
      ),
      "qos.projectcalico.org/dscp": fc.constantFrom("ef", "12", "CS7"),
      "cni.projectcalico.org/allowedSourcePrefixes": fc.constantFrom(
        "",
        "all",
        '["192.0.2.9/24", "2001:db8::/32", "::1"]',
      ),
    },
    { noNullPrototype: true },
  ),
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

export const pod: fc.Arbitrary<Pod> = fc.record({
  namespace: namespaceName,
  name: fc.constantFrom(...podNames),
  uid,
  labels,
  annotations,
  node: fc.oneof({ weight: 7, arbitrary: fc.constant(nodes[0]) }, fc.constantFrom(...nodes, undefined)),
  serviceAccount: fc.constantFrom(...accountNames, "x".repeat(64)),
  ips: fc.uniqueArray(ip, { maxLength: 2 }),
  annotatedIps: fc.uniqueArray(ip, { maxLength: 2 }),
  hostNetwork: rarely,
  namedPorts,
  finished: rarely,
});

export const namespace: fc.Arbitrary<Namespace> = fc.record({
  name: namespaceName,
  labels: parentLabels,
  annotations: fc.constant({}),
});

export const serviceAccount: fc.Arbitrary<ServiceAccount> = fc.record({
  namespace: namespaceName,
  name: fc.constantFrom(...accountNames),
  labels: parentLabels,
});

export const endpointSlice: fc.Arbitrary<EndpointSlice> = fc.record({
  namespace: namespaceName,
  name: fc.constantFrom("slice-1", "slice-2"),
  service: fc.constantFrom(...serviceNames, undefined),
  addresses: fc.uniqueArray(ip, { maxLength: 2 }),
  endpoints: fc.constant([]),
  ports: fc.array(fc.record({ protocol, port: fc.constantFrom(80, 8080) }), { maxLength: 2 }),
});

function metadata(name: fc.Arbitrary<string>, its: fc.Arbitrary<string | undefined> = fc.constant(undefined)) {
  return fc.record({ name, namespace: its, labels, annotations: fc.constant({}) });
}

const nets = fc.record({ nets: fc.array(net, { maxLength: 2 }) });

export const networkSet: fc.Arbitrary<NetworkSet> = fc.record({
  metadata: metadata(fc.constantFrom("set-1", "set-2"), namespaceName),
  spec: nets,
});

export const globalNetworkSet: fc.Arbitrary<GlobalNetworkSet> = fc.record({
  metadata: metadata(fc.constantFrom("set-1", "set-2")),
  spec: nets,
});

/** Built-in tiers are written otherwise than they are, which must make no difference. */
export const tier: fc.Arbitrary<Tier> = fc.record({
  metadata: metadata(fc.constantFrom(...tierNames.filter((name) => name !== "never-made"))),
  spec: fc.record({ order: fc.constantFrom(undefined, 1, 2_000), defaultAction: fc.constantFrom("Deny", "Pass") }),
});

export const hostEndpoint: fc.Arbitrary<HostEndpoint> = fc.record({
  metadata: metadata(fc.constantFrom("host-1", "host-2", "host-3")),
  spec: fc.record({
    node: fc.oneof({ weight: 4, arbitrary: fc.constant(nodes[0]) }, fc.constant(nodes[1])),
    interfaceName: fc.constantFrom("", "", "*", ...interfaceNames),
    expectedIPs: fc.uniqueArray(nodeIp, { maxLength: 2 }),
    profiles: fc.subarray(["kns.ns-1", "kns.ns-2", "projectcalico-default-allow", "ksa.ns-1.default"], {
      maxLength: 2,
    }),
    ports: namedPorts,
  }),
});

export const hostInterface: fc.Arbitrary<HostInterface> = fc.record({
  name: fc.constantFrom(...interfaceNames),
  addresses: fc.uniqueArray(nodeIp, { maxLength: 2 }),
});
