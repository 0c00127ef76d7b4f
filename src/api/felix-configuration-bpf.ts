/** FelixConfiguration: the eBPF dataplane, which is not here. */
import { z } from "zod";
import {
  anyCase,
  bits,
  count,
  flag,
  numberOrText,
  oneOf,
  period,
  text,
  texts,
  unused,
} from "./felix-configuration-fields.ts";

const bpf = (what: string) => unused(what, "there is no eBPF dataplane");
const onOff = ["Enabled", "Disabled"] as const;
const maglev = { min: 1, max: 3000 };

const timeout = (what: string) =>
  z
    .string()
    .regex(/^(([0-9]*(\.[0-9]*)?(ms|s|h|m|us)+)+|Auto)$/)
    .optional()
    .describe(what);

/** By name, as upstream has them. */
export const bpfFields = {
  bpfEnabled: flag(bpf("Whether eBPF programs stand in place of rules.")),
  bpfAttachType: oneOf(["TC", "TCX", "Netkit"], bpf("How programs are attached.")),
  bpfCTLBLogFilter: text(bpf("What the connect-time load balancer logs.")),
  bpfConnectTimeLoadBalancing: oneOf(["TCP", "Enabled", "Disabled"], bpf("For what Services are resolved at connect.")),
  bpfConnectTimeLoadBalancingEnabled: flag(bpf("Whether they are; deprecated.")),
  bpfConntrackLogLevel: oneOf(["Off", "Debug"], bpf("What the clean-up of connections logs.")),
  bpfConntrackMode: oneOf(["Auto", "Userspace", "BPFProgram"], bpf("Who cleans up connections.")),
  bpfConntrackTimeouts: z
    .object({
      creationGracePeriod: timeout("For new connections."),
      tcpSynSent: timeout("For TCP without an answer."),
      tcpEstablished: timeout("For established TCP."),
      tcpFinsSeen: timeout("For TCP that was closed."),
      tcpResetSeen: timeout("For TCP that was reset."),
      udpTimeout: timeout("For UDP."),
      genericTimeout: timeout("For other protocols."),
      icmpTimeout: timeout("For ICMP."),
    })
    .optional()
    .describe(bpf("How long idle connections are remembered.")),
  bpfDSROptoutCIDRs: texts(bpf("Whom answers do not go to directly.")),
  bpfDataIfacePattern: text(bpf("Which interfaces of the node get programs.")),
  bpfDisableGROForIfaces: text(bpf("Which interfaces lose generic receive offload.")),
  bpfDisableUnprivileged: flag(bpf("Whether others may not load programs.")),
  bpfEnforceRPF: anyCase(["Disabled", "Strict", "Loose"], bpf("How the way back is checked.")),
  bpfExcludeCIDRsFromNAT: texts(bpf("Which Services the node itself serves.")),
  bpfExportBufferSizeMB: count(bpf("The room for events.")),
  bpfExtToServiceConnmark: bits(bpf("The mark of connections from outside.")),
  bpfExternalServiceMode: anyCase(["Tunnel", "DSR"], bpf("How connections from outside reach other nodes.")),
  bpfForceTrackPacketsFromIfaces: texts(bpf("Whose packets are tracked.")),
  bpfHostConntrackBypass: flag(bpf("Whether the kernel's connection tracking is gone round.")),
  bpfHostNetworkedNATWithoutCTLB: oneOf(onOff, bpf("Whether the node's own traffic to Services is translated.")),
  bpfIPFragTimeout: period(bpf("How long fragments are waited for.")),
  bpfIPFragmentReassemblyEnabled: flag(bpf("Whether fragments are put together.")),
  bpfJITHardening: oneOf(["Auto", "Strict"], bpf("Whether the kernel's hardening is lowered.")),
  bpfKubeProxyHealthzPort: count(bpf("The health port of its Service proxy."), { min: 0, max: 65_535 }),
  bpfKubeProxyIptablesCleanupEnabled: flag(bpf("Whether kube-proxy's rules are removed.")),
  bpfKubeProxyMinSyncPeriod: period(bpf("How often its Service proxy writes at most.")),
  bpfL3IfacePattern: text(bpf("Which interfaces are tunnels.")),
  bpfLogFilters: z.record(z.string(), z.string()).optional().describe(bpf("What is logged for which interface.")),
  bpfLogLevel: anyCase(["Off", "Info", "Debug"], bpf("What programs log.")),
  bpfMaglevMaxEndpointsPerService: count(bpf("The most endpoints of a Service with Maglev."), maglev),
  bpfMaglevMaxServices: count(bpf("The most Services with Maglev."), maglev),
  bpfMapSizeConntrack: count(bpf("The room for connections.")),
  bpfMapSizeConntrackCleanupQueue: count(bpf("The room for connections to clean up."), { min: 1 }),
  bpfMapSizeConntrackScaling: anyCase(["Disabled", "DoubleIfFull"], bpf("Whether that room grows.")),
  bpfMapSizeIPSets: count(bpf("The room for members of sets.")),
  bpfMapSizeIfState: count(bpf("The room for interfaces.")),
  bpfMapSizeNATAffinity: count(bpf("The room for affinities.")),
  bpfMapSizeNATBackend: count(bpf("The room for endpoints of Services.")),
  bpfMapSizeNATFrontend: count(bpf("The room for addresses of Services.")),
  bpfMapSizePerCpuConntrack: count(bpf("The room for connections, for each processor.")),
  bpfMapSizeRoute: count(bpf("The room for routes.")),
  bpfOverlayHostSourceIP: oneOf(["TunnelAddress", "HostAddress"], bpf("What the node sends from through tunnels.")),
  bpfPSNATPorts: numberOrText().optional().describe(bpf("The ports that are taken when two are the same.")),
  bpfPolicyDebugEnabled: flag(bpf("Whether programs can be looked into.")),
  bpfProfiling: oneOf(onOff, bpf("Whether programs are profiled.")),
  bpfRedirectToPeer: oneOf(onOff, bpf("Whether packets go straight into the pod.")),
};
