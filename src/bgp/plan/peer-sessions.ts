import type { BgpPeer } from "../../api/bgp-peer.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, hostCidr } from "../../net/cidr.ts";
import { compareText } from "../../net/compare-text.ts";
import type { Ip } from "../../net/ip.ts";
import type { RejectedObject, Session } from "./bird-config.ts";
import type { PlannedSessions } from "./mesh-sessions.ts";
import { addressesOf, neighboursOf, type PeerNeighbour, reverseNeighboursOf } from "./peer-neighbours.ts";
import { type PeerContext, peerSession } from "./peer-session.ts";

/** The sessions of BGPPeers, and the routes that lead to their neighbours. */
export interface PlannedPeers extends PlannedSessions {
  /** By `reachableBy`, one at most for a destination. */
  readonly gateways: readonly { readonly destination: Cidr; readonly via: Ip }[];
}

/**
 * The sessions that BGPPeers ask of this node, in both families. Of several with one address, the one with the narrowest
 * scope counts (node, nodeSelector, global), then the first by name; what a BGPPeer of another node asks of this one comes after
 * all of them. A peer that names the node itself is no session, and one that cannot be read leaves its neighbours to nobody
 * else. Every other peer that applies here and gets no session, or one
 * that is not as it asks, is in `rejected`.
 */
export function planPeers(snapshot: Snapshot, context: PeerContext, mesh: readonly Session[]): PlannedPeers {
  const plan = new PeerPlan(context, mesh);
  const peers = byScopeThenName([...snapshot.bgpPeer.values()]);
  for (const peer of peers) {
    if (peer.unreadable !== undefined) {
      plan.keepFromOthers(peer, addressesOf(peer, context.nodes, snapshot));
      continue;
    }
    const { neighbours, problem } = neighboursOf(peer, context.nodes, snapshot);
    if (problem !== undefined) plan.reject(peer, problem);
    plan.rejectDoubles(
      peer,
      neighbours.map((neighbour) => plan.add(peer, neighbour)),
    );
  }
  for (const peer of peers.filter(({ unreadable }) => unreadable === undefined)) {
    // Whoever says by an own BGPPeer what he wants of a neighbour has said it: the other end of another's is no mistake then.
    for (const neighbour of reverseNeighboursOf(peer, context.nodes)) plan.add(peer, neighbour);
  }
  return plan;
}

// --- internal ---

/** A neighbour that has a session already. */
interface Double {
  readonly ip: Ip;
  readonly holder: string;
}

class PeerPlan implements PlannedPeers {
  readonly sessions: Session[] = [];
  readonly rejected: RejectedObject[] = [];
  readonly gateways: { readonly destination: Cidr; readonly via: Ip }[] = [];
  readonly #context: PeerContext;
  readonly #takenBy: Map<Ip, string>;
  readonly #secrets = new Set<string>();
  readonly #told = new Set<string>();

  constructor(context: PeerContext, mesh: readonly Session[]) {
    this.#context = context;
    this.#takenBy = new Map(mesh.map(({ neighbor }) => [neighbor, "the node-to-node mesh"]));
  }

  get secrets(): readonly string[] {
    return [...this.#secrets];
  }

  /** Who has the neighbour already, if anybody has; that gives no second session. */
  add(peer: BgpPeer, neighbour: PeerNeighbour): Double | undefined {
    const { ip, gateway } = neighbour;
    const holder = this.#takenBy.get(ip);
    if (holder !== undefined) return { ip, holder };
    const { session, secret, problems } = peerSession(peer, neighbour, this.#context);
    for (const problem of problems) this.reject(peer, problem);
    if (session === undefined) return undefined;
    this.#takenBy.set(ip, `BGPPeer ${peer.metadata.name}`);
    this.sessions.push(session);
    if (secret !== undefined) this.#secrets.add(secret);
    if (gateway !== undefined) this.gateways.push({ destination: hostCidr(ip), via: gateway });
    return undefined;
  }

  /** Of a BGPPeer that cannot be read: nobody speaks with its neighbours, as nobody knows on what terms. */
  keepFromOthers(peer: BgpPeer, ips: readonly Ip[]): void {
    if (ips.length > 0) this.reject(peer, `Cannot peer: ${peer.unreadable}`);
    for (const ip of ips) if (!this.#takenBy.has(ip)) this.#takenBy.set(ip, `BGPPeer ${peer.metadata.name}`);
  }

  /** Once each: what is the same for all neighbours of a BGPPeer is said once. */
  reject({ metadata: { name } }: BgpPeer, reason: string): void {
    const told = `${name} ${reason}`;
    if (this.#told.has(told)) return;
    this.#told.add(told);
    this.rejected.push({ kind: "BGPPeer", name, reason });
  }

  rejectDoubles(peer: BgpPeer, doubles: readonly (Double | undefined)[]): void {
    const found = doubles.filter((one) => one !== undefined);
    for (const [holder, theirs] of Map.groupBy(found, (one) => one.holder)) {
      if (holder === `BGPPeer ${peer.metadata.name}`) continue;
      const [first] = theirs;
      const whom = theirs.length === 1 ? first?.ip : `${first?.ip} and ${theirs.length - 1} more`;
      this.reject(
        peer,
        `Cannot peer with ${whom} twice: ${holder} has a session with ${theirs.length === 1 ? "it" : "each"}`,
      );
    }
  }
}

function byScopeThenName(peers: readonly BgpPeer[]): readonly BgpPeer[] {
  const scope = ({ spec }: BgpPeer) => (spec.node ? 0 : spec.nodeSelector ? 1 : 2);
  return peers.toSorted((a, b) => scope(a) - scope(b) || compareText(a.metadata.name, b.metadata.name));
}
