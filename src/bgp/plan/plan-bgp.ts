import type { Node } from "../../api/objects.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import { type IpVersion, versionOf } from "../../net/ip.ts";
import { asNumberOf, rejectedAsNumber } from "./as-number.ts";
import type { BgpInputs } from "./bgp-inputs.ts";
import type { BirdConfig, FamilyConfig, RejectedObject, Session } from "./bird-config.ts";
import { planBlackholes, planExports } from "./export-policy.ts";
import { addressOf, planMesh } from "./mesh-sessions.ts";
import { planPeers } from "./peer-sessions.ts";
import { routerIdOfName } from "./router-id.ts";

/** Pods' interfaces, whose addresses are Felix's routes, and kube-proxy's, which holds every Service address on every node. */
const ignoredInterfaces = ["cali*", "kube-ipvs*"] as const;

/**
 * The BGP configuration of `node`: a session to every other node, the BGPPeers that choose it, its blocks announced whole.
 * Equal snapshots give equal values, whatever the order of their maps. What cannot be done is in `rejected`; the rest stands.
 * Undefined while the Node is unknown or has no InternalIP: keep what runs, as dropping every session would cut its pods off.
 *
 * Everything that a session offers is imported, as upstream: what a neighbour may announce is for BGPFilter to narrow.
 */
export function planBgp({ snapshot, node }: BgpInputs): BirdConfig | undefined {
  const self = snapshot.node.get(node);
  if (self === undefined || self.internalIps.length === 0) return undefined;
  const mesh = [planMesh(snapshot, self, 4), planMesh(snapshot, self, 6)];
  const meshSessions = mesh.flatMap((one) => one.sessions);
  const peers = planPeers(snapshot, self, meshSessions);
  const sessions = [...meshSessions, ...peers.sessions];
  return {
    routerId: addressOf(self, 4) ?? routerIdOfName(node),
    localAs: asNumberOf(self),
    ...{ logLevel: "info", listenPort: 179, bindsToNodeIp: false, filters: [] },
    ignoredInterfaces,
    families: ([4, 6] as const).flatMap((version) => planFamily(snapshot, self, version, sessions)),
    rejected: [...rejectedAsNumbers(snapshot), ...mesh.flatMap((one) => one.rejected), ...peers.rejected],
  };
}

// --- internal ---

function planFamily(
  snapshot: Snapshot,
  self: Node,
  version: IpVersion,
  sessions: readonly Session[],
): readonly FamilyConfig[] {
  const address = addressOf(self, version);
  if (address === undefined) return [];
  const exports = planExports(snapshot, self.name, version);
  const own = sessions.filter((session) => versionOf(session.neighbor) === version);
  return [
    {
      ...{ version, address, blackholes: planBlackholes(exports.blocks), exports, sessions: own },
      ...{ gateways: [], serviceRanges: [], normalRoutePriority: 1024 },
    },
  ];
}

function rejectedAsNumbers(snapshot: Snapshot): readonly RejectedObject[] {
  return [...snapshot.node.values()]
    .flatMap((node) => rejectedAsNumber(node) ?? [])
    .sort((a, b) => compareText(a.name, b.name));
}
