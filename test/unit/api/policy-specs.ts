/** Specs of policies and tiers on which our parser and the API server must agree. */
import type { BadSpec, GoodSpec } from "./specs.ts";

const onlyInRules = "only the namespaceSelector of a rule can say global()";
const families = "must be of one family";
const portProtocol = "ports need the protocol TCP, UDP or SCTP";
const alone = "staged for deletion has no other fields";
const rule = { action: "Allow" };
const service = { name: "db", namespace: "shop" };

export const badPolicySpecs: readonly BadSpec[] = [
  np({ tier: "Top" }, "spec.tier", ""),
  np({ order: "first" }, "spec.order", ""),
  np({ selector: "x".repeat(1025) }, "spec.selector", ""),
  np({ selector: "a == 'b' && global()" }, "spec.selector", onlyInRules),
  np({ serviceAccountSelector: "global()" }, "spec.serviceAccountSelector", onlyInRules),
  np({ types: ["Both"] }, "spec.types[0]", ""),
  np({ types: ["Ingress", "Ingress", "Egress"] }, "spec.types", ""),
  np({ ingress: new Array(1025).fill(rule) }, "spec.ingress", ""),
  np({ performanceHints: ["Hurry"] }, "spec.performanceHints[0]", ""),
  ingress({}, "spec.ingress[0].action", ""),
  ingress({ action: "Drop" }, "spec.ingress[0].action", ""),
  ingress({ ...rule, ipVersion: 5 }, "spec.ingress[0].ipVersion", ""),
  ingress({ ...rule, protocol: "tcp" }, "spec.ingress[0].protocol", ""),
  ingress({ ...rule, protocol: 0 }, "spec.ingress[0].protocol", ""),
  ingress({ ...rule, protocol: 256 }, "spec.ingress[0].protocol", ""),
  ingress({ ...rule, notProtocol: "256" }, "spec.ingress[0].notProtocol", ""),
  ingress({ ...rule, protocol: "ICMP", icmp: { type: 255 } }, "spec.ingress[0].icmp.type", ""),
  ingress({ ...rule, protocol: "ICMP", icmp: { type: 3, code: 256 } }, "spec.ingress[0].icmp.code", ""),
  ingress({ ...rule, protocol: "ICMP", icmp: { code: 0 } }, "spec.ingress[0].icmp.code", "a code needs a type"),
  ingress({ ...rule, icmp: { type: 8 } }, "spec.ingress[0].icmp", "icmp needs the protocol ICMP or ICMPv6"),
  ingress({ ...rule, protocol: "TCP", notICMP: { type: 8 } }, "spec.ingress[0].notICMP", "notICMP needs the protocol"),
  ingress({ ...rule, protocol: "ICMP", ipVersion: 6 }, "spec.ingress[0].protocol", "ICMP is of IPv4"),
  ingress({ ...rule, protocol: 58, ipVersion: 4 }, "spec.ingress[0].protocol", "ICMPv6 is of IPv6"),
  ingress({ ...rule, notProtocol: "ICMPv6", ipVersion: 4 }, "spec.ingress[0].notProtocol", "ICMPv6 is of IPv6"),
  ingress({ ...rule, destination: { ports: [80] } }, "spec.ingress[0]", portProtocol),
  ingress({ ...rule, protocol: "ICMP", source: { notPorts: ["http"] } }, "spec.ingress[0]", portProtocol),
  ingress({ ...rule, protocol: "UDPLite", destination: { ports: [80] } }, "spec.ingress[0]", portProtocol),
  port(0, ""),
  port(65536, ""),
  port("0:80", ""),
  port("80:70000", ""),
  port("66000", ""),
  port("a b", ""),
  port("", ""),
  port("x".repeat(129), ""),
  source({ ports: new Array(51).fill(80) }, "ports", ""),
  source({ nets: new Array(257).fill(0).map((_, index) => `10.0.${index % 256}.${index >> 8}`) }, "nets", ""),
  source({ nets: ["10.0.0.0/33"] }, "nets[0]", ""),
  source({ nets: ["10.0.0.256"] }, "nets[0]", ""),
  source({ nets: ["2001:db8::/129"] }, "nets[0]", ""),
  source({ nets: ["all"] }, "nets[0]", ""),
  source({ notNets: ["0.0.0.0/0"] }, "notNets[0]", ""),
  source({ notNets: ["10.0.0.0/8", "::/0"] }, "notNets[1]", ""),
  source({ nets: ["10.0.0.0/8", "2001:db8::/32"] }, "nets", families),
  source({ nets: ["10.0.0.0/8"], notNets: ["2001:db8::/32"] }, "notNets", families),
  ingress(
    { ...rule, source: { nets: ["10.0.0.0/8"] }, destination: { nets: ["::1/128"] } },
    "spec.ingress[0]",
    families,
  ),
  ingress(
    { ...rule, source: { notNets: ["10.0.0.0/8"] }, destination: { notNets: ["::1"] } },
    "spec.ingress[0]",
    families,
  ),
  ingress({ ...rule, ipVersion: 6, destination: { notNets: ["10.0.0.0/8"] } }, "spec.ingress[0]", "of its ipVersion"),
  source({ selector: "global()" }, "selector", onlyInRules),
  source({ notSelector: "!global()" }, "notSelector", onlyInRules),
  source({ serviceAccounts: { selector: "global()" } }, "serviceAccounts.selector", onlyInRules),
  source({ namespaceSelector: "global() || a == 'b'" }, "namespaceSelector", "says nothing else"),
  source({ namespaceSelector: "!global()" }, "namespaceSelector", "says nothing else"),
  source({ serviceAccounts: { names: ['a"b'] } }, "serviceAccounts.names[0]", ""),
  source({ services: {} }, "services", "must have the name of a Service"),
  source({ services: { namespace: "shop" } }, "services", "must have the name of a Service"),
  source({ services: { name: "Db" } }, "services.name", ""),
  ...[{ nets: ["10.0.0.0/8"] }, { notNets: ["10.0.0.0/8"] }, { selector: "a == 'b'" }, { notSelector: "all()" }].map(
    (other) => source({ services: service, ...other }, "services", "services cannot be combined"),
  ),
  source({ services: service, namespaceSelector: "all()" }, "services", "services cannot be combined"),
  source({ services: service, serviceAccounts: { names: ["a"] } }, "services", "services cannot be combined"),
  ingress(
    { ...rule, destination: { services: service } },
    "spec.ingress[0].destination.services",
    "only in the source",
  ),
  egress({ ...rule, source: { services: service } }, "spec.egress[0].source.services", "only in the destination"),
  egress(
    { ...rule, protocol: "TCP", destination: { services: service, ports: [80] } },
    "spec.egress[0].destination.services",
    "services bring their own ports",
  ),
  egress(
    { ...rule, protocol: "TCP", destination: { services: service, notPorts: [80] } },
    "spec.egress[0].destination.services",
    "services bring their own ports",
  ),
  gnp(
    { ingress: [{ ...rule, source: { services: { name: "db" } } }] },
    "spec.ingress[0].source.services",
    "a namespace",
  ),
  gnp(
    { egress: [{ ...rule, destination: { services: { name: "db", namespace: "" } } }] },
    "spec.egress[0].destination.services",
    "services need a namespace",
  ),
  egress({ ...rule, http: { methods: ["GET"] } }, "spec.egress[0].http", "http can stand in ingress rules only"),
  ingress({ action: "Deny", http: {} }, "spec.ingress[0].http", "only in a rule with the action Allow"),
  ingress({ ...rule, protocol: "UDP", http: {} }, "spec.ingress[0].http", "the protocol TCP or none"),
  ingress({ ...rule, http: { methods: new Array(21).fill(0).map(String) } }, "spec.ingress[0].http.methods", ""),
  ...[{}, { exact: "" }, { exact: "/a", prefix: "/b" }].map((path) => http(path, "", "either exact or prefix")),
  http({ exact: "a" }, ".exact", ""),
  http({ prefix: "/a?b" }, ".prefix", ""),
  http({ prefix: "/a b" }, ".prefix", ""),
  gnp({ namespaceSelector: "global()" }, "spec.namespaceSelector", onlyInRules),
  gnp({ preDNAT: true, doNotTrack: true, applyOnForward: true }, "spec.preDNAT", "cannot both be true"),
  gnp({ preDNAT: true }, "spec.applyOnForward", "applyOnForward must be true"),
  gnp({ doNotTrack: true, applyOnForward: false }, "spec.applyOnForward", "applyOnForward must be true"),
  gnp({ preDNAT: true, applyOnForward: true, egress: [rule] }, "spec.preDNAT", "leave egress and the type Egress out"),
  gnp({ preDNAT: true, applyOnForward: true, types: ["Egress"] }, "spec.preDNAT", "leave egress and the type"),
  { kind: "StagedNetworkPolicy", spec: { stagedAction: "Undo" }, path: "spec.stagedAction", sentence: "" },
  ...[{ order: 1 }, { selector: "all()" }, { serviceAccountSelector: "a == 'b'" }, { types: ["Ingress"] }].flatMap(
    (field) => [staged("StagedNetworkPolicy", field), staged("StagedGlobalNetworkPolicy", field)],
  ),
  ...[{ ingress: [rule] }, { egress: [rule] }, { performanceHints: ["AssumeNeededOnEveryNode"] }].map((field) =>
    staged("StagedNetworkPolicy", field),
  ),
  ...[{ namespaceSelector: "all()" }, { applyOnForward: true }].map((field) =>
    staged("StagedGlobalNetworkPolicy", field),
  ),
  ...[
    { podSelector: { matchLabels: { a: "b" } } },
    { podSelector: { matchExpressions: [{ key: "a", operator: "Exists" }] } },
    { policyTypes: ["Ingress"] },
    { ingress: [{}] },
    { egress: [{}] },
  ].map((field) => staged("StagedKubernetesNetworkPolicy", field)),
  tier({ defaultAction: "Allow" }, "spec.defaultAction", ""),
  tier({ order: "last" }, "spec.order", ""),
];

const everyField = {
  action: "Log",
  protocol: "6",
  notProtocol: 17,
  source: {
    nets: ["10.0.0.7/8", "10.1.2.3"],
    notNets: ["10.0.0.0/9"],
    selector: "a == 'b'",
    notSelector: "has(c)",
    namespaceSelector: "all()",
    ports: [1, "65535", "80:90", "http"],
    notPorts: ["0-x"],
    serviceAccounts: { names: ["a", "b"], selector: "has(d)" },
  },
  destination: {},
  metadata: { annotations: { why: "because" } },
};

export const goodPolicySpecs: readonly GoodSpec[] = [
  ...["NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"].flatMap((kind) => [
    { kind, spec: {} },
    { kind, spec: { tier: "", selector: "", types: [], ingress: [], egress: [], performanceHints: [] } },
    {
      kind,
      spec: { tier: "top", order: -1.5, types: ["Egress", "Ingress"], ingress: [everyField], egress: [everyField] },
    },
    {
      kind,
      spec: { selector: "a == 'b'", serviceAccountSelector: "has(c)", performanceHints: ["AssumeNeededOnEveryNode"] },
    },
  ]),
  ...[
    { action: "Pass", ipVersion: 6, protocol: "ICMPv6", icmp: { type: 128, code: 0 } },
    { ...rule, protocol: 1, notICMP: { type: 8 } },
    { ...rule, protocol: "ICMP", icmp: {} },
    { ...rule, notProtocol: "ICMP" },
    { ...rule, protocol: 255 },
    { ...rule, protocol: "SCTP", destination: { ports: [1], notPorts: [2] } },
    { ...rule, destination: { ports: ["http"] } },
    { ...rule, protocol: "ICMP", destination: { ports: [] } },
    { ...rule, protocol: "TCP", source: { services: { name: "db" }, ports: [80] } },
    { ...rule, source: { namespaceSelector: " global( ) " } },
    { ...rule, source: { nets: ["0.0.0.0/0"] }, destination: { notNets: ["128.0.0.0/1"] } },
    { ...rule, source: { nets: ["2001:DB8::1/32", "::ffff:1.2.3.4", "::"] }, ipVersion: 6 },
    { ...rule, source: { serviceAccounts: {}, nets: [], notNets: [], selector: "", ports: [] } },
    { ...rule, http: {} },
    { ...rule, protocol: 6, http: { methods: ["GET", "PUT"], paths: [{ exact: "/" }, { prefix: "/a/b", exact: "" }] } },
    { ...rule, metadata: {} },
  ].map((one) => ({ kind: "NetworkPolicy", spec: { ingress: [one] } })),
  { kind: "NetworkPolicy", spec: { ingress: new Array(1024).fill(rule), egress: new Array(1024).fill(rule) } },
  {
    kind: "NetworkPolicy",
    spec: { egress: [{ ...rule, protocol: "TCP", destination: { services: { name: "db" } } }] },
  },
  { kind: "GlobalNetworkPolicy", spec: { egress: [{ ...rule, destination: { services: service } }] } },
  { kind: "GlobalNetworkPolicy", spec: { namespaceSelector: "all()", applyOnForward: true } },
  { kind: "GlobalNetworkPolicy", spec: { preDNAT: true, applyOnForward: true, types: ["Ingress"], ingress: [rule] } },
  { kind: "GlobalNetworkPolicy", spec: { doNotTrack: true, applyOnForward: true, egress: [rule] } },
  ...["StagedNetworkPolicy", "StagedGlobalNetworkPolicy"].map((kind) => ({
    kind,
    spec: { stagedAction: "Delete", tier: "top", selector: "", types: [], ingress: [] },
  })),
  { kind: "StagedGlobalNetworkPolicy", spec: { stagedAction: "Delete", preDNAT: false } },
  { kind: "StagedNetworkPolicy", spec: { stagedAction: "Learn", ingress: [rule] } },
  { kind: "StagedKubernetesNetworkPolicy", spec: {} },
  { kind: "StagedKubernetesNetworkPolicy", spec: { stagedAction: "Ignore", policyTypes: ["Egress"], egress: [] } },
  {
    kind: "StagedKubernetesNetworkPolicy",
    spec: {
      podSelector: { matchLabels: { a: "b" }, matchExpressions: [{ key: "c", operator: "In", values: ["d"] }] },
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }], ports: [{ port: "http" }] }],
      egress: [
        { to: [{ podSelector: {}, namespaceSelector: {} }], ports: [{ protocol: "SCTP", port: 80, endPort: 90 }] },
      ],
    },
  },
  {
    kind: "StagedKubernetesNetworkPolicy",
    spec: { stagedAction: "Delete", podSelector: { matchLabels: {} }, ingress: [] },
  },
  { kind: "Tier", spec: {} },
  { kind: "Tier", spec: { order: 0.5, defaultAction: "Pass" } },
];

/** Objects that are good or bad by their name, or by it and the spec together. */
export const namedObjects: readonly {
  readonly kind: string;
  readonly name: string;
  readonly spec: unknown;
  /** What both say of it; absent when they take it. */
  readonly sentence?: string;
}[] = [
  ...["NetworkPolicy", "StagedNetworkPolicy"].flatMap((kind) => [
    { kind, name: "top.web", spec: {} },
    { kind, name: "knp.default.a.b.c", spec: {} },
    { kind, name: "a.b.c", spec: {}, sentence: "in one part or two with a dot between" },
  ]),
  ...["GlobalNetworkPolicy", "StagedGlobalNetworkPolicy"].flatMap((kind) => [
    { kind, name: "top.web", spec: {} },
    { kind, name: "knp.default.a", spec: {}, sentence: "in one part or two with a dot between" },
  ]),
  ...["default", "node.a.b"].flatMap((name) => [
    { kind: "FelixConfiguration", name, spec: {} },
    { kind: "FelixConfiguration", name, spec: { nodeSelector: "" }, sentence: "nodeSelector must not be set" },
  ]),
  { kind: "FelixConfiguration", name: "racks", spec: { nodeSelector: "has(rack)" } },
  { kind: "Tier", name: "a.b", spec: {}, sentence: "without a dot" },
  { kind: "Tier", name: "a".repeat(64), spec: {}, sentence: "at most 63 characters" },
  { kind: "Tier", name: "a".repeat(63), spec: {} },
  { kind: "Tier", name: "default", spec: { order: 1_000_000 } },
  { kind: "Tier", name: "default", spec: {}, sentence: "the tier default has order 1000000 and defaultAction Deny" },
  { kind: "Tier", name: "default", spec: { order: 1_000_000, defaultAction: "Pass" }, sentence: "cannot be changed" },
  { kind: "Tier", name: "kube-admin", spec: { order: 1000, defaultAction: "Pass" } },
  { kind: "Tier", name: "kube-admin", spec: { order: 1000 }, sentence: "has order 1000 and defaultAction Pass" },
  { kind: "Tier", name: "kube-baseline", spec: { order: 10_000_000, defaultAction: "Pass" } },
  { kind: "Tier", name: "kube-baseline", spec: { order: 5, defaultAction: "Pass" }, sentence: "cannot be changed" },
];

// --- internal ---

function np(spec: unknown, path: string, sentence: string): BadSpec {
  return { kind: "NetworkPolicy", spec, path, sentence };
}

function gnp(spec: unknown, path: string, sentence: string): BadSpec {
  return { kind: "GlobalNetworkPolicy", spec, path, sentence };
}

function ingress(one: unknown, path: string, sentence: string): BadSpec {
  return np({ ingress: [one] }, path, sentence);
}

function egress(one: unknown, path: string, sentence: string): BadSpec {
  return np({ egress: [one] }, path, sentence);
}

function source(entity: unknown, field: string, sentence: string): BadSpec {
  return ingress({ ...rule, protocol: "TCP", source: entity }, `spec.ingress[0].source.${field}`, sentence);
}

function port(one: unknown, sentence: string): BadSpec {
  return source({ ports: [one] }, "ports[0]", sentence);
}

function http(path: unknown, field: string, sentence: string): BadSpec {
  return ingress({ ...rule, http: { paths: [path] } }, `spec.ingress[0].http.paths[0]${field}`, sentence);
}

function staged(kind: string, fields: object): BadSpec {
  return { kind, spec: { stagedAction: "Delete", ...fields }, path: "spec.stagedAction", sentence: alone };
}

function tier(spec: unknown, path: string, sentence: string): BadSpec {
  return { kind: "Tier", spec, path, sentence };
}
