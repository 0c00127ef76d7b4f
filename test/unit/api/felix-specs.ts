/** Specs of FelixConfiguration on which our parser and the API server, which has the CRD, must agree. */
import type { BadSpec, GoodSpec } from "./specs.ts";

const duration = "1.5s";

export const badFelixSpecs: readonly BadSpec[] = [
  bad("iptablesBackend", "nft", ""),
  bad("nftablesMode", "On", ""),
  bad("chainInsertMode", "Prepend", ""),
  bad("defaultEndpointToHostAction", "Allow", ""),
  bad("iptablesFilterDenyAction", "Accept", ""),
  bad("iptablesMarkMask", 2 ** 32, ""),
  bad("nftablesMarkMask", -1, ""),
  bad("iptablesRefreshInterval", "10", ""),
  bad("netlinkTimeout", "10 s", ""),
  bad("nftablesRefreshInterval", "soon", ""),
  bad("ipv6Support", "true", ""),
  bad("healthPort", "9099", ""),
  bad("natOutgoingAddress", "2001:db8::1", "it must be an IPv4 address"),
  bad("deviceRouteSourceAddress", "10.0.0.0/8", "it must be an IPv4 address"),
  bad("deviceRouteSourceAddressIPv6", "192.0.2.1", "it must be an IPv6 address"),
  bad("natOutgoingExclusions", "Everything", ""),
  bad("logPrefix", 'a"b', ""),
  bad("logActionRateLimit", "0/second", ""),
  bad("logActionRateLimitBurst", 10_000, ""),
  bad("logSeverityScreen", "None", ""),
  bad("policyChangeConnections", "Drop", ""),
  bad("ipv4NormalRoutePriority", 0, ""),
  bad("featureGates", "=", ""),
  bad("bpfConntrackLogLevel", "off", ""),
  bad("kubeNodePortRanges", [1, 2, 3, 4, 5, 6, 7, 8], ""),
  { ...bad("failsafeInboundHostPorts", [{ protocol: "tcp" }], ""), path: "spec.failsafeInboundHostPorts[0].port" },
  {
    ...bad("failsafeOutboundHostPorts", [{ protocol: "icmp", port: 1 }], ""),
    path: "spec.failsafeOutboundHostPorts[0].protocol",
  },
  {
    ...bad("healthTimeoutOverrides", [{ name: "felix", timeout: "long" }], ""),
    path: "spec.healthTimeoutOverrides[0].timeout",
  },
  bad("routeTableRange", { min: 1, max: 251 }, "must be a range of route table indices within 1..250"),
  { ...bad("routeTableRanges", [{ min: 3, max: 2 }], "min must not be greater"), path: "spec.routeTableRanges[0]" },
  {
    kind: "FelixConfiguration",
    spec: { routeTableRange: { min: 1, max: 2 }, routeTableRanges: [] },
    path: "spec",
    sentence: "routeTableRange and routeTableRanges cannot both be set",
  },
];

export const goodFelixSpecs: readonly GoodSpec[] = [
  good({}),
  // In any case, and empty for not set, where upstream takes that.
  good({ chainInsertMode: "append", defaultEndpointToHostAction: "RETURN", logSeverityScreen: "", bpfLogLevel: "" }),
  good({ iptablesBackend: "NFT", nftablesMode: "Enabled", bpfConntrackLogLevel: "Off" }),
  good({
    iptablesRefreshInterval: "0s",
    routeRefreshInterval: duration,
    ipsetsRefreshInterval: "",
    netlinkTimeout: "1m30s",
  }),
  good({ iptablesMarkMask: 0xffff0000, nftablesMarkMask: 0 }),
  good({
    natPortRange: "32768:65535",
    kubeNodePortRanges: ["30000:32767", 8080],
    istioDSCPMark: "EF",
    bpfPSNATPorts: 1,
  }),
  good({ natOutgoingAddress: "", deviceRouteSourceAddress: "192.0.2.1", deviceRouteSourceAddressIPv6: "2001:db8::1" }),
  good({
    failsafeInboundHostPorts: [],
    failsafeOutboundHostPorts: [{ port: 22 }, { protocol: "UDP", port: 53, net: "::/0" }],
  }),
  good({
    healthTimeoutOverrides: [{ name: "felix", timeout: "1m" }],
    logActionRateLimit: "10/minute",
    logPrefix: "%t %n",
  }),
  good({ bpfConntrackTimeouts: { tcpFinsSeen: "Auto", udpTimeout: "60s" }, bpfLogFilters: { all: "tcp" } }),
  good({ routeTableRanges: [{ min: 1, max: 300 }], policyChangeConnections: "End" }),
];

// --- internal ---

function bad(field: string, value: unknown, sentence: string): BadSpec {
  return { kind: "FelixConfiguration", spec: { [field]: value }, path: `spec.${field}`, sentence };
}

function good(spec: unknown): GoodSpec {
  return { kind: "FelixConfiguration", spec };
}
