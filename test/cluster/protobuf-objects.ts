/** Objects of Kubernetes' own kinds with every field that is read of them, empty ones too. */
interface TestObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
  readonly status?: object;
}

const namespace = "default";
const selector = {
  matchLabels: { app: "web", empty: "", "a.b/c": "ü" },
  matchExpressions: [
    { key: "tier", operator: "In", values: ["", "front"] },
    { key: "old", operator: "DoesNotExist" },
  ],
};
const annotations = { text: "Grüße, 世界", empty: "", long: "x".repeat(5_000) };

const policies = [
  { podSelector: {} },
  { podSelector: {}, policyTypes: ["Egress"], ingress: [], egress: [{}] },
  { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{ from: [], ports: [] }], egress: [] },
  {
    podSelector: { matchLabels: { app: "web", empty: "" }, matchExpressions: selector.matchExpressions },
    policyTypes: ["Ingress", "Egress"],
    ingress: [
      {
        from: [
          { podSelector: {} },
          { namespaceSelector: {} },
          {
            podSelector: { matchLabels: { a: "b" } },
            namespaceSelector: { matchExpressions: [{ key: "k", operator: "Exists" }] },
          },
          { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16", "10.2.0.0/16"] } },
        ],
        ports: [
          { port: 80 },
          { protocol: "UDP", port: "dns" },
          { protocol: "SCTP" },
          { protocol: "TCP", port: 1024, endPort: 65535 },
        ],
      },
    ],
    egress: [{ to: [{ ipBlock: { cidr: "fd00::/8" } }], ports: [{ protocol: "TCP", port: 443 }] }],
  },
];

const pods = [
  { name: "plain", spec: {} },
  { name: "network", spec: { hostNetwork: true, nodeName: "node-1", serviceAccountName: "robot" } },
  {
    name: "full",
    labels: { app: "web", empty: "" },
    spec: {
      nodeName: "node-1",
      initContainers: [{ name: "init", image: "none", ports: [{ containerPort: 1, name: "early" }] }],
      ports: [
        { containerPort: 8080, name: "http" },
        { containerPort: 53, protocol: "UDP" },
        { containerPort: 9, protocol: "SCTP", name: "s" },
      ],
    },
    status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }] },
  },
  { name: "going", finalizers: ["example.com/stay"], spec: { nodeName: "node-1" }, status: { phase: "Succeeded" } },
];

export const objects: readonly TestObject[] = [
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "labelled", labels: { team: "a", empty: "" }, annotations },
  },
  {
    ...{ apiVersion: "v1", kind: "Node", metadata: { name: "node-1", labels: { rack: "1" }, annotations } },
    spec: { podCIDR: "10.0.0.0/24", podCIDRs: ["10.0.0.0/24", "fd00::/64"], unschedulable: true },
    status: {
      conditions: [
        { type: "Ready", status: "True" },
        { type: "NetworkUnavailable", status: "False", reason: "RouteCreated", message: "routes are there" },
      ],
      addresses: [
        { type: "InternalIP", address: "192.0.2.1" },
        { type: "InternalIP", address: "2001:db8::1" },
        { type: "Hostname", address: "node-1" },
      ],
    },
  },
  { apiVersion: "v1", kind: "Node", metadata: { name: "node-2" } },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot", namespace, labels: { role: "robot" } } },
  {
    ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4" },
    metadata: { name: "web-1", namespace, labels: { "kubernetes.io/service-name": "web" } },
    endpoints: [
      { addresses: ["10.0.0.1"], conditions: { ready: true }, nodeName: "node-1" },
      { addresses: ["10.0.0.2"] },
      { addresses: ["10.0.0.3"], conditions: { ready: false, serving: false, terminating: false } },
      { addresses: ["10.0.0.4"], conditions: { ready: false, serving: true, terminating: true } },
    ],
    ports: [{ name: "http", port: 8080 }, { name: "dns", protocol: "UDP", port: 53 }, { name: "any" }],
  },
  {
    ...{
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      addressType: "FQDN",
      metadata: { name: "far", namespace },
    },
    endpoints: [{ addresses: ["example.com"] }],
  },
  {
    ...{ apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace } },
    spec: {
      ...{ type: "LoadBalancer", externalIPs: ["203.0.113.1"], loadBalancerIP: "203.0.113.7" },
      ...{ externalTrafficPolicy: "Local", internalTrafficPolicy: "Local" },
      ports: [
        { name: "http", port: 80 },
        { name: "dns", port: 53, protocol: "UDP" },
      ],
    },
    status: { loadBalancer: { ingress: [{ ip: "203.0.113.8" }, { hostname: "lb.example.com" }] } },
  },
  {
    ...{ apiVersion: "v1", kind: "Service", metadata: { name: "far-away", namespace } },
    spec: { type: "ExternalName", externalName: "example.com" },
  },
  {
    ...{ apiVersion: "v1", kind: "Service", metadata: { name: "headless", namespace } },
    spec: { clusterIP: "None", ports: [{ port: 1 }] },
  },
  ...policies.map((spec, index) => ({
    ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" },
    metadata: { name: `policy-${index}`, namespace, annotations: { index: String(index) } },
    spec,
  })),
  ...pods.map(({ name, labels, finalizers, spec, status }) => {
    const { ports, ...rest } = { ports: undefined, ...spec };
    return {
      ...{
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace, labels, finalizers, annotations: { "cni.projectcalico.org/podIP": "" } },
      },
      spec: { ...rest, containers: [{ name: "main", image: "none", ports }] },
      ...(status === undefined ? {} : { status }),
    };
  }),
];
