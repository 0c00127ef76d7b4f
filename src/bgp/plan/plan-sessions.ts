import type { NodeName } from "../../api/names.ts";
import type { KindName, Snapshot } from "../../api/snapshot.ts";
import type { BgpInputs } from "./bgp-inputs.ts";
import { type BgpNodes, bgpNodes } from "./bgp-nodes.ts";
import { type BgpSettings, bgpSettings } from "./bgp-settings.ts";
import type { BirdConfig } from "./bird-config.ts";
import { planMesh } from "./mesh-sessions.ts";
import { type PlannedPeers, planPeers } from "./peer-sessions.ts";
import { FilterBook } from "./session-filters.ts";

/** Everything of a node's configuration but what it announces. */
export interface NodeSessions extends PlannedPeers, Pick<BirdConfig, "filters"> {
  readonly settings: BgpSettings;
  readonly nodes: BgpNodes;
}

/** The sessions that a node should have: the mesh's, then those of BGPPeers. Undefined while the Node is not known. */
export function planSessions({
  snapshot,
  node,
  secrets,
}: Pick<BgpInputs, "snapshot" | "node" | "secrets">): NodeSessions | undefined {
  const self = snapshot.node.get(node);
  if (self === undefined) return undefined;
  const { settings, rejected } = bgpSettings(snapshot, node);
  const nodes = bgpNodes(snapshot, self, settings.asNumber);
  const mesh = planMesh(nodes, settings, secrets);
  const filters = new FilterBook(snapshot.bgpFilter);
  const context = { nodes, settings, secrets, filters: filters.of.bind(filters) };
  const peers = planPeers(snapshot, context, mesh.sessions);
  return {
    ...{ settings, nodes, gateways: peers.gateways, filters: filters.used },
    sessions: [...mesh.sessions, ...peers.sessions],
    secrets: [...new Set([...mesh.secrets, ...peers.secrets])],
    rejected: [...rejected, ...nodes.rejected, ...mesh.rejected, ...peers.rejected],
  };
}

/** `NAME/KEY` of every Secret that a session of `node` takes its password from. */
export function secretsOf(snapshot: Snapshot, node: NodeName): ReadonlySet<string> {
  const { bgpPeer, bgpConfiguration } = snapshot;
  const isAsked =
    bgpConfiguration.get("default")?.spec.nodeMeshPassword !== undefined ||
    [...bgpPeer.values()].some(({ spec }) => spec.password !== undefined);
  return new Set(isAsked ? planSessions({ snapshot, node, secrets: new Map() })?.secrets : []);
}

/** The kinds that sessions depend on now. Pods come and go all the time, and count only where some BGPPeer chooses among them. */
export function sessionKinds({ bgpPeer }: Pick<Snapshot, "bgpPeer">): readonly KindName[] {
  const choosesPods = [...bgpPeer.values()].some(({ spec }) => spec.localWorkloadSelector);
  return choosesPods ? [...always, ...ofPods] : always;
}

// --- internal ---

const always = ["node", "bgpPeer", "bgpConfiguration", "bgpFilter"] as const;
const ofPods = ["attachment", "pod", "namespace", "serviceAccount"] as const;
