/** What a CalicoNodeStatus is told, from one look at BIRD. */
import type { CalicoNodeStatus, CalicoNodeStatusReport } from "../../api/calico-node-status.ts";
import type { BirdRoute } from "../../bgp/bird/parse-routes.ts";
import type { ObservedSession } from "../../bgp/plan/observed-bgp.ts";
import { sessionKindOf } from "../../bgp/plan/session-name.ts";
import { cidrVersion } from "../../net/cidr.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";
import { versionOf } from "../../net/ip.ts";
import type { Observation } from "./observer.ts";

type Class = CalicoNodeStatus["spec"]["classes"][number];

/** What is told of, and of which moment. */
export interface ReportedState {
  readonly observed: Observation;
  /** Read if the class Routes is wanted and BIRD answers. */
  readonly routes: readonly BirdRoute[];
}

/**
 * The status by its classes; `null` for a class that is not wanted takes away what an earlier one has written. One BIRD serves
 * both families. Of each family's routes four thousand at most are told, as an object must not grow past what etcd takes.
 */
export function nodeStatusReport(
  classes: readonly Class[],
  { observed, routes }: ReportedState,
): Record<"agent" | "bgp" | "routes", object | null> & { readonly lastUpdated: string } {
  const has = (name: Class) => classes.includes(name);
  const routesOf = (version: IpVersion) =>
    routes
      .filter(({ destination }) => cidrVersion(destination) === version)
      .slice(0, mostRoutes)
      .map((route) => routeOf(route, observed.sessions));
  const agent: CalicoNodeStatusReport["agent"] = { birdV4: daemonOf(observed), birdV6: daemonOf(observed) };
  const told: CalicoNodeStatusReport["routes"] = { routesV4: routesOf(4), routesV6: routesOf(6) };
  return {
    agent: has("Agent") ? agent : null,
    bgp: has("BGP") ? bgpOf(observed.sessions) : null,
    routes: has("Routes") ? told : null,
    lastUpdated: `${new Date(observed.at).toISOString().slice(0, 19)}Z`,
  };
}

// --- internal ---

const mostRoutes = 4_000;

type Daemon = NonNullable<NonNullable<CalicoNodeStatusReport["agent"]>["birdV4"]>;
type Peer = NonNullable<NonNullable<CalicoNodeStatusReport["bgp"]>["peersV4"]>[number];
type Route = NonNullable<NonNullable<CalicoNodeStatusReport["routes"]>["routesV4"]>[number];

function daemonOf({ daemon }: Observation): Daemon {
  if (daemon === undefined) return { state: "NotReady" };
  const { version, routerId, lastReboot, lastReconfiguration, isRecovering } = daemon;
  return {
    state: isRecovering ? "NotReady" : "Ready",
    ...{ version, routerID: routerId, lastBootTime: lastReboot, lastReconfigurationTime: lastReconfiguration },
  };
}

function bgpOf(sessions: readonly ObservedSession[]): NonNullable<CalicoNodeStatusReport["bgp"]> {
  const [v4, v6] = ([4, 6] as const).map((version) => sessions.filter((one) => versionOf(one.neighbor) === version));
  const count = (own: readonly ObservedSession[] = []) => {
    const established = own.filter(({ state }) => state === "Established").length;
    return { established, not: own.length - established };
  };
  return {
    ...{ numberEstablishedV4: count(v4).established, numberNotEstablishedV4: count(v4).not },
    ...{ numberEstablishedV6: count(v6).established, numberNotEstablishedV6: count(v6).not },
    ...{ peersV4: (v4 ?? []).map(peerOf), peersV6: (v6 ?? []).map(peerOf) },
  };
}

/** Upstream has no word for a pod as a neighbour; a BGPPeer of the node asks for it. */
const peerTypes = { mesh: "NodeMesh", global: "GlobalPeer", node: "NodePeer", workload: "NodePeer" } as const;

function peerOf({ name, neighbor, state, since }: ObservedSession): Peer {
  const kind = sessionKindOf(name);
  return {
    peerIP: neighbor,
    ...(kind !== undefined && { type: peerTypes[kind] }),
    // Upstream has no word for a session that is switched off.
    state: state === "Down" ? "Idle" : state,
    since,
  };
}

function routeOf(
  { destination, isBest, protocol, hops: [hop] }: BirdRoute,
  sessions: readonly ObservedSession[],
): Route {
  const gateway = hop?.via;
  return {
    type: isBest ? "FIB" : "RIB",
    destination,
    ...(gateway !== undefined && { gateway }),
    ...(hop !== undefined && { interface: hop.interface }),
    learnedFrom: sourceOf(protocol, sessions.find(({ name }) => name === protocol)?.neighbor),
  };
}

function sourceOf(protocol: string, peerIP: Ip | undefined): NonNullable<Route["learnedFrom"]> {
  const peer = peerIP === undefined ? {} : { peerIP };
  const kind = sessionKindOf(protocol);
  if (kind !== undefined) return { sourceType: kind === "mesh" ? "NodeMesh" : "BGPPeer", ...peer };
  if (protocol.startsWith("kernel")) return { sourceType: "Kernel" };
  return protocol.startsWith("direct") ? { sourceType: "Direct" } : { sourceType: "Static" };
}
