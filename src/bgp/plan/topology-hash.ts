import type { Node } from "../../api/objects.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import { shortHash } from "../../net/sha256.ts";
import { asNumberOf } from "./as-number.ts";
import { addressOf } from "./node-address.ts";
import { reflectorClusterOf } from "./reflector.ts";

/**
 * A name for which sessions the cluster's nodes want: the same on every node that sees the same Nodes, BGPPeers and
 * BGPConfigurations. It is of what all plans are made from, and not of one node's sessions: so that a node knows what another
 * one should have come to without planning for it, which for a thousand neighbours would cost seconds.
 * What changes no session (blocks, conditions, other annotations) does not change it. 22 characters, for an annotation.
 */
export function topologyHash({ node, bgpPeer, bgpConfiguration }: TopologyObjects): string {
  const nodes = [...node.values()].sort((a, b) => compareText(a.name, b.name)).map(factsOf);
  const specs = [bgpPeer, bgpConfiguration].map((objects: ReadonlyMap<string, { readonly spec: unknown }>) =>
    [...objects].sort(([a], [b]) => compareText(a, b)).map(([name, { spec }]) => [name, spec]),
  );
  return shortHash(JSON.stringify([nodes, specs]), 22);
}

/** What sessions between nodes, and to the outside, are planned from. */
export type TopologyObjects = Pick<Snapshot, "node" | "bgpPeer" | "bgpConfiguration">;

// --- internal ---

function factsOf(node: Node): readonly unknown[] {
  const labels = Object.entries(node.labels).sort(([a], [b]) => compareText(a, b));
  // 0 stands for the cluster's AS, which is among the BGPConfigurations.
  const own = [asNumberOf(node, 0), reflectorClusterOf(node), addressOf(node, 4), addressOf(node, 6)];
  return [node.name, own, labels];
}
