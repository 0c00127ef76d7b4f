import type { BgpConfiguration, BgpConfigurationSpec } from "../../api/bgp-configuration.ts";
import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";
import type { BirdLogLevel, RejectedObject } from "./bird-config.ts";
import { restartTimeS } from "./session-times.ts";

/**
 * What BGPConfigurations say for one node, in our own units, with every default filled in. What they say of Services and of
 * communities is read by `services.ts` and `prefix-communities.ts`.
 */
export interface BgpSettings {
  readonly logLevel: BirdLogLevel;
  /** Undefined: there is none. */
  readonly mesh: MeshSettings | undefined;
  /** The AS of nodes that name none. */
  readonly asNumber: number;
  readonly listenPort: number;
  readonly bindsToNodeIp: boolean;
  /** With those that are never taken as connected. */
  readonly ignoredInterfaces: readonly string[];
  readonly normalRoutePriority: Readonly<Record<IpVersion, number>>;
  /** The addresses by which this node's own pods peer with it. */
  readonly workloadPeering: Readonly<Record<IpVersion, Ip | undefined>>;
}

/** What is the same for all sessions of the mesh. */
interface MeshSettings {
  readonly password: BgpConfigurationSpec["nodeMeshPassword"];
  readonly restartTimeS: number | undefined;
  readonly bfd: boolean;
}

/**
 * The settings of `node`: those of the BGPConfiguration `node.NAME`, of `default`, and the built-in ones, in this order, field
 * by field. Of fields that are for all nodes alike `default` decides; the object of one node cannot have them.
 */
export function bgpSettings(
  { bgpConfiguration }: Pick<Snapshot, "bgpConfiguration">,
  node: NodeName,
): { readonly settings: BgpSettings; readonly rejected: readonly RejectedObject[] } {
  const common = bgpConfiguration.get("default");
  const own = bgpConfiguration.get(`node.${node}`);
  const objects = [own, common].filter((one) => one !== undefined);
  const nobodys = [...bgpConfiguration.keys()].filter((name) => name !== "default" && !name.startsWith("node."));
  return {
    settings: { ...perNode(own?.spec ?? {}, common?.spec ?? {}), ...ofAllNodes(common?.spec ?? {}) },
    rejected: [...objects.flatMap(rejectedFields), ...nobodys.sort(compareText).map(rejectedName)],
  };
}

/** The port on which `node` waits for neighbours. */
export function listenPortOf({ bgpConfiguration }: Pick<Snapshot, "bgpConfiguration">, node: NodeName): number {
  const [own, common] = [bgpConfiguration.get(`node.${node}`), bgpConfiguration.get("default")];
  return own?.spec.listenPort ?? common?.spec.listenPort ?? bgpPort;
}

/** Where a BGP speaker listens unless it says otherwise (RFC 4271). */
export const bgpPort = 179;

// --- internal ---

/** Pods' interfaces, whose addresses are Felix's routes, and kube-proxy's, which holds every Service address on every node. */
const neverConnected = ["cali*", "kube-ipvs*"] as const;

function perNode(own: BgpConfigurationSpec, common: BgpConfigurationSpec) {
  const first = <K extends keyof BgpConfigurationSpec>(field: K) => own[field] ?? common[field];
  // An empty list says nothing, as everywhere in BGPConfiguration.
  const ignored = own.ignoredInterfaces?.length ? own.ignoredInterfaces : (common.ignoredInterfaces ?? []);
  return {
    logLevel: logLevels[first("logSeverityScreen") ?? "Info"],
    listenPort: first("listenPort") ?? bgpPort,
    bindsToNodeIp: first("bindMode") === "NodeIP",
    ignoredInterfaces: [...new Set([...neverConnected, ...ignored])],
    normalRoutePriority: { 4: first("ipv4NormalRoutePriority") ?? 1024, 6: first("ipv6NormalRoutePriority") ?? 1024 },
    workloadPeering: { 4: first("localWorkloadPeeringIPV4"), 6: first("localWorkloadPeeringIPV6") },
  };
}

function ofAllNodes(common: BgpConfigurationSpec) {
  return {
    mesh: common.nodeToNodeMeshEnabled === false ? undefined : meshOf(common),
    asNumber: common.asNumber ?? 64512,
  };
}

function meshOf({ nodeMeshPassword, nodeMeshMaxRestartTime, nodeMeshBFD }: BgpConfigurationSpec): MeshSettings {
  return {
    password: nodeMeshPassword,
    restartTimeS: restartTimeS(nodeMeshMaxRestartTime).seconds,
    bfd: nodeMeshBFD === "Enabled",
  };
}

const logLevels = {
  Debug: "debug",
  Info: "info",
  Warning: "warning",
  Error: "error",
  Fatal: "fatal",
} as const satisfies Record<string, BirdLogLevel>;

function rejectedName(name: string): RejectedObject {
  const reason = "Cannot use it: it is for no node; its name must be default, or node. and a node's name";
  return { kind: "BGPConfiguration", name, reason };
}

function rejectedFields({ metadata: { name }, spec, faults }: BgpConfiguration): readonly RejectedObject[] {
  const reasons = faults.map(({ field, reason }) => `Cannot use ${field}: ${reason}`);
  const restart = restartTimeS(spec.nodeMeshMaxRestartTime).problem;
  if (restart !== undefined) reasons.push(`Cannot use nodeMeshMaxRestartTime as it is: ${restart}`);
  if (spec.programClusterRoutes === "Disabled") {
    reasons.push(
      "Cannot use programClusterRoutes: Disabled: BIRD alone writes the routes to other nodes' pods, and goes on",
    );
  }
  return reasons.map((reason) => ({ kind: "BGPConfiguration", name, reason }));
}
