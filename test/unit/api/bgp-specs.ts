/** Specs of the BGP kinds on which our parser and the API server, which has the CRDs, must agree. */
import type { BadSpec, GoodSpec } from "./specs.ts";

const cidr = "10.0.0.0/16";
const advertised = { prefixAdvertisements: [{ cidr, communities: ["64512:1"] }] };
const community = "it must be a community, aa:nn with 16 bits each";
const both = "cidr and matchOperator must both be set or both be empty";

export const badBgpSpecs: readonly BadSpec[] = [
  configuration({ logSeverityScreen: "None" }, "spec.logSeverityScreen", ""),
  configuration({ nodeToNodeMeshEnabled: "yes" }, "spec.nodeToNodeMeshEnabled", ""),
  configuration({ asNumber: 4294967296 }, "spec.asNumber", "it must be an AS number"),
  configuration({ serviceClusterIPs: [{ cidr: "10.0.0.1" }] }, "spec.serviceClusterIPs[0].cidr", "must be a network"),
  configuration({ serviceExternalIPs: [{ cidr: "x" }] }, "spec.serviceExternalIPs[0].cidr", "must be a network"),
  configuration({ serviceLoadBalancerIPs: [{ cidr: "/" }] }, "spec.serviceLoadBalancerIPs[0].cidr", "be a network"),
  configuration({ serviceLoadBalancerAggregation: "Off" }, "spec.serviceLoadBalancerAggregation", ""),
  configuration({ ...advertised, communities: [{ name: "a b", value: "1:1" }] }, "spec.communities[0].name", ""),
  configuration(
    { ...advertised, communities: [{ name: "a", value: "65536:1" }] },
    "spec.communities[0].value",
    community,
  ),
  configuration(
    { ...advertised, communities: [{ name: "a", value: "1:1:4294967296" }] },
    "communities[0].value",
    community,
  ),
  configuration({ communities: [{ name: "a", value: "1:1" }] }, "spec.communities", "need prefixAdvertisements"),
  configuration({ prefixAdvertisements: [{ cidr, communities: [] }] }, "prefixAdvertisements[0].communities", ""),
  configuration({ prefixAdvertisements: [{ communities: ["1:1"] }] }, "spec.prefixAdvertisements[0].cidr", ""),
  configuration({ listenPort: 0 }, "spec.listenPort", ""),
  configuration({ listenPort: 65536 }, "spec.listenPort", ""),
  configuration({ nodeMeshPassword: { secretKeyRef: {} } }, "spec.nodeMeshPassword.secretKeyRef.key", ""),
  configuration({ nodeMeshMaxRestartTime: "soon" }, "spec.nodeMeshMaxRestartTime", ""),
  configuration({ nodeMeshBFD: "On" }, "spec.nodeMeshBFD", ""),
  configuration({ bindMode: "All" }, "spec.bindMode", ""),
  configuration({ ignoredInterfaces: ["eth0/1"] }, "spec.ignoredInterfaces[0]", ""),
  configuration({ ignoredInterfaces: ["a-name-too-long-"] }, "spec.ignoredInterfaces[0]", ""),
  configuration({ localWorkloadPeeringIPV4: "2001:db8::1" }, "spec.localWorkloadPeeringIPV4", "an IPv4 address"),
  configuration({ localWorkloadPeeringIPV6: "192.0.2.1" }, "spec.localWorkloadPeeringIPV6", "an IPv6 address"),
  configuration({ programClusterRoutes: "Sometimes" }, "spec.programClusterRoutes", ""),
  configuration({ ipv4NormalRoutePriority: 0 }, "spec.ipv4NormalRoutePriority", ""),
  configuration({ ipv6NormalRoutePriority: 2147483647 }, "spec.ipv6NormalRoutePriority", ""),
  { kind: "BGPPeer", spec: { peerIP: "192.0.2.1", bfd: "On" }, path: "spec.bfd", sentence: "" },
  ...(["exportV4", "importV4", "exportV6", "importV6"] as const).flatMap((list) => [
    filter(list, {}, ".action", ""),
    filter(list, { action: "Drop" }, ".action", ""),
    filter(list, { matchOperator: "In", action: "Accept" }, "", both),
    filter(list, { prefixLength: { min: 8 }, action: "Accept" }, "", "cidr is required when prefixLength is set"),
    filter(
      list,
      { action: "Reject", operations: [{ setPriority: { value: 1 } }] },
      "",
      "only be used with action Accept",
    ),
  ]),
  filter("exportV4", { cidr, action: "Accept" }, "", both),
  filter("exportV4", { cidr: "10.0.0.0", matchOperator: "In", action: "Accept" }, ".cidr", "an IPv4 network"),
  filter("exportV4", { cidr: "255.255.255.255/320", matchOperator: "In", action: "Accept" }, ".cidr", ""),
  filter("importV4", inside("2001:db8::/32"), ".cidr", "it must be an IPv4 network"),
  filter("exportV6", inside(cidr), ".cidr", "it must be an IPv6 network"),
  filter("exportV4", { ...inside(cidr), matchOperator: "Within" }, ".matchOperator", ""),
  filter("exportV4", { ...inside(cidr), prefixLength: { max: 33 } }, ".prefixLength.max", ""),
  filter("importV6", { ...inside("2001:db8::/32"), prefixLength: { min: 129 } }, ".prefixLength.min", ""),
  filter("exportV4", { source: "LocalPeers", action: "Accept" }, ".source", ""),
  filter("exportV4", { interface: 'eth"0', action: "Accept" }, ".interface", ""),
  filter("exportV4", { interface: "a-name-too-long-", action: "Accept" }, ".interface", ""),
  filter("exportV4", { peerType: "EBGP", action: "Accept" }, ".peerType", ""),
  filter("exportV4", { communities: { values: [] }, action: "Accept" }, ".communities.values", ""),
  filter("exportV4", { communities: { values: ["1:1", "1:2"] }, action: "Accept" }, ".communities.values", ""),
  filter("exportV4", { communities: { values: ["1:65536"] }, action: "Accept" }, ".communities.values[0]", community),
  filter("exportV4", { priority: 0, action: "Accept" }, ".priority", ""),
  filter("exportV4", { action: "Accept", operations: [] }, ".operations", ""),
  filter("exportV4", { action: "Accept", operations: [{}] }, ".operations[0]", "exactly one operation must be set"),
  operation({ setPriority: { value: 1 }, addCommunity: { value: "1:1" } }, "", "exactly one operation must be set"),
  operation({ setPriority: { value: 2147483647 } }, ".setPriority.value", ""),
  operation({ addCommunity: { value: "1" } }, ".addCommunity.value", community),
  operation({ prependASPath: { prefix: [] } }, ".prependASPath.prefix", ""),
  operation({ prependASPath: { prefix: new Array(11).fill(1) } }, ".prependASPath.prefix", ""),
  status({ classes: ["BGP"] }, "spec.node", ""),
  status({ node: "a", classes: [] }, "spec.classes", ""),
  status({ node: "a", classes: ["Peers"] }, "spec.classes[0]", ""),
  status({ node: "a", classes: ["BGP", "BGP"] }, "spec.classes", ""),
  status({ node: "a", classes: ["BGP"], updatePeriodSeconds: 86_401 }, "spec.updatePeriodSeconds", ""),
];

export const goodBgpSpecs: readonly GoodSpec[] = [
  { kind: "BGPConfiguration", spec: {} },
  {
    kind: "BGPConfiguration",
    spec: {
      ...{ logSeverityScreen: "Fatal", listenPort: 1790, bindMode: "NodeIP", ignoredInterfaces: ["eth*", "*.100"] },
      communities: [
        { name: "a", value: "0:65535" },
        { name: "b.c", value: "4294967295:0:1" },
      ],
      prefixAdvertisements: [{ cidr: "10.0.0.1/16", communities: ["a", "b.c", "1:2"] }],
      ...{ localWorkloadPeeringIPV4: "169.254.1.1", localWorkloadPeeringIPV6: "fe80::1" },
      ...{ programClusterRoutes: "Disabled", ipv4NormalRoutePriority: 1, ipv6NormalRoutePriority: 2147483646 },
      serviceClusterIPs: [],
    },
  },
  { kind: "BGPFilter", spec: {} },
  {
    kind: "BGPFilter",
    spec: {
      exportV4: [
        { ...inside(cidr), prefixLength: { min: 0, max: 32 }, source: "RemotePeers", interface: "*.calico" },
        { cidr: "10.0.0.1/8", matchOperator: "NotEqual", action: "Reject", peerType: "iBGP", interface: "" },
      ],
      importV4: [{ action: "Reject" }],
      exportV6: [
        {
          ...inside("2001:DB8::/32"),
          communities: { values: ["1:2:3"] },
          ...{ asPathPrefix: [64512, "1.10", "65000"], priority: 512 },
          operations: [
            { addCommunity: { value: "64512:1" } },
            { prependASPath: { prefix: [64512, "1.10"] } },
            { setPriority: { value: 1 } },
          ],
        },
      ],
      importV6: [{ ...inside("::/0"), matchOperator: "NotIn", prefixLength: {} }],
    },
  },
  { kind: "BGPPeer", spec: { peerIP: "192.0.2.1", bfd: "Enabled" } },
  { kind: "CalicoNodeStatus", spec: { node: "a", classes: ["Agent", "BGP", "Routes"], updatePeriodSeconds: 0 } },
];

const only = "can be set on the BGPConfiguration default only";

/** Objects whose name decides. */
export const namedBgpObjects = [
  ["nodeToNodeMeshEnabled", true],
  ["asNumber", 64513],
  ["nodeMeshPassword", { secretKeyRef: { name: "bgp", key: "password" } }],
  ["nodeMeshMaxRestartTime", "60s"],
  ["nodeMeshBFD", "Enabled"],
  ...["serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs"].map((name) => [name, [{ cidr }]] as const),
].flatMap(([field, value]) => {
  const spec = { [String(field)]: value };
  return [
    { kind: "BGPConfiguration", name: "default", spec, sentence: undefined },
    { kind: "BGPConfiguration", name: "node.node-1", spec, sentence: `${field} ${only}` },
  ];
});

// --- internal ---

function configuration(spec: unknown, path: string, sentence: string): BadSpec {
  const whole = path.startsWith("spec.") ? path : `spec.${path}`;
  return { kind: "BGPConfiguration", spec, path: whole, sentence };
}

function filter(list: string, rule: unknown, path: string, sentence: string): BadSpec {
  return { kind: "BGPFilter", spec: { [list]: [rule] }, path: `spec.${list}[0]${path}`, sentence };
}

function operation(one: unknown, path: string, sentence: string): BadSpec {
  return filter("importV4", { action: "Accept", operations: [one] }, `.operations[0]${path}`, sentence);
}

function inside(net: string) {
  return { cidr: net, matchOperator: "In", action: "Accept" };
}

function status(spec: unknown, path: string, sentence: string): BadSpec {
  return { kind: "CalicoNodeStatus", spec, path, sentence };
}
