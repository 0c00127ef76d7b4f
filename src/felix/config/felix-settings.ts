import type { Cidr } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";

/**
 * Every parameter of Felix that has an effect here, by the name of its field in FelixConfiguration; times in milliseconds
 * (`Ms`), 0 for off. What each means stands with the field in `src/api/felix-configuration.ts`.
 */
export interface FelixSettings {
  // Which kernel interfaces carry the rules.
  readonly iptablesBackend: "auto" | "legacy" | "nft";
  readonly nftablesMode: "auto" | "enabled" | "disabled";
  /** False: no IPv6 rule, set or route, also where the kernel has IPv6. */
  readonly ipv6Support: boolean;

  // Rules.
  /** What the names of workload interfaces begin with. */
  readonly interfacePrefix: string;
  /** Interfaces that no host endpoint stands for. */
  readonly interfaceExclude: readonly InterfacePattern[];
  readonly chainInsertMode: "insert" | "append";
  readonly defaultEndpointToHostAction: "drop" | "return" | "accept";
  readonly iptablesFilterAllowAction: "accept" | "return";
  readonly iptablesMangleAllowAction: "accept" | "return";
  readonly iptablesFilterDenyAction: "drop" | "reject";
  /** The bits of the packet mark that are ours with iptables; 32 bits unsigned. */
  readonly iptablesMarkMask: number;
  readonly nftablesFilterAllowAction: "accept" | "return";
  readonly nftablesMangleAllowAction: "accept" | "return";
  readonly nftablesFilterDenyAction: "drop" | "reject";
  /** As `iptablesMarkMask`, with nftables. */
  readonly nftablesMarkMask: number;
  readonly disableConntrackInvalidCheck: boolean;
  readonly allowVXLANPacketsFromWorkloads: boolean;
  readonly allowIPIPPacketsFromWorkloads: boolean;
  /** UDP. */
  readonly vxlanPort: number;
  readonly failsafeInboundHostPorts: readonly FailsafePort[];
  readonly failsafeOutboundHostPorts: readonly FailsafePort[];
  readonly serviceLoopPrevention: "drop" | "reject" | "disabled";
  /** `any`: workloads whose annotation asks for it may send from the networks it names. */
  readonly workloadSourceSpoofing: "disabled" | "any";
  readonly floatingIPs: boolean;
  readonly maxIpsetSize: number;
  /** What a log rule's line begins with; may hold %t, %k, %n and %p. Empty: as built in. */
  readonly logPrefix: string;
  /** Absent: every packet is logged. */
  readonly logActionRateLimit: LogRate | undefined;
  readonly logActionRateLimitBurst: number;

  // What leaves the cluster.
  readonly natPortRange: PortRange | undefined;
  /** IPv4. */
  readonly natOutgoingAddress: Ip | undefined;
  readonly natOutgoingExclusions: "pools" | "pools-and-hosts";
  /** An interface name; a trailing + stands for any ending. */
  readonly iptablesNATOutgoingInterfaceFilter: string | undefined;

  // Routes and the node.
  readonly ipForwarding: boolean;
  /** The protocol number that marks our routes, 0 to 255. */
  readonly deviceRouteProtocol: number;
  /** IPv4. */
  readonly deviceRouteSourceAddress: Ip | undefined;
  /** IPv6. */
  readonly deviceRouteSourceAddressIPv6: Ip | undefined;
  readonly removeExternalRoutes: boolean;
  readonly routeSyncDisabled: boolean;
  readonly ipv4NormalRoutePriority: number;
  readonly ipv6NormalRoutePriority: number;
  /** A regular expression over the names of the interfaces whose MTU pods get; searched for, not anchored. */
  readonly mtuIfacePattern: RegExp;

  // How often the kernel is compared with what it should hold; 0: never.
  readonly iptablesRefreshIntervalMs: number;
  readonly nftablesRefreshIntervalMs: number;
  readonly ipsetsRefreshIntervalMs: number;
  readonly routeRefreshIntervalMs: number;
  readonly interfaceRefreshIntervalMs: number;
  /** How long after a write of rules they are read back; 0: not at all. */
  readonly iptablesPostWriteCheckIntervalMs: number;
  /** After which a netlink request without an answer has failed. */
  readonly netlinkTimeoutMs: number;
  /** After which an apply that makes no progress makes the agent neither ready nor live. */
  readonly dataplaneWatchdogTimeoutMs: number;

  // Established connections that a changed policy forbids.
  readonly policyChangeConnections: "keep" | "report" | "end";

  // Logs, health, metrics.
  readonly logSeverityScreen: LogSeverity;
  readonly healthEnabled: boolean;
  readonly healthHost: string;
  readonly healthPort: number;
  /** How long a part of the agent may make no progress, by its name; 0: forever. `dataplaneTimeoutMs` knows the names. */
  readonly healthTimeoutOverrides: ReadonlyMap<string, number>;
  readonly prometheusMetricsEnabled: boolean;
  /** Empty: every address of the node. */
  readonly prometheusMetricsHost: string;
  readonly prometheusMetricsPort: number;
  /** Metrics of the JavaScript engine. */
  readonly prometheusGoMetricsEnabled: boolean;
  /** Metrics of the process: memory, CPU, file descriptors. */
  readonly prometheusProcessMetricsEnabled: boolean;
}

/** What pino calls the level; `silent` for none. */
type LogSeverity = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** One interface by its name, or all whose name an expression is found in. */
export type InterfacePattern = { readonly name: string } | { readonly pattern: RegExp };

/** Whether one of the patterns is for the interface of this name. */
export function matchesInterface(patterns: readonly InterfacePattern[], name: string): boolean {
  return patterns.some((one) => ("name" in one ? one.name === name : one.pattern.test(name)));
}

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** A port that host endpoints let through whatever their policy. */
export interface FailsafePort {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
  /** Absent: from and to everywhere. */
  readonly net?: Cidr;
}

/** So many packets in each unit of time. */
export interface LogRate {
  readonly packets: number;
  readonly unit: "second" | "minute" | "hour" | "day";
}
