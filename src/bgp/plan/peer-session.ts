import type { BgpPeer, BgpPeerSpec } from "../../api/bgp-peer.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import type { Secret } from "./bgp-inputs.ts";
import type { BgpNodes } from "./bgp-nodes.ts";
import type { BgpSettings } from "./bgp-settings.ts";
import { plainSession, type Session } from "./bird-config.ts";
import { waits } from "./mesh-sessions.ts";
import { passwordOf } from "./passwords.ts";
import type { PeerNeighbour } from "./peer-neighbours.ts";
import type { SessionFilters } from "./session-filters.ts";
import { sessionName } from "./session-name.ts";
import { keepaliveTimeS, restartTimeS } from "./session-times.ts";
import { addressFault } from "./speaking-address.ts";

/** What a BGPPeer's sessions are made from, beside the BGPPeer. */
export interface PeerContext {
  readonly nodes: BgpNodes;
  readonly settings: Pick<BgpSettings, "workloadPeering">;
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly filters: (names: readonly string[], version: 4 | 6) => SessionFilters;
}

/** A session, or why there is none. */
export interface PeerSession {
  readonly session: Session | undefined;
  /** `NAME/KEY` of the Secret with its password. */
  readonly secret: string | undefined;
  /** What the BGPPeer asks for and does not get: sentences. */
  readonly problems: readonly string[];
}

/** The session of a BGPPeer with one of its neighbours. */
export function peerSession({ spec }: BgpPeer, neighbour: PeerNeighbour, context: PeerContext): PeerSession {
  const { kind, ip, port } = neighbour;
  const source = sourceOf(spec, neighbour, context);
  if ("problem" in source) return { session: undefined, secret: undefined, problems: [source.problem] };
  const { secret, text: password, held } = passwordOf(spec.password, context.secrets);
  const filters = context.filters(spec.filters, versionOf(ip));
  const [restart, keepalive] = [restartTimeS(spec.maxRestartTime), keepaliveTimeS(spec.keepaliveTime)];
  const reasons = [held, filters.held].filter((one) => one !== undefined);
  const session: Session = {
    ...plainSession,
    ...{ name: sessionName(kind, ip, port), kind, neighbor: ip, port, source: source.ip, password },
    ...{ neighborAs: neighbour.asNumber, localAs: neighbour.localAs },
    passive:
      kind === "workload" || (neighbour.node !== undefined && waits(context.nodes.own, { ip, version: versionOf(ip) })),
    held: reasons.length === 0 ? undefined : reasons.join("; "),
    ...{ reflectorCluster: clusterOf(neighbour, context.nodes), nextHop: nextHopOf(spec, neighbour, context.nodes) },
    ...{ restartTimeS: restart.seconds, keepaliveS: keepalive.seconds },
    allowedLocalAs: spec.numAllowedLocalASNumbers ?? 0,
    ttlSecurityHops: spec.ttlSecurity || undefined,
    bfd: spec.bfd === "Enabled",
    ...{ importFilters: filters.import, exportFilters: filters.export },
  };
  const times = [
    restart.problem === undefined ? undefined : `Cannot use maxRestartTime as it is: ${restart.problem}`,
    keepalive.problem === undefined ? undefined : `Cannot use keepaliveTime: ${keepalive.problem}`,
  ].filter((one) => one !== undefined);
  return { session, secret, problems: [...reasons.map((reason) => `Cannot peer as asked: ${reason}`), ...times] };
}

// --- internal ---

type Source = { readonly ip: Ip | undefined } | { readonly problem: string };

function sourceOf(spec: BgpPeerSpec, { kind, ip }: PeerNeighbour, { nodes, settings }: PeerContext): Source {
  const version = versionOf(ip);
  const own = nodes.own[version];
  if (own === undefined) return { problem: `Cannot peer with ${ip}: this node has no address of that family` };
  if (kind !== "workload") return { ip: spec.sourceAddress === "None" ? undefined : own };
  const peering = settings.workloadPeering[version];
  const fault = peering && addressFault(peering);
  if (fault !== undefined)
    return { problem: `Cannot peer with pods by localWorkloadPeeringIPV${version} ${peering}: ${fault}` };
  if (peering !== undefined) return { ip: peering };
  return {
    problem: `Cannot peer with pods over IPv${version}: BGPConfiguration says no localWorkloadPeeringIPV${version}`,
  };
}

/** The AS that the neighbour sees. */
function shownAs({ localAs }: PeerNeighbour, { self }: BgpNodes): number {
  return localAs ?? self.asNumber;
}

/** A neighbour of the same AS is a client, unless it reflects for the same cluster (as upstream). */
function clusterOf(neighbour: PeerNeighbour, nodes: BgpNodes): Ip | undefined {
  const { cluster } = nodes.self;
  const isClient = neighbour.asNumber === shownAs(neighbour, nodes) && neighbour.node?.cluster !== cluster;
  return isClient ? cluster : undefined;
}

/** `keepOriginalNextHop` is for neighbours of another AS; `nextHopMode` for all (as upstream). */
function nextHopOf(spec: BgpPeerSpec, neighbour: PeerNeighbour, nodes: BgpNodes): Session["nextHop"] {
  if (spec.nextHopMode !== undefined) return nextHops[spec.nextHopMode];
  return spec.keepOriginalNextHop && neighbour.asNumber !== shownAs(neighbour, nodes) ? "keep" : "auto";
}

const nextHops = { Auto: "auto", Self: "self", Keep: "keep" } as const;
