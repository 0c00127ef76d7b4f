/** Objects of which each field is right by itself, and some together are not. */
import type { Json, Path } from "./json-path.ts";
import type { Mutation } from "./mutations.ts";
import type { BrokenKind } from "./samples.ts";

/** What can be done to the sample of that kind. */
export function crossings(kind: BrokenKind): readonly Mutation[] {
  return broken[kind].map(([path, value]): Mutation => ({ sort: "crossed rules", path, value }));
}

// --- internal ---

type Change = readonly [path: Path, value: Json];

const service = { name: "db", namespace: "shop" };

const rules: readonly Change[] = [
  [["spec", "ingress", 0, "protocol"], "ICMP"],
  [["spec", "ingress", 0, "source", "services"], service],
  [["spec", "ingress", 0, "source", "namespaceSelector"], "global() && team == 'sales'"],
  [["spec", "ingress", 1, "protocol"], "TCP"],
  [["spec", "ingress", 1, "ipVersion"], 6],
  [["spec", "ingress", 1, "icmp"], { code: 0 }],
  [["spec", "ingress", 2, "ipVersion"], 6],
  [["spec", "ingress", 2, "destination"], { nets: ["2001:db8::/32"] }],
  [["spec", "ingress", 2, "source", "notNets"], ["0.0.0.0/0"]],
  [["spec", "ingress", 3, "destination"], { services: service }],
  [["spec", "ingress", 3, "source", "services"], {}],
  [["spec", "ingress", 4, "action"], "Deny"],
  [["spec", "ingress", 4, "http", "paths", 0], { exact: "/a", prefix: "/b" }],
  [["spec", "egress", 1, "source"], { services: service }],
  [["spec", "egress", 1, "destination", "nets"], ["10.0.0.0/8"]],
  [["spec", "egress", 2, "protocol"], "UDPLite"],
  [["spec", "egress", 3, "http"], { methods: ["GET"] }],
];

const global: readonly Change[] = [
  ...rules,
  [["spec", "preDNAT"], true],
  [["spec", "ingress", 3, "source", "services"], { name: "db" }],
];

const kube: readonly Change[] = [
  [["spec", "podSelector", "matchExpressions", 0, "operator"], "Exists"],
  [["spec", "podSelector", "matchExpressions", 0, "values"], []],
  [["spec", "ingress", 0, "from", 0, "ipBlock"], { cidr: "10.0.0.0/8" }],
  [["spec", "ingress", 0, "from", 1], {}],
  [["spec", "ingress", 0, "from", 1, "ipBlock", "except"], ["2001:db8::/32"]],
  [["spec", "ingress", 0, "ports", 2, "endPort"], 99],
  [["spec", "ingress", 0, "ports", 0], { protocol: "TCP", endPort: 99 }],
  [["spec", "ingress", 0, "ports", 1, "port"], "http"],
];

const staged: Change = [["spec", "stagedAction"], "Delete"];

const broken: Readonly<Record<BrokenKind, readonly Change[]>> = {
  networkPolicy: kube,
  stagedKubernetesNetworkPolicy: [...kube, staged],
  calicoNetworkPolicy: [...rules, [["metadata", "name"], "a.b.c"], [["spec", "namespaceSelector"], "team == 'sales'"]],
  stagedNetworkPolicy: [...rules, staged],
  globalNetworkPolicy: [...global, [["metadata", "name"], "a.b.c"]],
  stagedGlobalNetworkPolicy: [...global, staged],
  clusterNetworkPolicy: [
    [["spec", "subject", "namespaces"], {}],
    [["spec", "subject"], {}],
    [["spec", "ingress", 0, "from", 0, "pods"], { podSelector: {} }],
    [["spec", "ingress", 1, "protocols", 0, "tcp"], { destinationPort: { number: 1 } }],
    [["spec", "ingress", 1, "protocols", 0, "udp", "destinationPort", "number"], 5000],
    [["spec", "ingress", 1, "from", 0], {}],
    [["spec", "egress", 0, "protocols"], [{ destinationNamedPort: "http" }]],
    [["spec", "egress", 1, "to", 0, "namespaces"], {}],
  ],
  tier: [
    [["metadata", "name"], "default"],
    [["metadata", "name"], "kube-admin"],
    [["metadata", "name"], "a.b"],
    [["metadata", "name"], "x".repeat(64)],
  ],
  networkSet: [[["metadata", "labels", "projectcalico.org/namespace"], "kube-system"]],
  globalNetworkSet: [[["metadata", "labels", "projectcalico.org/namespace"], "kube-system"]],
  hostEndpoint: [
    [["spec"], { node: "node-1" }],
    [["spec"], { node: "node-1", interfaceName: "", expectedIPs: [] }],
    [["spec", "ports", 0, "protocol"], "ICMP"],
  ],
};
