/** Specs on which our parser and the API server, which has the CRDs, must agree. */
import { badBgpSpecs, goodBgpSpecs } from "./bgp-specs.ts";
import { badEndpointSpecs, goodEndpointSpecs } from "./endpoint-specs.ts";
import { badFelixSpecs, goodFelixSpecs } from "./felix-specs.ts";
import { badPolicySpecs, goodPolicySpecs } from "./policy-specs.ts";

export interface GoodSpec {
  readonly kind: string;
  readonly spec: unknown;
}

export interface BadSpec extends GoodSpec {
  /** The field that both blame. */
  readonly path: string;
  /** What both say of it. */
  readonly sentence: string;
}

const cidr = "10.0.0.0/16";
const canonical = "it must be a network in canonical form";
const peerForm = "it must be an address, or an address and a port";

export const badSpecs: readonly BadSpec[] = [
  pool({ cidr, blockSize: 33 }, "spec.blockSize", "blockSize must be 20 to 32 for an IPv4 pool"),
  pool({ cidr: "2001:db8::/64", blockSize: 64 }, "spec.blockSize", "116 to 128 for an IPv6 pool"),
  pool({ cidr: "10.0.0.1/16" }, "spec.cidr", canonical),
  pool({ cidr: "10.0.0.0" }, "spec.cidr", canonical),
  pool({ cidr: "nonsense" }, "spec.cidr", canonical),
  pool({ cidr: "2001:DB8::/32" }, "spec.cidr", canonical),
  pool({ cidr: "2001:db8:0::/48" }, "spec.cidr", canonical),
  pool({ cidr: "10.0.0.0/27" }, "spec.cidr", "the pool must hold at least one block"),
  pool({ cidr: "169.254.1.0/24" }, "spec.cidr", "may not overlap 0.0.0.0/8"),
  pool({ cidr: "168.0.0.0/6" }, "spec.cidr", "may not overlap 0.0.0.0/8"),
  pool({ cidr: "fe80::/64" }, "spec.cidr", "may not overlap 0.0.0.0/8"),
  pool({ cidr: "127.0.0.0/16" }, "spec.cidr", "may not overlap 0.0.0.0/8"),
  pool({ cidr: "239.0.0.0/16" }, "spec.cidr", "may not overlap 0.0.0.0/8"),
  pool({ cidr: "ff02::/64" }, "spec.cidr", "may not overlap 0.0.0.0/8"),
  pool({ cidr, ipipMode: "Always", vxlanMode: "CrossSubnet" }, "spec.vxlanMode", "cannot both be in use"),
  pool({ cidr: "2001:db8::/64", ipipMode: "Always" }, "spec.ipipMode", "IP-in-IP carries IPv4 only"),
  pool({ cidr, allowedUses: ["LoadBalancer", "Workload"] }, "spec.allowedUses", "cannot be combined with another use"),
  pool({ cidr, allowedUses: ["LoadBalancer"], vxlanMode: "Always" }, "spec.allowedUses", "takes no encapsulation"),
  pool({ cidr, allowedUses: ["LoadBalancer"], disableBGPExport: true }, "spec.disableBGPExport", "must be announced"),
  pool({ cidr, allowedUses: ["LoadBalancer"], nodeSelector: "has(a)" }, "spec.nodeSelector", "not bound to nodes"),
  pool({ cidr, namespaceSelector: "has(a)" }, "spec.namespaceSelector", "cannot serve tunnels"),
  pool({ cidr, nodeSelector: "has(a) || global()" }, "spec.nodeSelector", "nodeSelector cannot use global()"),
  pool(
    { cidr, allowedUses: ["Workload"], namespaceSelector: "global()" },
    "spec.namespaceSelector",
    "namespaceSelector cannot use global()",
  ),
  reservation("10.0.0.0", "spec.reservedCIDRs[0]"),
  reservation("nonsense/8", "spec.reservedCIDRs[0]"),
  controllers({ node: { leakGracePeriod: "soon" } }, "spec.controllers.node.leakGracePeriod", ""),
  controllers({ node: { syncLabels: "Perhaps" } }, "spec.controllers.node.syncLabels", ""),
  controllers(
    { node: { hostEndpoint: { templates: [{ interfaceCIDRs: ["10.0.0.1"] }] } } },
    "spec.controllers.node.hostEndpoint.templates[0].interfaceCIDRs[0]",
    "it must be a network such as",
  ),
  { kind: "KubeControllersConfiguration", spec: {}, path: "spec.controllers", sentence: "" },
  peer({ node: "a", nodeSelector: "all()" }, "spec.node", "node and nodeSelector cannot both be given"),
  peer({ peerIP: "192.0.2.1", peerSelector: "all()" }, "spec.peerIP", "peerIP and peerSelector cannot both be given"),
  peer({ peerSelector: "all()", asNumber: 1 }, "spec.asNumber", "asNumber cannot be given with peerSelector"),
  peer({ localWorkloadSelector: "all()" }, "spec.localWorkloadSelector", "localWorkloadSelector needs an asNumber"),
  peer({ peerIP: "192.0.2.1", asNumber: 4294967296 }, "spec.asNumber", "it must be an AS number"),
  peer({ peerIP: "192.0.2.1", asNumber: "x" }, "spec.asNumber", "it must be an AS number"),
  peer({ peerIP: "192.0.2.1", asNumber: -1 }, "spec.asNumber", "it must be an AS number"),
  peer({ peerIP: "192.0.2.300" }, "spec.peerIP", peerForm),
  peer({ peerIP: "192.0.2.1:0" }, "spec.peerIP", peerForm),
  peer({ peerIP: "192.0.2.1:65536" }, "spec.peerIP", peerForm),
  peer({ peerIP: "[192.0.2.1]:179" }, "spec.peerIP", peerForm),
  peer({ peerIP: "[2001:db8::1]" }, "spec.peerIP", peerForm),
  peer({ reachableBy: "192.0.2.9" }, "spec.reachableBy", "reachableBy needs a peerIP"),
  peer({ peerIP: "192.0.2.1", reachableBy: "gateway" }, "spec.reachableBy", "it must be an IPv4 or IPv6 address"),
  peer({ peerIP: "192.0.2.1:179", reachableBy: "2001:db8::9" }, "spec.reachableBy", "must be of the same family"),
  peer({ nextHopMode: "Keep", keepOriginalNextHop: true }, "spec.keepOriginalNextHop", "use nextHopMode"),
  {
    kind: "IPAMConfiguration",
    spec: { autoAllocateBlocks: false },
    path: "spec.autoAllocateBlocks",
    sentence: "autoAllocateBlocks can be false only when strictAffinity is true",
  },
  {
    kind: "BlockAffinity",
    spec: { node: "a", state: "pending", cidr: "10.0.0.1/26" },
    path: "spec.cidr",
    sentence: canonical,
  },
  ...badBgpSpecs,
  ...badEndpointSpecs,
  ...badFelixSpecs,
  ...badPolicySpecs,
];

export const goodSpecs: readonly GoodSpec[] = [
  { kind: "IPPool", spec: { cidr } },
  { kind: "IPPool", spec: { cidr: "10.0.0.0/32", blockSize: 32 } },
  { kind: "IPPool", spec: { cidr: "10.0.0.0/28", disabled: true } },
  { kind: "IPPool", spec: { cidr: "2001:db8::/64", vxlanMode: "CrossSubnet" } },
  { kind: "IPPool", spec: { cidr, ipipMode: "CrossSubnet", allowedUses: ["Workload"], namespaceSelector: "has(a)" } },
  { kind: "IPPool", spec: { cidr, allowedUses: ["LoadBalancer"], assignmentMode: "Manual" } },
  { kind: "IPPool", spec: { cidr, allowedUses: [], nodeSelector: "" } },
  { kind: "IPReservation", spec: { reservedCIDRs: ["10.0.0.7/24", "2001:DB8::/64", "10.0.0.1/32"] } },
  { kind: "KubeControllersConfiguration", spec: { controllers: {} } },
  {
    kind: "KubeControllersConfiguration",
    spec: {
      logSeverityScreen: "None",
      healthChecks: "Disabled",
      etcdV3CompactionPeriod: "0",
      prometheusMetricsPort: 0,
      debugProfilePort: 6060,
      controllers: {
        node: {
          reconcilerPeriod: "1m30s",
          syncLabels: "Disabled",
          leakGracePeriod: "0s",
          hostEndpoint: {
            autoCreate: "Enabled",
            createDefaultHostEndpoint: "Disabled",
            templates: [
              {
                generateName: "eth",
                interfaceCIDRs: ["10.0.0.0/8", "2001:db8::/32"],
                interfacePattern: "^eth",
                labels: { a: "b" },
                annotations: { c: "d" },
                nodeSelector: "has(rack)",
              },
            ],
          },
        },
        policy: { reconcilerPeriod: "5m0s" },
        workloadEndpoint: {},
        serviceAccount: {},
        namespace: {},
        loadBalancer: { assignIPs: "RequestedServicesOnly" },
        migration: { policyNameMigrator: "Disabled" },
      },
    },
  },
  { kind: "BGPPeer", spec: {} },
  { kind: "BGPPeer", spec: { peerIP: "192.0.2.1", asNumber: 4294967295 } },
  { kind: "BGPPeer", spec: { peerIP: "192.0.2.1:1790", asNumber: "65000", reachableBy: "192.0.2.9" } },
  { kind: "BGPPeer", spec: { peerIP: "2001:db8::1", asNumber: "1.10", reachableBy: "2001:db8::9" } },
  { kind: "BGPPeer", spec: { peerIP: "[2001:db8::1]:65535", maxRestartTime: "1m30s", keepaliveTime: "0" } },
  {
    kind: "BGPPeer",
    spec: { peerSelector: "all()", asNumber: 0, nodeSelector: "has(rack)", reversePeering: "Manual" },
  },
  { kind: "BGPPeer", spec: { localWorkloadSelector: "app == 'bird'", asNumber: 64513, ttlSecurity: 1 } },
  { kind: "BGPPeer", spec: { peerIP: "192.0.2.1", password: { secretKeyRef: { name: "bgp", key: "password" } } } },
  { kind: "IPAMConfiguration", spec: {} },
  { kind: "IPAMConfiguration", spec: { strictAffinity: true, autoAllocateBlocks: false } },
  ...goodBgpSpecs,
  ...goodEndpointSpecs,
  ...goodFelixSpecs,
  ...goodPolicySpecs,
];

// --- internal ---

function pool(spec: unknown, path: string, sentence: string): BadSpec {
  return { kind: "IPPool", spec, path, sentence };
}

function reservation(network: string, path: string): BadSpec {
  const spec = { reservedCIDRs: [network] };
  return { kind: "IPReservation", spec, path, sentence: "it must be a network such as 10.0.0.0/8" };
}

function controllers(named: unknown, path: string, sentence: string): BadSpec {
  return { kind: "KubeControllersConfiguration", spec: { controllers: named }, path, sentence };
}

function peer(spec: unknown, path: string, sentence: string): BadSpec {
  return { kind: "BGPPeer", spec, path, sentence };
}
