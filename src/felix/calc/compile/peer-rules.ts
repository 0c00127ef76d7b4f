import { disjunction } from "../../../api/selector/disjunction.ts";
import type { Selector } from "../../../api/selector/selector.ts";
import type { Cidr } from "../../../net/cidr.ts";
import type { SelectedAddresses } from "../compiled-policy.ts";
import type { MatchPlan, PortsMatch, RulePlan } from "../plan.ts";
import { pods } from "./applies-to.ts";
import { byFamily, familiesOf } from "./by-family.ts";
import { type Port, portsMatch } from "./ports-match.ts";
import { selectedAddresses, type UseSet } from "./set-sources.ts";

/** A rule of one of Kubernetes' own kinds of policy: any of the peers by any of the ports. */
export interface PeerRule {
  readonly action: RulePlan["action"];
  readonly origin: number;
  readonly name?: string;
  /** Undefined: everything. */
  readonly peers: readonly Peer[] | undefined;
  /** Undefined: every port of every protocol. */
  readonly ports: readonly PeerPort[] | undefined;
}

/** Pods, or networks without what lies in their exceptions, which are all of the networks' family. */
export type Peer =
  | { readonly kind: "pods"; readonly selected: SelectedAddresses }
  | { readonly kind: "networks"; readonly nets: readonly Cidr[]; readonly except: readonly Cidr[] };

/** Ports of one protocol, or the name of a port. */
export interface PeerPort {
  /** IANA protocol number; undefined, with a name alone: of any protocol. */
  readonly protocol: number | undefined;
  /** Undefined: every port of the protocol. */
  readonly port: Port | undefined;
}

/** Where the rule stands. */
export interface PeerRulePlace {
  readonly direction: "ingress" | "egress";
  /** What the policy applies to: pods, which are the destination of what comes in. */
  readonly own: Selector;
  readonly use: UseSet;
}

/**
 * In the terms of the plan: one rule for each protocol and peer, all networks without exceptions being one peer of each
 * family, and all pods being one where there are many of them or many ports. So rules and sets grow with peers and ports
 * together, and not with their product, but for networks with exceptions.
 */
export function peerRules({ peers, ports, ...head }: PeerRule, place: PeerRulePlace): readonly RulePlan[] {
  const protocols = byProtocol(ports);
  const matched = (peers === undefined ? [anybody] : merged(peers, protocols.some(hasManyPorts)).map(matchedPeer))
    .map((peer) => ({ ...peer, families: familiesOf(undefined, [peer.match]) }))
    .filter(({ families }) => families.length > 0);
  const bySelected = [...Map.groupBy(matched, ({ selected }) => selected)];
  return protocols.flatMap((ofProtocol) => {
    const { protocol } = ofProtocol;
    const common = { ...head, ...(protocol !== undefined && { protocol }) };
    return bySelected.flatMap(([selected, alike]) => {
      const byPort = portsOf(selected, ofProtocol, place);
      return alike.flatMap(({ families, ...peer }) => byFamily({ ...common, ...sides(peer, byPort, place) }, families));
    });
  });
}

// --- internal ---

interface MatchedPeer {
  readonly match: MatchPlan;
  /** Who they are, if they are pods. */
  readonly selected: SelectedAddresses | undefined;
}

const anybody: MatchedPeer = { match: {}, selected: undefined };

/** So many pod peers keep sets of their own, which other rules with such a peer share. */
const fewPeers = 10;
/** So many ranges fit into one match of the kernel, whatever they are. */
const fewRanges = 7;

/** Whether one match cannot hold them, so that each peer would have a list of its own of them. */
function hasManyPorts({ ports = [] }: ProtocolPorts): boolean {
  return ports.length > 1 && (ports.length > fewRanges || ports.some((port) => "name" in port));
}

/** Pods as one peer, or as few ones each once, and networks that have no exceptions all together. */
function merged(peers: readonly Peer[], hasMany: boolean): readonly Peer[] {
  const byId = new Map(peers.flatMap((peer) => (peer.kind === "pods" ? [[peer.selected.id, peer]] : [])));
  const podPeers = [...byId.values()];
  const isUnited = podPeers.length > fewPeers || (podPeers.length > 1 && hasMany);
  const networks = peers.filter((peer) => peer.kind === "networks");
  const nets = new Set(networks.flatMap((peer) => (peer.except.length === 0 ? peer.nets : [])));
  const whole: readonly Peer[] = nets.size === 0 ? [] : [{ kind: "networks", nets: [...nets], except: [] }];
  return [
    ...(isUnited ? [united(podPeers)] : podPeers),
    ...whole,
    ...networks.filter(({ except }) => except.length > 0),
  ];
}

function united(podPeers: readonly Extract<Peer, { kind: "pods" }>[]): Peer {
  return { kind: "pods", selected: selectedAddresses(disjunction(podPeers.map(({ selected }) => selected.selector))) };
}

function matchedPeer(peer: Peer): MatchedPeer {
  if (peer.kind === "pods") return { match: {}, selected: peer.selected };
  const { nets, except } = peer;
  return { match: { nets, ...(except.length > 0 && { notNets: except }) }, selected: undefined };
}

/** Undefined ports: all of the protocol, or without a protocol of all. */
interface ProtocolPorts {
  readonly protocol: number | undefined;
  readonly ports: readonly Port[] | undefined;
}

function byProtocol(ports: readonly PeerPort[] | undefined): readonly ProtocolPorts[] {
  if (ports === undefined) return [{ protocol: undefined, ports }];
  const groups = Map.groupBy(ports, ({ protocol }) => protocol);
  return [...groups].map(([protocol, ofProtocol]) => {
    const known = ofProtocol.flatMap(({ port }) => port ?? []);
    return { protocol, ports: known.length === ofProtocol.length ? known : undefined };
  });
}

/** Undefined: no port is asked for. */
function portsOf(
  selected: SelectedAddresses | undefined,
  { protocol, ports }: ProtocolPorts,
  { direction, own, use }: PeerRulePlace,
): PortsMatch | undefined {
  const owners = () => (direction === "ingress" ? selectedAddresses(own) : (selected ?? everyPod));
  return ports && portsMatch(ports, { owners, protocol, use });
}

function sides(
  { match, selected }: MatchedPeer,
  ports: PortsMatch | undefined,
  { direction, use }: PeerRulePlace,
): Pick<RulePlan, "source" | "destination"> {
  const byPort = ports === undefined ? {} : { ports };
  // Named ports alone are those of the selected peers, so that to ask for the peers as well would tell nothing new.
  const told = direction === "egress" && ports?.ranges.length === 0;
  const peer = selected === undefined || told ? match : { sets: [use(selected)] };
  return direction === "ingress"
    ? { source: peer, destination: byPort }
    : { source: {}, destination: { ...peer, ...byPort } };
}

/** Whose named ports a rule without pod peers means: nothing but a pod has ports to Kubernetes. */
const everyPod = selectedAddresses(pods);
