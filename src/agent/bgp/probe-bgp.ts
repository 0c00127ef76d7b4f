import type {
  BgpProbeQuestion,
  BgpSessionSide,
  BgpSide,
  ConfiguredSession,
  ObservedSide,
} from "../../api/bgp-probe.ts";
import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { BirdError } from "../../bgp/bird/bird-error.ts";
import { msSince } from "../../bgp/bird/parse-status.ts";
import type { BirdStatus } from "../../bgp/bird/read-bird-status.ts";
import { bgpPort, bgpSettings } from "../../bgp/plan/bgp-settings.ts";
import { type BirdConfig, type Session, sessionsByNeighbor } from "../../bgp/plan/bird-config.ts";
import { addressOf, nodesByAddress } from "../../bgp/plan/node-address.ts";
import type { ObservedSession } from "../../bgp/plan/observed-bgp.ts";
import type { Host } from "../../host/host.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ip } from "../../net/ip.ts";
import { messageOf } from "../../net/message-of.ts";
import type { FlightRecorder } from "./flight-recorder.ts";
import { readConnections, readInterfaces } from "./probe-kernel.ts";
import { probeSession } from "./probe-session.ts";

/** Where this node's end of the matter is to be found. */
export interface BgpProbeParts {
  readonly node: NodeName;
  readonly snapshot: Pick<Snapshot, "node" | "bgpConfiguration">;
  /** What the objects ask for now; undefined while the node has no address. */
  readonly wanted: () => BirdConfig | undefined;
  /** What BIRD was given last: sessions that are kept stand in it too. */
  readonly running: () => BirdConfig | undefined;
  /** Rejects with a BirdError. */
  readonly readStatus: () => Promise<BirdStatus>;
  /** The flight recorder. */
  readonly recorder: Pick<FlightRecorder, "history">;
  readonly host: Host;
  readonly clock: Clock;
}

/**
 * Tells this node's end of its BGP sessions, and probes the way to neighbours that it has a session with, and to no one else.
 * Questions are answered one after the other: a probe hears what another sends.
 */
export class BgpProbe {
  readonly #parts: BgpProbeParts;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: BgpProbeParts) {
    this.#parts = parts;
  }

  /** Rejects when too many others wait, or this node's kernel cannot be asked. */
  async answer({ peers }: BgpProbeQuestion): Promise<BgpSide> {
    if (peers.length === 0) return this.#survey();
    if (this.#waiting >= mostWaiting) throw new Error(`Cannot probe now: ${this.#waiting} questions are waiting`);
    this.#waiting++;
    const mine = this.#last.then(() => this.#probe(new Set(peers)));
    this.#last = mine.catch(() => undefined);
    return mine.finally(() => {
      this.#waiting--;
    });
  }

  async #probe(peers: ReadonlySet<Ip>): Promise<BgpSide> {
    const { host } = this.#parts;
    const [before, interfaces] = await Promise.all([this.#survey(), readInterfaces(host)]);
    const planned = this.#planned();
    const probes = before.sessions.map(async (session) => {
      const { neighbor, observed, connection } = session;
      const found = planned.get(neighbor);
      if (!peers.has(neighbor) || found === undefined) return session;
      const isEstablished = observed?.state === "Established" && connection?.backoff === 0;
      const request = { session: found, listenPort: before.listenPort, interfaces, windowMs, isEstablished };
      return { ...session, probe: await probeSession(this.#parts, request) };
    });
    return { ...before, sessions: await Promise.all(probes) };
  }

  async #survey(): Promise<BgpSide> {
    const { node, snapshot, wanted, running, clock, host } = this.#parts;
    const at = clock.now();
    const config = wanted();
    const planned = this.#planned();
    const listenPort = (running() ?? config)?.listenPort ?? bgpPort;
    const ports = [...planned.values()].map(({ port }) => port ?? bgpPort);
    const [daemon, connections] = await Promise.all([this.#daemon(at), readConnections(host, listenPort, ports)]);
    const seen = { planned, config, observed: daemon.sessions, connections };
    const self = snapshot.node.get(node);
    return {
      ...{ node, at, daemon: daemon.state, listenPort },
      ...(daemon.text === undefined ? {} : { daemonText: daemon.text }),
      ...(config === undefined ? {} : { routerId: config.routerId, localAs: config.localAs }),
      isMeshEnabled: bgpSettings(snapshot, node).settings.mesh !== undefined,
      addresses: self === undefined ? [] : ([4, 6] as const).flatMap((version) => addressOf(self, version) ?? []),
      rejected: config?.rejected ?? [],
      sessions: this.#sides(seen),
    };
  }

  #sides({ planned, config, observed, connections }: Seen): readonly BgpSessionSide[] {
    const wanted = sessionsByNeighbor(config);
    const nodes = nodesByAddress(this.#parts.snapshot.node.values());
    const neighbors = new Set([...planned.keys(), ...observed.map(({ neighbor }) => neighbor)]);
    return [...neighbors].map((neighbor) => {
      const [asked, state, node, connection] = [
        wanted.get(neighbor),
        observed.find((one) => one.neighbor === neighbor),
        nodes.get(neighbor),
        connections.get(neighbor),
      ];
      return {
        neighbor,
        ...(node === undefined ? {} : { peerNode: node.name }),
        ...(asked === undefined ? {} : { wanted: configuredOf(asked, config?.localAs ?? 0) }),
        kept: asked === undefined,
        ...(state === undefined ? {} : { observed: state.side }),
        ...(connection === undefined || state?.side.state !== "Established" ? {} : { connection }),
        history: this.#parts.recorder.history({ peer: neighbor, last: mostHistory }),
      };
    });
  }

  /** What runs, and what is wanted of the rest, by neighbour. */
  #planned(): ReadonlyMap<Ip, Session> {
    return new Map([...sessionsByNeighbor(this.#parts.running()), ...sessionsByNeighbor(this.#parts.wanted())]);
  }

  async #daemon(at: number): Promise<Daemon> {
    try {
      const status = await this.#parts.readStatus();
      const sessions = status.sessions.map((session) => {
        const age = msSince(status, session.since);
        const since = age === undefined ? undefined : at - age;
        return { neighbor: session.neighbor, side: observedOf(session, since) };
      });
      return { state: "running", text: undefined, sessions };
    } catch (error) {
      const isGone = error instanceof BirdError && error.reason === "unreachable";
      return { state: isGone ? "not running" : "unknown", text: messageOf(error), sessions: [] };
    }
  }
}

// --- internal ---

/** Longer than a SYN's first repetition, and short enough for an answer within 5 s. */
const windowMs = 1_800;
const mostWaiting = 8;
const mostHistory = 100;

interface Daemon {
  readonly state: BgpSide["daemon"];
  readonly text: string | undefined;
  readonly sessions: readonly ObservedHere[];
}

interface ObservedHere {
  readonly neighbor: Ip;
  readonly side: ObservedSide;
}

interface Seen {
  readonly planned: ReadonlyMap<Ip, Session>;
  readonly config: BirdConfig | undefined;
  readonly observed: readonly ObservedHere[];
  readonly connections: Awaited<ReturnType<typeof readConnections>>;
}

/** Without its password. */
function configuredOf(session: Session, nodeAs: number): ConfiguredSession {
  const { name, kind, neighborAs, localAs, source, port, passive, held, password, ttlSecurityHops } = session;
  return {
    ...{ name, kind, neighborAs, localAs: localAs ?? nodeAs, passive, keyed: password !== undefined },
    ...(source === undefined ? {} : { source }),
    ...(port === undefined ? {} : { port }),
    ...(held === undefined ? {} : { held }),
    ...(ttlSecurityHops === undefined ? {} : { ttlSecurityHops }),
  };
}

function observedOf(session: ObservedSession, since: number | undefined): ObservedSide {
  const { name, state, lastError, neighborRestarts, imported, exported } = session;
  return {
    ...{ name, state, since, neighborRestarts, imported, exported },
    ...(lastError === undefined ? {} : { lastError }),
  };
}
