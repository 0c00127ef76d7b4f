import type { FelixSettings } from "./felix-settings.ts";
import { idleTimeouts } from "./health-timeouts.ts";
import { failsafePorts, portRange } from "./port-readers.ts";
import {
  address,
  expression,
  flag,
  integer,
  interfacePatterns,
  interfacePrefix,
  logRate,
  markMask,
  matching,
  namedPeriods,
  oneOf,
  optional,
  period,
  type Reader,
} from "./readers.ts";

/** One parameter that has an effect. */
export interface Parameter<T> {
  readonly reader: Reader<T>;
  /** What holds when no source has a value. */
  readonly builtIn: T;
  /** What of a value has no effect, each as a sentence without a full stop. */
  idle?(value: T): readonly string[];
}

const allow = oneOf({ Accept: "accept", Return: "return" } as const);
const deny = oneOf({ Drop: "drop", Reject: "reject" } as const);
const seconds = period(1000);
const port = integer(0, 65_535);
const hostAddress = matching(/^[a-zA-Z0-9:._+-]{1,64}$/, "it must be an address, or a name of at most 64 characters");
const anyProtocol = integer(0, 255);
const routeProtocol: Reader<number> = {
  ...anyProtocol,
  text: (text) => {
    const protocol = anyProtocol.text(text);
    if (protocol === 2) throw new Error("it must not be 2, which is what the kernel makes by itself");
    return protocol;
  },
};
const priority = integer(1, 2_147_483_646);
const both = "tcp:179,tcp:2379,tcp:2380,tcp:5473,tcp:6443,tcp:6666,tcp:6667";

/**
 * Every parameter that has an effect. Built-in values are those of upstream's Felix, save that `defaultEndpointToHostAction`
 * is what its manifests set.
 */
export const parameters: { readonly [K in keyof FelixSettings]: Parameter<FelixSettings[K]> } = {
  iptablesBackend: is(oneOf({ Auto: "auto", Legacy: "legacy", NFT: "nft" }, "auto"), "auto"),
  nftablesMode: is(oneOf({ Auto: "auto", Enabled: "enabled", Disabled: "disabled" }, "disabled"), "auto"),
  ipv6Support: is(flag, true),
  interfacePrefix: is(interfacePrefix, "cali"),
  interfaceExclude: is(interfacePatterns, [{ name: "kube-ipvs0" }]),
  chainInsertMode: is(oneOf({ Insert: "insert", Append: "append" }), "insert"),
  defaultEndpointToHostAction: is(oneOf({ Drop: "drop", Return: "return", Accept: "accept" }), "accept"),
  iptablesFilterAllowAction: is(allow, "accept"),
  iptablesMangleAllowAction: is(allow, "accept"),
  iptablesFilterDenyAction: is(deny, "drop"),
  iptablesMarkMask: is(markMask, 0xffff0000),
  nftablesFilterAllowAction: is(allow, "accept"),
  nftablesMangleAllowAction: is(allow, "accept"),
  nftablesFilterDenyAction: is(deny, "drop"),
  nftablesMarkMask: is(markMask, 0xffff0000),
  disableConntrackInvalidCheck: is(flag, false),
  allowVXLANPacketsFromWorkloads: is(flag, false),
  allowIPIPPacketsFromWorkloads: is(flag, false),
  vxlanPort: is(integer(1, 65_535), 4789),
  failsafeInboundHostPorts: is(failsafePorts, failsafePorts.text(`tcp:22,udp:68,${both}`)),
  failsafeOutboundHostPorts: is(failsafePorts, failsafePorts.text(`udp:53,udp:67,${both}`)),
  serviceLoopPrevention: is(oneOf({ Drop: "drop", Reject: "reject", Disabled: "disabled" }, "disabled"), "drop"),
  workloadSourceSpoofing: is(oneOf({ Disabled: "disabled", Any: "any" }, "disabled"), "disabled"),
  floatingIPs: is(oneOf({ Enabled: true, Disabled: false }, false), false),
  maxIpsetSize: is(integer(1, 0xffffffff), 1_048_576),
  logPrefix: is(
    matching(/^[a-zA-Z0-9%: /_-]*$/, "it may hold letters, digits, blanks and %:/_- only"),
    "calico-packet",
  ),
  logActionRateLimit: is(logRate, undefined),
  logActionRateLimitBurst: is(integer(0, 9999), 5),
  natPortRange: is(portRange, undefined),
  natOutgoingAddress: is(address(4), undefined),
  natOutgoingExclusions: is(
    oneOf({ IPPoolsOnly: "pools", IPPoolsAndHostIPs: "pools-and-hosts" } as const, "pools"),
    "pools",
  ),
  iptablesNATOutgoingInterfaceFilter: is(
    optional(
      matching(
        /^([a-zA-Z0-9:._-]{1,15}|[a-zA-Z0-9:._-]{1,14}\+)$/,
        "it must be the name of an interface, which may end with +",
      ),
    ),
    undefined,
  ),
  ipForwarding: is(oneOf({ Enabled: true, Disabled: false }, false), true),
  deviceRouteProtocol: is(routeProtocol, 3),
  deviceRouteSourceAddress: is(address(4), undefined),
  deviceRouteSourceAddressIPv6: is(address(6), undefined),
  removeExternalRoutes: is(flag, true),
  routeSyncDisabled: is(flag, false),
  ipv4NormalRoutePriority: is(priority, 1024),
  ipv6NormalRoutePriority: is(priority, 1024),
  mtuIfacePattern: is(expression, /^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)/),
  iptablesRefreshIntervalMs: is(seconds, 180_000),
  nftablesRefreshIntervalMs: is(seconds, 180_000),
  ipsetsRefreshIntervalMs: is(seconds, 90_000),
  routeRefreshIntervalMs: is(seconds, 90_000),
  interfaceRefreshIntervalMs: is(seconds, 90_000),
  iptablesPostWriteCheckIntervalMs: is(seconds, 5000),
  netlinkTimeoutMs: is(period(1000, "positive"), 10_000),
  dataplaneWatchdogTimeoutMs: is(seconds, 90_000),
  policyChangeConnections: is(oneOf({ Keep: "keep", Report: "report", End: "end" }, "keep"), "keep"),
  logSeverityScreen: is(
    oneOf(
      { Trace: "trace", Debug: "debug", Info: "info", Warning: "warn", Error: "error", Fatal: "fatal" } as const,
      "silent",
    ),
    "info",
  ),
  healthEnabled: is(flag, false),
  healthHost: is(hostAddress, "localhost"),
  healthPort: is(port, 9099),
  healthTimeoutOverrides: { ...is(namedPeriods, new Map()), idle: idleTimeouts },
  prometheusMetricsEnabled: is(flag, false),
  prometheusMetricsHost: is(hostAddress, ""),
  prometheusMetricsPort: is(port, 9091),
  prometheusGoMetricsEnabled: is(flag, true),
  prometheusProcessMetricsEnabled: is(flag, true),
};

/** The name in the environment and the file, where it is not the field's. */
export const localNames: Readonly<Record<string, string>> = {
  iptablesPostWriteCheckInterval: "IptablesPostWriteCheckIntervalSecs",
  iptablesLockProbeInterval: "IptablesLockProbeIntervalMillis",
  netlinkTimeout: "NetlinkTimeoutSecs",
  reportingInterval: "ReportingIntervalSecs",
  reportingTTL: "ReportingTTLSecs",
  endpointReportingDelay: "EndpointReportingDelaySecs",
  usageReportingInitialDelay: "UsageReportingInitialDelaySecs",
  usageReportingInterval: "UsageReportingIntervalSecs",
  ipipEnabled: "IpInIpEnabled",
  ipipMTU: "IpInIpMtu",
  externalNodesList: "ExternalNodesCIDRList",
  bpfConntrackMode: "BPFConntrackCleanupMode",
  wireguardKeepAlive: "WireguardPersistentKeepAlive",
};

/** The field of FelixConfiguration that a setting is read from. */
export function fieldOf(setting: keyof FelixSettings): string {
  return setting.replace(/Ms$/, "");
}

// --- internal ---

function is<T>(reader: Reader<NoInfer<T>> | Reader<T>, builtIn: T): Parameter<T> {
  return { reader: reader as Reader<T>, builtIn };
}
