/** Specs of network sets, host endpoints and ClusterNetworkPolicies, for specs.ts. */
import type { BadSpec, GoodSpec } from "./specs.ts";

const net = "it must be a network such as 10.0.0.0/8 or 2001:db8::/32, or an address";
const either = "at least one of interfaceName or expectedIPs must be specified";
const interfaceForm = "it must be * or the name of an interface";
const everyone = { namespaces: {} };
const accept = { action: "Accept", from: [everyone] };
const out = { action: "Deny", to: [{ networks: ["10.0.0.0/8"] }] };
const tcp = (destinationPort: unknown) => ({ ...accept, protocols: [{ tcp: { destinationPort } }] });

export const badEndpointSpecs: readonly BadSpec[] = [
  ...["NetworkSet", "GlobalNetworkSet"].flatMap((kind) => [
    { kind, spec: { nets: ["10.0.0.0/8", "10.0.0.0/33"] }, path: "spec.nets[1]", sentence: net },
    { kind, spec: { nets: ["example.org"] }, path: "spec.nets[0]", sentence: net },
    { kind, spec: { nets: "10.0.0.0/8" }, path: "spec.nets", sentence: "" },
  ]),
  hostEndpoint({ interfaceName: "eth0", node: "" }, "spec.node", ""),
  hostEndpoint({}, "spec", either),
  hostEndpoint({ interfaceName: "", expectedIPs: [] }, "spec", either),
  hostEndpoint({ interfaceName: "a-name-of-16-char" }, "spec.interfaceName", interfaceForm),
  hostEndpoint({ interfaceName: "eth*" }, "spec.interfaceName", interfaceForm),
  hostEndpoint({ interfaceName: 'a" -j ACCEPT' }, "spec.interfaceName", interfaceForm),
  hostEndpoint({ expectedIPs: ["10.0.0.0/8"] }, "spec.expectedIPs[0]", "it must be an IPv4 or IPv6 address"),
  hostPort({ protocol: "ICMP" }, "protocol", ""),
  hostPort({ protocol: 1 }, "protocol", ""),
  hostPort({ port: 0 }, "port", ""),
  hostPort({ port: 65536 }, "port", ""),
  hostPort({ name: "80" }, "name", "it must be the name of a port"),
  hostPort({ name: "a-name-of-16-car" }, "name", "it must be the name of a port"),
  hostPort({ name: "Web" }, "name", "it must be the name of a port"),
  cluster({ tier: "Middle" }, "spec.tier", ""),
  cluster({ priority: 1001 }, "spec.priority", ""),
  cluster({ priority: -1 }, "spec.priority", ""),
  cluster({ subject: {} }, "spec.subject", ""),
  cluster({ subject: { namespaces: {}, pods: { podSelector: {} } } }, "spec.subject", ""),
  cluster({ subject: { pods: { namespaceSelector: {} } } }, "spec.subject.pods.podSelector", ""),
  cluster({ ingress: Array.from({ length: 26 }, () => accept) }, "spec.ingress", ""),
  cluster({ ingress: [accept, { ...accept, action: "Allow" }] }, "spec.ingress[1].action", ""),
  cluster({ ingress: [{ ...accept, name: "x".repeat(101) }] }, "spec.ingress[0].name", ""),
  cluster({ ingress: [{ action: "Deny" }] }, "spec.ingress[0].from", ""),
  cluster({ ingress: [{ action: "Deny", from: [] }] }, "spec.ingress[0].from", ""),
  cluster({ ingress: [{ action: "Deny", from: [{}] }] }, "spec.ingress[0].from[0]", ""),
  cluster(
    { ingress: [{ action: "Deny", from: Array.from({ length: 26 }, () => everyone) }] },
    "spec.ingress[0].from",
    "",
  ),
  cluster({ ingress: [{ ...accept, protocols: [] }] }, "spec.ingress[0].protocols", ""),
  cluster({ ingress: [{ ...accept, protocols: [{ tcp: {} }] }] }, "spec.ingress[0].protocols[0].tcp", ""),
  cluster({ ingress: [tcp({})] }, "spec.ingress[0].protocols[0].tcp.destinationPort", ""),
  cluster({ ingress: [tcp({ number: 0 })] }, "spec.ingress[0].protocols[0].tcp.destinationPort.number", ""),
  cluster(
    { ingress: [tcp({ number: 1, range: { start: 1, end: 2 } })] },
    "spec.ingress[0].protocols[0].tcp.destinationPort",
    "",
  ),
  cluster(
    { ingress: [tcp({ range: { start: 5, end: 5 } })] },
    "spec.ingress[0].protocols[0].tcp.destinationPort.range",
    "Start port must be less than End port",
  ),
  cluster({ egress: [{ ...out, to: [{ networks: [] }] }] }, "spec.egress[0].to[0].networks", ""),
  cluster({ egress: [{ ...out, to: [{ networks: ["10.0.0.1"] }] }] }, "spec.egress[0].to[0].networks[0]", "a network"),
  cluster({ egress: [{ ...out, to: [{ networks: ["10.0.0.0/8"], ...everyone }] }] }, "spec.egress[0].to[0]", ""),
  cluster(
    { egress: [{ ...out, protocols: [{ destinationNamedPort: "http" }] }] },
    "spec.egress[0]",
    "there are no named ports for networks",
  ),
];

export const goodEndpointSpecs: readonly GoodSpec[] = [
  ...["NetworkSet", "GlobalNetworkSet"].flatMap((kind) => [
    { kind, spec: {} },
    { kind, spec: { nets: ["10.0.0.7/24", "10.0.0.1", "2001:DB8::/64", "2001:db8::1"] } },
  ]),
  host({ interfaceName: "*" }),
  host({ interfaceName: "enp3s0f1.100_-b" }),
  host({ interfaceName: "", expectedIPs: ["10.0.0.1", "2001:DB8::1"] }),
  host({ interfaceName: "eth0", profiles: ["kns.default"], ports: [{ name: "web", protocol: 17, port: 65535 }] }),
  host({ interfaceName: "eth0", ports: [{ name: "a-name-15-chars", protocol: "SCTP", port: 1 }] }),
  clusterPolicy({ priority: 0 }),
  clusterPolicy({ tier: "Baseline", priority: 1000, ingress: [], egress: [] }),
  clusterPolicy({
    subject: { pods: { podSelector: { matchLabels: { app: "web" } } } },
    ingress: Array.from({ length: 25 }, () => ({ ...accept, name: "x".repeat(100) })),
    egress: [
      out,
      { action: "Pass", to: [everyone, { pods: { namespaceSelector: {}, podSelector: {} } }] },
      { ...out, protocols: [{ sctp: { destinationPort: { range: { start: 1, end: 65535 } } } }] },
      {
        action: "Deny",
        to: [everyone],
        protocols: [{ destinationNamedPort: "http" }, { udp: { destinationPort: { number: 53 } } }],
      },
      { action: "Accept", to: [{ networks: ["2001:DB8::1/32", "0.0.0.0/0"] }] },
    ],
  }),
];

// --- internal ---

function hostEndpoint(spec: object, path: string, sentence: string): BadSpec {
  return { ...host(spec), path, sentence };
}

function hostPort(port: object, field: string, sentence: string): BadSpec {
  const ports = [{ name: "web", protocol: "TCP", port: 80, ...port }];
  return hostEndpoint({ interfaceName: "eth0", ports }, `spec.ports[0].${field}`, sentence);
}

function host(spec: object): GoodSpec {
  return { kind: "HostEndpoint", spec: { node: "node-1", ...spec } };
}

function cluster(spec: object, path: string, sentence: string): BadSpec {
  return { ...clusterPolicy(spec), path, sentence };
}

function clusterPolicy(spec: object): GoodSpec {
  return { kind: "ClusterNetworkPolicy", spec: { tier: "Admin", priority: 10, subject: everyone, ...spec } };
}
