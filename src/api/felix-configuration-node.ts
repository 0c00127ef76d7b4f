/** FelixConfiguration: routes, the node, and how the agent shows what it does. */
import { z } from "zod";
import { anyCase, anyPeriod, count, flag, oneOf, period, text, unused } from "./felix-configuration-fields.ts";
import { addressText } from "./felix-configuration-rules.ts";
import { durationField } from "./fields.ts";

const severities = ["Trace", "Debug", "Info", "Warning", "Error", "Fatal"];
const priority = { min: 1, max: 2_147_483_646 };
const stdout = "the agent logs to its standard output alone";
const http = "metrics are served over HTTP without TLS";
const bird = "BIRD brings the routes to the other nodes";
const migration = "virtual machines are not moved";

/** By name, as upstream has them. */
export const nodeFields = {
  ipv6Support: flag("Whether there are rules, sets and routes for IPv6, where the kernel has it. Default: true."),
  ipForwarding: oneOf(
    ["Enabled", "Disabled"],
    "Whether the node is made to forward packets. Disabled is for nodes without workloads. Default: Enabled.",
  ),
  deviceRouteProtocol: count("The protocol number that marks our routes in the kernel, 0 to 255. Default: 3."),
  deviceRouteSourceAddress: addressText(
    4,
    "The IPv4 address that the node sends from to its workloads. Default: the kernel's choice.",
  ),
  deviceRouteSourceAddressIPv6: addressText(
    6,
    "The IPv6 address that the node sends from to its workloads. Default: the kernel's choice.",
  ),
  removeExternalRoutes: flag("Whether routes of others to workload interfaces are removed. Default: true."),
  routeSyncDisabled: flag("Leaves every route alone: policy only. Default: false."),
  ipv4NormalRoutePriority: count("The metric of IPv4 routes to workloads. Default: 1024.", priority),
  ipv6NormalRoutePriority: count("The metric of IPv6 routes to workloads. Default: 1024.", priority),
  ipv4ElevatedRoutePriority: count(unused("The metric of IPv4 routes while a workload moves.", migration), priority),
  ipv6ElevatedRoutePriority: count(unused("The metric of IPv6 routes while a workload moves.", migration), priority),
  liveMigrationRouteConvergenceTime: period(unused("How long such routes are kept.", migration)),
  mtuIfacePattern: text(
    "A regular expression over the names of the node's interfaces: pods get the smallest MTU of those it is found in, where " +
      "neither the network's configuration nor /var/lib/calico/mtu says one. Default: ^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*).",
  ),
  requireMTUFile: flag(unused("Whether the agent waits for a file with the MTU.", "it looks at the interfaces")),
  routeRefreshInterval: period(
    "How often the kernel's routes are compared with what they should be. 0s: never. Default: 90s.",
  ),
  interfaceRefreshInterval: period(
    "How often the node's interfaces, their addresses and their settings are read anew. 0s: never. Default: 90s.",
  ),
  netlinkTimeout: period("How long the kernel may take to answer over netlink. Default: 10s."),
  dataplaneWatchdogTimeout: anyPeriod(
    "How long an apply to the kernel may make no progress before the agent says that it is neither live nor ready. " +
      "Default: 90s.",
  ),
  programClusterRoutes: oneOf(
    ["Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"],
    unused("For which pools routes to other nodes are made without BGP.", bird),
  ),
  routeSource: anyCase(["WorkloadIPs", "CalicoIPAM"], unused("What such routes are made from.", bird)),
  localSubnetL2Reachability: oneOf(
    ["Disabled", "PodsAndLoadBalancers"],
    unused("Whether the node answers ARP and NDP for addresses of its own subnet.", "it does not"),
  ),
  localSubnetL2ReachabilityRefreshInterval: anyPeriod(unused("How often it announces them anew.", "it does not")),

  logSeverityScreen: anyCase(
    severities,
    "The least severe messages that the agent logs, to its standard output. Default: Info.",
  ),
  logSeverityFile: anyCase(severities, unused("The least severe messages that go to a file.", stdout)),
  logSeveritySys: anyCase(severities, unused("The least severe messages that go to syslog.", stdout)),
  logFilePath: text(unused("The file that is logged to.", stdout)),
  logDebugFilenameRegex: text(unused("Whose debug messages are logged.", "there is no such choice")),

  healthEnabled: flag("Whether /liveness and /readiness are served by HTTP. Default: false."),
  healthHost: text("The address or name to serve them on. Default: localhost."),
  healthPort: count("The TCP port to serve them on. Default: 9099."),
  healthTimeoutOverrides: z
    .array(
      z.object({
        name: z
          .string()
          .describe(
            "The part of the agent: dataplane, as /liveness names it, or InternalDataplaneMainLoop, as upstream does.",
          ),
        timeout: durationField().describe("How long that part may make no progress. 0s: forever."),
      }),
    )
    .optional()
    .meta({ "x-kubernetes-list-type": "atomic" })
    .describe(
      "For parts of the agent, how long they may make no progress before the agent says that it is not live. It goes before " +
        "dataplaneWatchdogTimeout.",
    ),
  prometheusMetricsEnabled: flag("Whether /metrics is served by HTTP. Default: false."),
  prometheusMetricsHost: text("The address to serve it on. Default: every one of the node."),
  prometheusMetricsPort: count("The TCP port to serve it on. Default: 9091."),
  prometheusGoMetricsEnabled: flag("Whether metrics of the language's own runtime are among them. Default: true."),
  prometheusProcessMetricsEnabled: flag("Whether metrics of the process are among them. Default: true."),
  prometheusWireGuardMetricsEnabled: flag(
    unused("Whether metrics of WireGuard are among them.", "there is no WireGuard"),
  ),
  prometheusMetricsCAFile: text(unused("The certificate of those who sign clients' certificates.", http)),
  prometheusMetricsCertFile: text(unused("The server's certificate.", http)),
  prometheusMetricsKeyFile: text(unused("The server's private key.", http)),
  prometheusMetricsClientAuth: oneOf(
    ["RequireAndVerifyClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "NoClientCert"],
    unused("Which certificates clients must have.", http),
  ),
};
