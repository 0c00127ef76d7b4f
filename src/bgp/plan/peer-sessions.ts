import type { BgpPeer } from "../../api/bgp-peer.ts";
import type { Node } from "../../api/objects.ts";
import { parsePeerAddress } from "../../api/peer-address.ts";
import { parseSelector } from "../../api/selector/parse-selector.ts";
import { selectorMatches } from "../../api/selector/selector-matches.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import { plainSession, type RejectedObject, type Session, type SessionKind } from "./bird-config.ts";
import { addressOf, type PlannedSessions } from "./mesh-sessions.ts";
import { sessionName } from "./session-name.ts";
import { unsupportedField } from "./unsupported-field.ts";

/**
 * The sessions that BGPPeers ask of this node, in both families. Of several with one address, the one with the narrowest
 * scope counts (node, nodeSelector, global), then the first by name. A peer that names the node itself is no session.
 * Every other peer that applies here and gets no session is in `rejected`.
 */
export function planPeers(snapshot: Snapshot, self: Node, mesh: readonly Session[]): PlannedSessions {
  const sessions: Session[] = [];
  const rejected: RejectedObject[] = [];
  const takenBy = new Map(mesh.map((session) => [session.neighbor, "the node-to-node mesh"]));
  for (const peer of byScopeThenName([...snapshot.bgpPeer.values()])) {
    const answer = planPeer(peer, self);
    if (answer === "elsewhere") continue;
    const holder = typeof answer === "string" ? undefined : takenBy.get(answer.neighbor);
    if (typeof answer === "string" || holder !== undefined) {
      const reason =
        typeof answer === "string"
          ? answer
          : `Cannot peer with ${answer.neighbor} twice: ${holder} has a session with it`;
      rejected.push({ kind: "BGPPeer", name: peer.metadata.name, reason });
      continue;
    }
    takenBy.set(answer.neighbor, `BGPPeer ${peer.metadata.name}`);
    sessions.push(answer);
  }
  return { sessions, rejected };
}

// --- internal ---

/** The session; "elsewhere" when the peer is not this node's matter; or the sentence that says why there is none. */
function planPeer(peer: BgpPeer, self: Node): Session | "elsewhere" | string {
  const { spec } = peer;
  if (!appliesTo(peer, self)) return "elsewhere";
  const unsupported = unsupportedField(spec);
  if (unsupported !== undefined) return `Cannot peer as asked: ${unsupported} is not supported yet`;
  const remote = parsePeerAddress(spec.peerIP ?? "");
  if (remote === undefined) return "Cannot peer: peerIP is missing; give the neighbour's address";
  if (self.internalIps.includes(remote.ip)) return "elsewhere";
  if (spec.asNumber === undefined) {
    return `Cannot peer with ${remote.ip}: asNumber is missing or 0; give the neighbour's AS number`;
  }
  const source = addressOf(self, versionOf(remote.ip));
  if (source === undefined) return `Cannot peer with ${remote.ip}: this node has no InternalIP of that family`;
  const kind = kindOf(peer);
  return {
    ...plainSession,
    name: sessionName(kind, remote.ip, remote.port),
    kind,
    neighbor: remote.ip,
    port: remote.port,
    neighborAs: spec.asNumber,
    source: sourceOf(peer, source),
  };
}

function appliesTo({ spec }: BgpPeer, self: Node): boolean {
  if (spec.node) return spec.node === self.name;
  return !spec.nodeSelector || selectorMatches(parseSelector(spec.nodeSelector), self.labels);
}

function kindOf({ spec }: BgpPeer): SessionKind {
  return spec.node || spec.nodeSelector ? "node" : "global";
}

function sourceOf({ spec }: BgpPeer, own: Ip): Ip | undefined {
  return spec.sourceAddress === "None" ? undefined : own;
}

function byScopeThenName(peers: readonly BgpPeer[]): readonly BgpPeer[] {
  const scope = ({ spec }: BgpPeer) => (spec.node ? 0 : spec.nodeSelector ? 1 : 2);
  return peers.toSorted((a, b) => scope(a) - scope(b) || compareText(a.metadata.name, b.metadata.name));
}
