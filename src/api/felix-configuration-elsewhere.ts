/** FelixConfiguration: what belongs to OpenStack, Windows, XDP, Istio, flow logs, the Go runtime and debugging. */
import { z } from "zod";
import { withRules } from "./custom-kind.ts";
import { count, flag, numberOrText, oneOf, period, text, unused } from "./felix-configuration-fields.ts";

const openStack = "there is no OpenStack";
const status = "status is not written to the datastore";
const features = "what the kernel can do is looked at";
const flows = "there are no flow logs";
const runtime = "the agent is not written in Go";
const usage = "nothing is reported to anybody";
const debugging = "it is for upstream's own tests";
const tables = "no further route table is used";
const istio = "Istio's ambient mode is not served";
const xdp = "XDP is not used";
const windows = "there is no Windows";
const onOff = ["Enabled", "Disabled"] as const;

const anyRange = z.object({
  min: z.int().describe("The first one."),
  max: z.int().describe("The last one."),
});
type Range = z.output<typeof anyRange>;

const oldRange = withRules(anyRange, [
  {
    cel: "self.min >= 1 && self.max >= self.min && self.max <= 250",
    message: "must be a range of route table indices within 1..250",
    field: "",
    holds: ({ min, max }: Range) => min >= 1 && max >= min && max <= 250,
  },
]);

const range = withRules(anyRange, [
  { cel: "self.min >= 1", message: "min must be >= 1", field: "", holds: ({ min }: Range) => min >= 1 },
  {
    cel: "self.min <= self.max",
    message: "min must not be greater than max",
    field: "",
    holds: ({ min, max }: Range) => min <= max,
  },
]);

/** By name, as upstream has them. */
export const elsewhereFields = {
  useInternalDataplaneDriver: flag(unused("Whether rules are written by Felix itself.", "they are")),
  dataplaneDriver: text(unused("The program that writes rules in its stead.", "there is none")),
  featureDetectOverride: text(unused("What the kernel is taken to be able to do, or not to.", features), {
    pattern: /^([a-zA-Z0-9-_]+=(true|false|),)*([a-zA-Z0-9-_]+=(true|false|))?$/,
  }),
  featureGates: text(unused("Which unfinished features are on.", "there are none"), {
    pattern: /^([a-zA-Z0-9-_]+=([^=]+),)*([a-zA-Z0-9-_]+=([^=]+))?$/,
  }),
  cgroupV2Path: text(unused("Where control groups are.", "they are not used")),
  sidecarAccelerationEnabled: flag(unused("Whether traffic to a pod's sidecar takes a short cut.", "it does not")),
  policySyncPathPrefix: text(unused("Where policy is handed to Istio's proxies.", "it is not yet")),

  metadataAddr: text(unused("Where virtual machines get their metadata.", openStack)),
  metadataPort: count(unused("The port of that.", openStack)),
  openstackRegion: text(unused("The region of the node.", openStack)),
  endpointReportingEnabled: flag(unused("Whether the state of endpoints is written to the datastore.", openStack)),
  endpointReportingDelay: period(unused("How long that may wait.", openStack)),
  endpointStatusPathPrefix: text(
    unused("Where a file says that an endpoint's policy is in force.", "adding a pod ends only once it is"),
  ),
  reportingInterval: period(unused("How often Felix writes its status to the datastore.", status)),
  reportingTTL: period(unused("How long that status holds.", status)),
  usageReportingEnabled: flag(unused("Whether version and size of the cluster are reported.", usage)),
  usageReportingInitialDelay: period(unused("How long until the first report.", usage)),
  usageReportingInterval: period(unused("How often they are reported.", usage)),

  xdpEnabled: flag(unused("Whether untracked policy that denies is done by XDP.", xdp)),
  genericXDPEnabled: flag(unused("Whether that is done also by the slow kind of XDP.", xdp)),
  xdpRefreshInterval: period(unused("How often its programs are compared with what they should be.", xdp)),
  nftablesFlowTableOffload: oneOf(
    ["All", "Disabled"],
    unused("Whether established connections take nftables' short cut.", "they do not"),
  ),
  nftablesFlowTableDataIfacePattern: text(unused("For which interfaces of the node.", "they do not")),
  istioAmbientMode: oneOf(onOff, unused("Whether Felix works with Istio's ambient mode.", istio)),
  istioDSCPMark: numberOrText().optional().describe(unused("The DSCP that marks its traffic.", istio)),
  windowsManageFirewallRules: oneOf(onOff, unused("Whether Windows' firewall is opened for metrics.", windows)),

  flowLogsFlushInterval: period(unused("How often flow logs are handed on.", flows)),
  flowLogsCollectorDebugTrace: flag(unused("Whether their collector logs everything.", flows)),
  flowLogsGoldmaneServer: text(unused("Where they are sent.", flows)),
  flowLogsLocalReporter: oneOf(["Disabled", "Enabled"], unused("Whether they are offered on a socket.", flows)),
  flowLogsPolicyEvaluationMode: oneOf(["None", "Continuous"], unused("Whether pending policy is evaluated.", flows)),

  goGCThreshold: count(unused("How much garbage may gather, in percent.", runtime), { min: -1 }),
  goMemoryLimitMB: count(unused("How much memory may be used.", runtime), { min: -1 }),
  goMaxProcs: count(unused("How many processors may be used.", runtime), { min: -1 }),
  debugMemoryProfilePath: text(unused("Where a profile of the memory is written.", debugging)),
  debugDisableLogDropping: flag(unused("Whether no message may be lost.", "none is")),
  debugSimulateCalcGraphHangAfter: period(unused("When calculation hangs.", debugging)),
  debugSimulateDataplaneHangAfter: period(unused("When the dataplane hangs.", debugging)),
  debugSimulateDataplaneApplyDelay: period(unused("How long each write is delayed.", debugging)),
  debugHost: text(unused("The address that profiles of the process are served on.", "they are not")),
  debugPort: count(unused("The port that they are served on.", "they are not"), { min: 0, max: 65_535 }),

  routeTableRanges: z.array(range).optional().describe(unused("Which route tables may be used.", tables)),
  routeTableRange: oldRange.optional().describe(unused("Which route tables may be used; deprecated.", tables)),
};
