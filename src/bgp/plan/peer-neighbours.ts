import type { BgpPeer } from "../../api/bgp-peer.ts";
import type { Node } from "../../api/objects.ts";
import { parsePeerAddress } from "../../api/peer-address.ts";
import { parseSelector } from "../../api/selector/parse-selector.ts";
import { selectorMatches } from "../../api/selector/selector-matches.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Ip, type IpVersion, versionOf } from "../../net/ip.ts";
import type { BgpNode, BgpNodes } from "./bgp-nodes.ts";
import { bgpPort } from "./bgp-settings.ts";
import type { SessionKind } from "./bird-config.ts";
import { addressFault } from "./speaking-address.ts";
import { workloadAddresses } from "./workload-sessions.ts";

/** Whom a BGPPeer has this node speak with. */
export interface PeerNeighbour {
  readonly kind: SessionKind;
  readonly ip: Ip;
  readonly port: number | undefined;
  readonly asNumber: number;
  /** The AS that we show it instead of the node's own. */
  readonly localAs: number | undefined;
  /** The node of the cluster that it is. */
  readonly node: BgpNode | undefined;
  readonly gateway: Ip | undefined;
}

/** Nobody when the BGPPeer is not this node's matter. */
export interface PeerNeighbours {
  readonly neighbours: readonly PeerNeighbour[];
  /** Why there is nobody although there should be, as a sentence. */
  readonly problem: string | undefined;
}

/** What the BGPPeers' own fields say: for the nodes that `node`, `nodeSelector` or their absence choose. */
export function neighboursOf(peer: BgpPeer, nodes: BgpNodes, snapshot: Snapshot): PeerNeighbours {
  const { spec } = peer;
  if (!localTo(peer)(nodes.self.node)) return nobody;
  if (spec.localWorkloadSelector) return workloads(peer, nodes, snapshot);
  if (spec.peerSelector) return selected(peer, nodes);
  const remote = parsePeerAddress(spec.peerIP ?? "");
  if (remote === undefined) return because("Cannot peer: peerIP is missing; give the neighbour's address");
  const { ip } = remote;
  if (nodes.own[versionOf(ip)] === ip || nodes.self.node.internalIps.includes(ip)) return nobody;
  const fault = addressFault(ip);
  if (fault !== undefined) return because(`Cannot peer with ${ip}: ${fault}`);
  if (spec.asNumber === undefined) {
    return because(`Cannot peer with ${ip}: asNumber is missing or 0; give the neighbour's AS number`);
  }
  const node = nodes.byAddress.get(ip)?.of;
  // A neighbour that is its own gateway is on a connected network: no route is needed then.
  const gateway = spec.reachableBy === ip ? undefined : spec.reachableBy;
  const facts = { kind: kindOf(peer), ip, asNumber: spec.asNumber, localAs: spec.localASNumber, node, gateway };
  return found([{ ...facts, port: remote.port ?? node?.port }]);
}

/**
 * The other end of what the BGPPeer has other nodes do, unless `reversePeering` is Manual (as upstream): a node that is named by
 * peerSelector, or by its address, AS and port, speaks with all that have it as their neighbour.
 */
export function reverseNeighboursOf(peer: BgpPeer, nodes: BgpNodes): readonly PeerNeighbour[] {
  const { spec } = peer;
  if (spec.reversePeering === "Manual" || spec.localWorkloadSelector) return [];
  const versions = spec.peerSelector ? selectedFamilies(spec.peerSelector, nodes) : namedFamily(peer, nodes);
  const isLocal = localTo(peer);
  return nodes.others
    .filter(({ version, of }) => versions.includes(version) && isLocal(of.node))
    .map(({ ip, of }) => ({
      ...{ kind: "node", ip, port: of.port, node: of, gateway: undefined },
      ...{ asNumber: spec.localASNumber ?? of.asNumber, localAs: undefined },
    }));
}

/** Whom a BGPPeer that cannot be read would have this node speak with, as far as that can be read. */
export function addressesOf(peer: BgpPeer, nodes: BgpNodes, snapshot: Snapshot): readonly Ip[] {
  const { spec } = peer;
  if (!localTo(peer)(nodes.self.node)) return [];
  if (spec.localWorkloadSelector) return workloadAddresses(peer, snapshot, nodes.self.node.name);
  if (spec.peerSelector) return selected(peer, nodes).neighbours.map(({ ip }) => ip);
  return [parsePeerAddress(spec.peerIP ?? "")?.ip ?? []].flat();
}

// --- internal ---

const nobody: PeerNeighbours = { neighbours: [], problem: undefined };

function found(neighbours: readonly PeerNeighbour[]): PeerNeighbours {
  return { neighbours, problem: undefined };
}

function because(problem: string): PeerNeighbours {
  return { neighbours: [], problem };
}

function workloads(peer: BgpPeer, { self }: BgpNodes, snapshot: Snapshot): PeerNeighbours {
  const { asNumber, localASNumber: localAs } = peer.spec;
  if (asNumber === undefined)
    return because("Cannot peer with pods: asNumber is missing or 0; give the pods' AS number");
  const facts = { kind: "workload", port: undefined, asNumber, localAs, node: undefined, gateway: undefined } as const;
  return found(workloadAddresses(peer, snapshot, self.node.name).map((ip) => ({ ...facts, ip })));
}

function selected(peer: BgpPeer, { self, own, others }: BgpNodes): PeerNeighbours {
  const { peerSelector = "", localASNumber: localAs } = peer.spec;
  const selector = parseSelector(peerSelector);
  const isSelected = ({ labels }: Node) => selectorMatches(selector, labels);
  const chosen = others.filter(({ of }) => isSelected(of.node));
  const isOne = isSelected(self.node);
  if (chosen.length === 0 && !isOne) return because("Cannot peer: peerSelector chooses no node that has an address");
  const isLocal = localTo(peer);
  return found(
    chosen
      .filter(({ version }) => own[version] !== undefined)
      .map(({ ip, of }) => ({
        ...{ kind: kindOf(peer), ip, port: of.port, node: of, gateway: undefined, localAs },
        // The other end has this node by the same BGPPeer, and so shows us the same AS.
        asNumber: localAs !== undefined && isOne && isLocal(of.node) ? localAs : of.asNumber,
      })),
  );
}

/** The families in which this node is among those that `peerSelector` chooses. */
function selectedFamilies(peerSelector: string, { self, own }: BgpNodes): readonly IpVersion[] {
  const isSelected = selectorMatches(parseSelector(peerSelector), self.node.labels);
  return isSelected ? ([4, 6] as const).filter((version) => own[version] !== undefined) : [];
}

/** The family in which `peerIP` is this node, by its address, the AS and the port if there is one. */
function namedFamily({ spec }: BgpPeer, { self, own }: BgpNodes): readonly IpVersion[] {
  const remote = parsePeerAddress(spec.peerIP ?? "");
  if (remote === undefined || own[versionOf(remote.ip)] !== remote.ip || spec.asNumber !== self.asNumber) return [];
  return remote.port === undefined || remote.port === (self.port ?? bgpPort) ? [versionOf(remote.ip)] : [];
}

/** Whether the BGPPeer's own fields are for a node. */
function localTo({ spec }: BgpPeer): (node: Node) => boolean {
  if (spec.node) return ({ name }) => name === spec.node;
  const selector = parseSelector(spec.nodeSelector ?? "");
  return ({ labels }) => selectorMatches(selector, labels);
}

function kindOf({ spec }: BgpPeer): SessionKind {
  return spec.node || spec.nodeSelector ? "node" : "global";
}
