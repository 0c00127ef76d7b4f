/** FelixConfiguration: which rules the kernel is given, and by which of its interfaces. */
import { z } from "zod";
import { isIp, versionOf } from "../net/ip.ts";
import { withRules } from "./custom-kind.ts";
import {
  anyCase,
  anyPeriod,
  bits,
  count,
  flag,
  numberOrText,
  oneOf,
  period,
  text,
  unused,
} from "./felix-configuration-fields.ts";

const failsafe = z.object({
  protocol: z
    .string()
    .regex(/^(tcp|udp|sctp)?$/i, { error: "it must be TCP, UDP or SCTP" })
    .meta({ openapi: { type: "string", pattern: "^(?i)(tcp|udp|sctp)?$" } })
    .optional()
    .describe("TCP, UDP or SCTP, in any case. Default: TCP."),
  port: z.int().min(0).max(65_535).describe("The port's number."),
  net: z.string().optional().describe("Only from and to this network or address. Default: every one."),
});

/** The text of an address of one family, or nothing. */
export function addressText(version: 4 | 6, what: string) {
  const rule = {
    cel: `size(self) == 0 || (isIP(self) && ip(self).family() == ${version})`,
    message: `it must be an IPv${version} address`,
    field: "",
    holds: (address: string) => address === "" || (isIp(address) && versionOf(address) === version),
  };
  return withRules(z.string().max(45), [rule]).optional().describe(what);
}

const failsafeHelp =
  "whatever the policy of host endpoints says, so that nobody locks themselves out. An empty list: none. Default:";

/** By name, as upstream has them, and our own `policyChangeConnections`. */
export const ruleFields = {
  iptablesBackend: oneOf(
    ["Legacy", "NFT", "Auto"],
    "Which of the two kinds of iptables rules are written with. Auto: the one that the node's other rules use. Default: Auto.",
  ),
  nftablesMode: oneOf(
    ["Disabled", "Enabled", "Auto"],
    "Whether rules are native nftables and not iptables. Auto: when kube-proxy's are. Default: Auto.",
  ),
  interfacePrefix: text(
    "What the names of workload interfaces begin with. Pods' interfaces are named cali… here, so it must be a beginning " +
      "of that. Default: cali.",
  ),
  interfaceExclude: text(
    "Interfaces that no host endpoint can stand for: names, or regular expressions between slashes, with commas between " +
      "them. Default: kube-ipvs0.",
  ),
  chainInsertMode: anyCase(
    ["Insert", "Append"],
    "Where our rules stand among those of others in the kernel's own chains. Insert: before them. Append: behind them, " +
      "so that whatever they accept goes past policy. Default: Insert.",
  ),
  defaultEndpointToHostAction: anyCase(
    ["Drop", "Accept", "Return"],
    "What becomes of a workload's packet to its own node that its egress policy has let through. Return: the node's own " +
      "rules decide. Default: Accept, as upstream's manifests set it; upstream's own default is Drop.",
  ),
  iptablesFilterAllowAction: anyCase(
    ["Accept", "Return"],
    "With iptables, what becomes of what policy allows. Return: the node's own rules decide. Default: Accept.",
  ),
  iptablesMangleAllowAction: anyCase(
    ["Accept", "Return"],
    "With iptables, what becomes of what policy of host endpoints allows before DNAT. Return: the node's own rules see it " +
      "too. Default: Accept.",
  ),
  iptablesFilterDenyAction: anyCase(
    ["Drop", "Reject"],
    "With iptables, what becomes of what policy does not allow. Reject: its sender is told. Default: Drop.",
  ),
  iptablesMarkMask: bits(
    "With iptables, the bits of the packet mark that are ours; at least 8, which nothing else on the node uses. Default: " +
      "0xffff0000.",
  ),
  iptablesRefreshInterval: period(
    "With iptables, how often the kernel's rules are compared with what they should be. 0s: never. Default: 180s.",
  ),
  iptablesPostWriteCheckInterval: period(
    "How long after iptables rules were written they are read back, to find what another program has overwritten. 0s: " +
      "they are not. Default: 5s.",
  ),
  iptablesLockProbeInterval: period(
    unused("How often the lock of iptables is tried for while it is held.", "iptables itself waits for it"),
  ),
  iptablesNATOutgoingInterfaceFilter: text(
    "Only what leaves by this interface is masqueraded; a trailing + stands for any ending of a name. Default: every one.",
  ),
  ipsetsRefreshInterval: period(
    "How often the kernel's sets of addresses are compared with what they should be. 0s: never. Default: 90s.",
  ),
  maxIpsetSize: count("With iptables, how many members a set of addresses has room for. Default: 1048576."),
  nftablesFilterAllowAction: anyCase(
    ["Accept", "Return"],
    "With nftables, what becomes of what policy allows. Return: the node's own rules decide. Default: Accept.",
  ),
  nftablesMangleAllowAction: anyCase(
    ["Accept", "Return"],
    "With nftables, what becomes of what policy of host endpoints allows before DNAT. Return: the node's own rules see it " +
      "too. Default: Accept.",
  ),
  nftablesFilterDenyAction: anyCase(
    ["Drop", "Reject"],
    "With nftables, what becomes of what policy does not allow. Reject: its sender is told. Default: Drop.",
  ),
  nftablesMarkMask: bits(
    "With nftables, the bits of the packet mark that are ours; at least 8, which nothing else on the node uses. Default: " +
      "0xffff0000.",
  ),
  nftablesRefreshInterval: anyPeriod(
    "With nftables, how often the kernel's rules are compared with what they should be. 0s: never. Default: 180s.",
  ),
  disableConntrackInvalidCheck: flag(
    "Lets packets pass that connection tracking calls invalid, as it does where the two directions of a connection take " +
      "different ways. Default: false.",
  ),
  allowVXLANPacketsFromWorkloads: flag("Lets workloads send VXLAN of their own. Default: false."),
  allowIPIPPacketsFromWorkloads: flag("Lets workloads send IP-in-IP of their own. Default: false."),
  vxlanPort: count("The UDP port that VXLAN is known by. Default: 4789."),
  failsafeInboundHostPorts: z
    .array(failsafe)
    .optional()
    .describe(
      `Ports of the node that are reached ${failsafeHelp} TCP 22, 179, 2379, 2380, 5473, 6443, 6666 and 6667, and UDP 68.`,
    ),
  failsafeOutboundHostPorts: z
    .array(failsafe)
    .optional()
    .describe(
      `Ports that the node reaches ${failsafeHelp} TCP 179, 2379, 2380, 5473, 6443, 6666 and 6667, and UDP 53 and 67.`,
    ),
  kubeNodePortRanges: z
    .array(numberOrText())
    .max(7)
    .optional()
    .describe(
      unused(
        "Ports and ranges, such as 30000:32767, that Services of type NodePort have.",
        "no rule goes by them, since kube-proxy's mode ipvs is not supported",
      ),
    ),
  serviceLoopPrevention: anyCase(
    ["Drop", "Reject", "Disabled"],
    "What becomes of a packet to an address of a Service that no rule has taken up, so that it does not go round. " +
      "Default: Drop.",
  ),
  workloadSourceSpoofing: anyCase(
    ["Disabled", "Any"],
    "Any: pods may send from the networks that their annotation cni.projectcalico.org/allowedSourcePrefixes names, too. " +
      "Default: Disabled.",
  ),
  floatingIPs: oneOf(
    ["Enabled", "Disabled"],
    "Whether pods get the addresses that their annotation cni.projectcalico.org/floatingIPs names. Default: Disabled.",
  ),
  logPrefix: text(
    "What a line begins with that a rule with the action Log writes: %t is the tier's name, %k the kind, %n the name, and " +
      "%p the namespace and name of the policy. A colon and a blank follow. Default: calico-packet.",
    { pattern: /^([a-zA-Z0-9%: /_-])*$/ },
  ),
  logActionRateLimit: text("How many lines each rule with the action Log may write, such as 10/second. Default: all.", {
    pattern: /^[1-9]\d{0,3}\/(?:second|minute|hour|day)$/,
  }),
  logActionRateLimitBurst: count("How many lines such a rule may write at once before that limit holds. Default: 5.", {
    min: 0,
    max: 9999,
  }),
  natPortRange: numberOrText()
    .optional()
    .describe(
      "The ports that masqueraded TCP and UDP is sent from, such as 32768:65535. Default: the kernel's choice.",
    ),
  natOutgoingAddress: addressText(
    4,
    "The IPv4 address that masqueraded pods send from. Default: that of the interface the packet leaves by.",
  ),
  natOutgoingExclusions: oneOf(
    ["IPPoolsOnly", "IPPoolsAndHostIPs"],
    "Towards which addresses pods of masqueraded pools keep their own: those of pools, or those of nodes as well. Default: " +
      "IPPoolsOnly.",
  ),
  policyChangeConnections: oneOf(
    ["Keep", "Report", "End"],
    "What becomes of established connections that a changed policy forbids. Keep: they go on, as with upstream. Report: " +
      "they go on and are logged. End: they are ended. Margay's own. Default: Keep.",
  ),
};
