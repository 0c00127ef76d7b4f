/** One valid object of each kind that is broken, with most of the fields that its schema has. */
import type { FedKind } from "../../../src/kube/fed-kinds.ts";

/** The kinds that are broken, by their names in a snapshot. */
export type BrokenKind = Extract<
  FedKind,
  | "networkPolicy"
  | "clusterNetworkPolicy"
  | "calicoNetworkPolicy"
  | "globalNetworkPolicy"
  | "stagedNetworkPolicy"
  | "stagedGlobalNetworkPolicy"
  | "stagedKubernetesNetworkPolicy"
  | "tier"
  | "networkSet"
  | "globalNetworkSet"
  | "hostEndpoint"
>;

/** An object as the API server gives it. */
export interface Sample {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

const outside = ["203.0.113.0/24", "198.51.100.7"];
const web = { matchLabels: { app: "web" } };
const sales = { matchLabels: { team: "sales" } };

const ingress = [
  {
    action: "Allow",
    protocol: "TCP",
    source: {
      selector: "app == 'db'",
      notSelector: "has(old)",
      namespaceSelector: "team == 'sales'",
      ports: ["1024:65535", "client"],
      serviceAccounts: { names: ["default"], selector: "team == 'sales'" },
    },
    destination: { ports: [80, "8000:8099", "http"], notPorts: ["8080"] },
  },
  { action: "Allow", ipVersion: 4, protocol: "ICMP", icmp: { type: 8, code: 0 }, notICMP: { type: 13 } },
  {
    action: "Deny",
    ipVersion: 4,
    protocol: 17,
    source: { nets: outside, notNets: ["203.0.113.128/25"] },
    metadata: { annotations: { why: "nobody needs it" } },
  },
  { action: "Allow", source: { services: { name: "db", namespace: "shop" } } },
  {
    action: "Allow",
    protocol: "TCP",
    http: { methods: ["GET"], paths: [{ exact: "/healthz" }, { prefix: "/api/" }] },
  },
];

const egress = [
  { action: "Log", notProtocol: "UDP", destination: { nets: ["2001:db8::/32"] } },
  { action: "Allow", destination: { services: { name: "db", namespace: "shop" } } },
  { action: "Deny", protocol: "UDP", destination: { ports: [53], notNets: outside } },
  { action: "Allow", protocol: "TCP", destination: { selector: "app == 'db'", ports: [5432] } },
];

const policySpec = {
  tier: "platform",
  order: 50,
  selector: "app == 'web'",
  serviceAccountSelector: "team == 'sales'",
  types: ["Ingress", "Egress"],
  performanceHints: ["AssumeNeededOnEveryNode"],
  ingress,
  egress,
};

const kubeSpec = {
  podSelector: { ...web, matchExpressions: [{ key: "app", operator: "In", values: ["web", "cache"] }] },
  policyTypes: ["Ingress", "Egress"],
  ingress: [
    {
      from: [
        { podSelector: { matchLabels: { app: "db" } }, namespaceSelector: sales },
        { ipBlock: { cidr: "203.0.113.0/24", except: ["203.0.113.128/25"] } },
      ],
      ports: [
        { protocol: "TCP", port: 80 },
        { protocol: "TCP", port: 8000, endPort: 8099 },
        { protocol: "UDP", port: "dns" },
      ],
    },
  ],
  egress: [{ to: [{ podSelector: { matchLabels: { app: "db" } } }], ports: [{ protocol: "TCP", port: 5432 }] }],
};

const clusterSpec = {
  tier: "Admin",
  priority: 10,
  subject: { pods: { namespaceSelector: sales, podSelector: web } },
  ingress: [
    {
      name: "web",
      action: "Accept",
      from: [{ namespaces: { matchExpressions: [{ key: "team", operator: "Exists" }] } }],
      protocols: [{ tcp: { destinationPort: { number: 80 } } }],
    },
    {
      name: "no-media",
      action: "Deny",
      from: [{ pods: { namespaceSelector: sales, podSelector: { matchLabels: { app: "db" } } } }],
      protocols: [{ udp: { destinationPort: { range: { start: 5000, end: 6000 } } } }, { destinationNamedPort: "rtp" }],
    },
  ],
  egress: [
    {
      name: "web",
      action: "Accept",
      to: [{ networks: ["203.0.113.0/24", "2001:db8:9::/64"] }],
      protocols: [{ tcp: { destinationPort: { number: 80 } } }],
    },
    { name: "nowhere-else", action: "Deny", to: [{ networks: ["203.0.113.0/24"] }] },
    { action: "Pass", to: [{ namespaces: sales }] },
  ],
};

const calico = (kind: string, spec: Sample["spec"], namespace?: string): Sample => ({
  apiVersion: "projectcalico.org/v3",
  kind,
  metadata: metadata(namespace),
  spec,
});

const global = { namespaceSelector: "team == 'sales'", applyOnForward: true, doNotTrack: false, preDNAT: false };

/** Each valid, so that what is wrong afterwards is the one thing that was broken. */
export const samples: Readonly<Record<BrokenKind, Sample>> = {
  networkPolicy: {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadata("shop"),
    spec: kubeSpec,
  },
  clusterNetworkPolicy: {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: metadata(),
    spec: clusterSpec,
  },
  calicoNetworkPolicy: calico("NetworkPolicy", policySpec, "shop"),
  globalNetworkPolicy: calico("GlobalNetworkPolicy", { ...policySpec, ...global }),
  stagedNetworkPolicy: calico("StagedNetworkPolicy", { stagedAction: "Set", ...policySpec }, "shop"),
  stagedGlobalNetworkPolicy: calico("StagedGlobalNetworkPolicy", { stagedAction: "Set", ...policySpec, ...global }),
  stagedKubernetesNetworkPolicy: calico("StagedKubernetesNetworkPolicy", { stagedAction: "Set", ...kubeSpec }, "shop"),
  tier: calico("Tier", { order: 5, defaultAction: "Deny" }),
  networkSet: calico("NetworkSet", { nets: ["203.0.113.9/32", "2001:db8:9::/64", "192.0.2.1"] }, "shop"),
  globalNetworkSet: calico("GlobalNetworkSet", { nets: ["203.0.113.9", "2001:db8:9::9/128", "192.0.2.0/24"] }),
  hostEndpoint: calico("HostEndpoint", {
    node: "node-1",
    interfaceName: "eth0",
    expectedIPs: ["172.16.0.1", "fd01::1"],
    profiles: ["projectcalico-default-allow"],
    ports: [{ name: "https", protocol: "TCP", port: 443 }],
  }),
};

// --- internal ---

function metadata(namespace?: string): Sample["metadata"] {
  return {
    name: "broken",
    ...(namespace !== undefined && { namespace }),
    labels: { listed: "yes", role: "node" },
    annotations: { note: "a text for people" },
  };
}
