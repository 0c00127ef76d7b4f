/** Random host endpoints, network sets and endpoints of Services. */
import fc from "fast-check";
import type { HostEndpoint } from "../../src/api/host-endpoint.ts";
import type { NodeName } from "../../src/api/names.ts";
import type { GlobalNetworkSet, NetworkSet } from "../../src/api/network-set.ts";
import type { EndpointSlice, HostInterface } from "../../src/api/objects.ts";
import { parseIp } from "../../src/net/ip.ts";
import { hostLabels, namespaceNames, networks, setLabels } from "./random-labels.ts";
import { namedPorts, nodes } from "./random-pods.ts";

/** Each node's own interfaces; what is `InternalIP` of it is on the first. */
export const hostInterfaces: ReadonlyMap<NodeName, readonly HostInterface[]> = new Map(
  nodes.map((node, index) => [
    node,
    [
      { name: "eth0", addresses: [parseIp(`172.16.0.${index + 1}`), parseIp(`fd01::${index + 1}`)] },
      { name: "eth1", addresses: [parseIp(`172.17.0.${index + 1}`), parseIp(`fd01:0:0:1::${index + 1}`)] },
    ],
  ]),
);

export const hostEndpoint: fc.Arbitrary<HostEndpoint> = fc
  .tuple(fc.constantFrom(...nodes), fc.constantFrom("eth0", "eth0", "eth1", "*", "*", ""))
  .chain(([node, interfaceName]) =>
    fc.record({
      name: fc.constantFrom("first", "second", "third", "fourth", "fifth"),
      labels: hostLabels,
      spec: fc.record({
        node: fc.constant(node),
        interfaceName: fc.constant(interfaceName),
        expectedIPs: fc.subarray(
          (hostInterfaces.get(node) ?? []).flatMap(({ addresses }) => addresses),
          { minLength: interfaceName === "" ? 1 : 0, maxLength: 2 },
        ),
        profiles: fc.subarray(["projectcalico-default-allow", "kns.ns-1", "kns.ns-unknown", "ksa.ns-1.sa-1"]),
        ports: namedPorts,
      }),
    }),
  )
  .map(({ name, labels: own, spec }) => ({ metadata: { name, labels: own, annotations: {} }, spec }));

export const networkSet: fc.Arbitrary<NetworkSet> = fc
  .record({ namespace: fc.constantFrom(...namespaceNames), labels: setLabels, nets: nets() })
  .map(({ namespace, labels: own, nets: list }) => ({
    metadata: { name: "set", namespace, labels: own, annotations: {} },
    spec: { nets: list },
  }));

export const globalNetworkSet: fc.Arbitrary<GlobalNetworkSet> = fc
  .record({ name: fc.constantFrom("set-1", "set-2"), labels: setLabels, nets: nets() })
  .map(({ name, labels: own, nets: list }) => ({
    metadata: { name, labels: own, annotations: {} },
    spec: { nets: list },
  }));

export const endpointSlice: fc.Arbitrary<EndpointSlice> = fc.record({
  namespace: fc.constantFrom(...namespaceNames),
  name: fc.constantFrom("slice-1", "slice-2"),
  service: fc.constantFrom("svc-1", "svc-1", "svc-2", undefined),
  addresses: fc.subarray(["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::3", "203.0.113.7", "172.16.0.1"].map(parseIp), {
    minLength: 1,
  }),
  endpoints: fc.constant([]),
  ports: fc.subarray([
    { protocol: 6, port: 80 },
    { protocol: 17, port: 80 },
    { protocol: 6, port: 443 },
    { protocol: 132, port: 81 },
  ]),
});

// --- internal ---

function nets() {
  return fc.uniqueArray(fc.constantFrom(...networks[4].slice(1), ...networks[6].slice(1)), { maxLength: 3 });
}
