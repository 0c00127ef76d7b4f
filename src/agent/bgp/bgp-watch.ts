import type { Registry } from "prom-client";
import type { BgpAnswer, BgpQuery } from "../../api/bgp-query.ts";
import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { BirdConfig } from "../../bgp/plan/bird-config.ts";
import type { Host } from "../../host/host.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { EventRecorder } from "../../kube/event-recorder.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ip } from "../../net/ip.ts";
import type { Logger } from "../logger.ts";
import { daemonOf, sessionsOf } from "./bgp-answer.ts";
import { type BgpCondition, BgpConditions } from "./bgp-conditions.ts";
import { collectBgpState } from "./bgp-metrics.ts";
import type { BgpState } from "./bgp-state.ts";
import { FlightRecorder } from "./flight-recorder.ts";
import { NodeStatusWriter } from "./node-status-writer.ts";
import { Observer } from "./observer.ts";
import { SessionTracks } from "./session-tracks.ts";

export interface BgpWatchParts {
  readonly node: NodeName;
  readonly snapshot: Pick<Snapshot, "calicoNodeStatus" | "node">;
  readonly client: Pick<KubeClient, "patch">;
  readonly events: EventRecorder;
  readonly host: Pick<Host, "readFile" | "listFolder">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  /** BIRD's control socket. */
  readonly socketPath: string;
  /** Of the flight recorder. */
  readonly folder: string;
  /** The configuration that BIRD took last; undefined while it took none of this process. */
  readonly configured: () => BirdConfig | undefined;
  /** What keeps BIRD's configuration from being what is wanted, as sentences. */
  readonly pending: () => readonly string[];
}

/**
 * Knows what the node's BIRD does, remembers it, and tells it:
 *
 *     BIRD ─▶ Observer ─┬─▶ SessionTracks ─▶ FlightRecorder ─▶ disk
 *                       ├─▶ BgpConditions ─▶ events on the Node
 *                       ├─▶ NodeStatusWriter ─▶ CalicoNodeStatus
 *                       └─▶ metrics, and answers to the query API
 */
export class BgpWatch {
  readonly observer: Observer;
  readonly recorder: FlightRecorder;
  readonly #parts: BgpWatchParts;
  readonly #tracks: SessionTracks;
  readonly #conditions: BgpConditions;
  readonly #statuses: NodeStatusWriter;

  constructor(parts: BgpWatchParts) {
    this.#parts = parts;
    const { clock, logger } = parts;
    this.observer = new Observer(parts);
    this.recorder = new FlightRecorder(parts);
    this.#tracks = new SessionTracks(this.recorder, () => clock.now());
    this.#conditions = new BgpConditions({
      ...parts,
      wasEstablished: (session) => this.recorder.lastState(session) === "Established",
    });
    this.#statuses = new NodeStatusWriter({
      ...{ node: parts.node, client: parts.client, clock, logger, statuses: parts.snapshot.calicoNodeStatus },
      ...{ observed: () => this.observer.current, routes: () => this.observer.routes() },
    });
    collectBgpState(parts.registry, () => this.#state());
    // Before the tracks: what an earlier process has seen last is known until they note what is seen now.
    this.observer.listen({ looked: (now) => this.#conditions.looked(now, parts.configured()) });
    this.observer.listen(this.#tracks);
    this.observer.listen({
      looked: () => {
        this.recorder.tick();
        this.#statuses.start();
      },
    });
  }

  /** Resolves when the earlier history is read; BIRD is watched from then on. */
  async start(): Promise<void> {
    await this.recorder.load();
    this.observer.start();
  }

  async stop(): Promise<void> {
    await this.observer.stop();
    await this.#statuses.stop();
    await this.recorder.close();
  }

  /** How the sessions are as a whole: no matter of readiness. */
  get condition(): BgpCondition {
    return this.#conditions.condition;
  }

  /** What `margay node status` and others ask for. Rejects when routes are wanted and BIRD does not give them. */
  async answer({ peer, history, routes }: BgpQuery): Promise<Omit<BgpAnswer, "node">> {
    const state = this.#state();
    const { observed, configured } = state;
    const isWanted = ({ neighbor }: { readonly neighbor: Ip }) => peer === undefined || neighbor === peer;
    const known = routes && observed.daemon !== undefined ? await this.observer.routes() : undefined;
    return {
      ...{ at: this.#parts.clock.now(), daemon: daemonOf(state), trouble: observed.trouble },
      ...{ reconfigurations: this.#tracks.reconfigurations, pending: this.#parts.pending() },
      sessions: sessionsOf(state).filter(isWanted),
      rejected: configured?.rejected ?? [],
      history: this.recorder.history({ peer, last: history }),
      ...(known !== undefined && { routes: known }),
    };
  }

  #state(): BgpState {
    const { configured, snapshot } = this.#parts;
    return { observed: this.observer.current, tracks: this.#tracks, configured: configured(), nodes: snapshot.node };
  }
}
