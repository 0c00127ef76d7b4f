import { expect, test } from "vitest";
import { parseService } from "../../../../src/api/kubernetes/service.ts";

const metadata = { namespace: "shop", name: "web", annotations: { a: "b" } };

test("a service has its addresses of every sort, in canonical form", () => {
  const spec = {
    ...{ type: "LoadBalancer", clusterIP: "10.96.0.1", clusterIPs: ["10.96.0.1", "FD00::1"] },
    ...{ externalIPs: ["203.0.113.1"], loadBalancerIP: "203.0.113.7", ipFamilies: ["IPv4", "IPv6"] },
    ...{ externalTrafficPolicy: "Local", internalTrafficPolicy: "Local", healthCheckNodePort: 30001 },
    ports: [{ port: 80 }, { port: 53, protocol: "UDP", name: "dns", targetPort: "dns" }],
  };
  const status = { loadBalancer: { ingress: [{ ip: "203.0.113.8" }, { hostname: "lb.example.com" }] } };
  expect(parseService({ metadata, spec, status })).toEqual({
    ...{ namespace: "shop", name: "web", type: "LoadBalancer" },
    ...{ clusterIps: ["10.96.0.1", "fd00::1"], externalIps: ["203.0.113.1"], loadBalancerIps: ["203.0.113.8"] },
    ...{ requestedLoadBalancerIp: "203.0.113.7", ipFamilies: [4, 6], healthCheckNodePort: 30001 },
    ...{ externalTrafficPolicy: "Local", internalTrafficPolicy: "Local" },
    ports: [
      { protocol: 6, port: 80 },
      { protocol: 17, port: 53 },
    ],
  });
});

test.each([
  [{}, { type: "ClusterIP", clusterIps: [], externalTrafficPolicy: "Cluster", internalTrafficPolicy: "Cluster" }],
  [null, { externalIps: [], loadBalancerIps: [], requestedLoadBalancerIp: undefined, ipFamilies: [], ports: [] }],
  [
    { clusterIP: "None", clusterIPs: ["None"], ipFamilies: ["IPv6"] },
    { clusterIps: [], ipFamilies: [6] },
  ],
  [{ clusterIP: "10.96.0.9" }, { clusterIps: ["10.96.0.9"], ipFamilies: [4] }],
  [
    { healthCheckNodePort: 0, loadBalancerIP: "" },
    { healthCheckNodePort: undefined, requestedLoadBalancerIp: undefined },
  ],
])("%j", (spec, expected) => {
  expect(parseService({ metadata, spec, status: { loadBalancer: {} } })).toMatchObject(expected);
});

test("a policy that is not known is no Cluster: the service is refused", () => {
  expect(() => parseService({ metadata, spec: { externalTrafficPolicy: "Near" } })).toThrow(
    "Cannot read Service shop/web: spec.externalTrafficPolicy",
  );
});
