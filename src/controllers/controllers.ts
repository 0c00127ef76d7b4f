import type { Logger as PinoLogger } from "pino";
import type { Change } from "../api/snapshot.ts";
import { emptySnapshot } from "../api/snapshot.ts";
import { systemClock } from "../host/clock.ts";
import { LinuxHost } from "../host/linux-host.ts";
import { StoreReclaimer } from "../ipam/store-reclaimer.ts";
import { ChangeFeed } from "../kube/change-feed.ts";
import type { KubeClient } from "../kube/client.ts";
import { controllerKinds } from "../kube/fed-kinds.ts";
import { KubeIpamStore } from "../kube/ipam-store.ts";
import { connect } from "../kube/kubeconfig.ts";
import { AskAgents } from "./ask-agents.ts";
import { ConfigurationController } from "./configuration/configuration-controller.ts";
import { type ControllerEnvironment, readEnvironment } from "./configuration/environment.ts";
import { controllerSettings } from "./configuration/settings.ts";
import type { Controller, ControllerParts } from "./controller.ts";
import { DriveControllers } from "./drive-controllers.ts";
import { IpPoolController } from "./ip-pool/ip-pool-controller.ts";
import { IpamGcController } from "./ipam-gc/ipam-gc-controller.ts";
import { KubeEventRecorder } from "./kube-event-recorder.ts";
import { LeaderElection } from "./leader-election.ts";
import { QueryApi } from "./query-api/query-api.ts";

export interface ControllersOptions {
  readonly kubeconfig: string | undefined;
  readonly identity: string;
  /** Where the query API is served: an address of this machine, or `0.0.0.0`; TCP. */
  readonly queryAddress: string;
  readonly queryPort: number;
  readonly logger: PinoLogger;
  /** Undefined: what the configuration says. */
  readonly fixedLogLevel: string | undefined;
}

/** The Lease by which the processes agree on a leader. */
const leaseName = "margay-controllers";

/**
 * The cluster-wide controllers. Every such process follows the API server; the one that leads also acts:
 *
 *     API server ─▶ ChangeFeed ─▶ snapshot ─┬─▶ ConfigurationController, IpPoolController ─▶ API server
 *                                           └─▶ IpamGcController ─▶ agents, API server
 *     Lease margay-controllers ─▶ LeaderElection ─▶ DriveControllers ─▶ passes
 *     kube-apiserver ─▶ QueryApi ─▶ agents
 */
export class Controllers {
  readonly #options: ControllersOptions;
  readonly #client: KubeClient;
  readonly #snapshot = emptySnapshot();
  readonly #environment: ControllerEnvironment;
  readonly #feed: ChangeFeed;
  readonly #events: KubeEventRecorder;
  readonly #drive: DriveControllers;
  readonly #query: QueryApi;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(options: ControllersOptions, client: KubeClient, environment: ControllerEnvironment) {
    this.#options = options;
    this.#client = client;
    this.#environment = environment;
    const { logger, identity } = options;
    const clock = systemClock;
    this.#events = new KubeEventRecorder({ client, clock, logger, instance: identity });
    this.#feed = new ChangeFeed({
      client,
      kinds: controllerKinds,
      clock,
      onChanges: (changes) => this.#take(changes),
      onRejected: (report) => logger.error(report, "cannot read an object: it is set aside"),
      onTrouble: ({ kind, error }) => logger.warn({ kind, err: error }, "cannot follow the API server: asking again"),
    });
    const agents = new AskAgents({ client, snapshot: this.#snapshot, clock });
    const parts = { client, snapshot: this.#snapshot, agents, events: this.#events, clock, logger };
    this.#drive = new DriveControllers(this.#controllersOf(parts), { clock, logger });
    const { queryAddress: address, queryPort: port } = options;
    this.#query = new QueryApi({ ...parts, host: new LinuxHost(), address, port });
  }

  /** Resolves when it follows the API server and contends. Rejects when there is no usable kubeconfig or environment. */
  static async start(options: ControllersOptions): Promise<Controllers> {
    const environment = readEnvironment(process.env);
    const client = await connect({ kubeconfig: options.kubeconfig, clock: systemClock });
    const controllers = new Controllers(options, client, environment);
    controllers.#feed.start();
    controllers.#running = controllers.#run();
    return controllers;
  }

  /** Ends all passes, then gives the leadership up. */
  async stop(): Promise<void> {
    this.#ending.abort(new Error("Cannot go on: the process ends"));
    await this.#feed.stop();
    await this.#query.stop();
    await this.#running;
    await this.#events.settled();
    this.#client.close();
  }

  async #run(): Promise<void> {
    const { logger, identity } = this.#options;
    const stop = this.#ending.signal;
    await Promise.race([this.#feed.synced, new Promise((resolve) => stop.addEventListener("abort", resolve))]);
    if (stop.aborted) return;
    logger.info("the process follows the API server");
    this.#query.start();
    const election = new LeaderElection({
      ...{ client: this.#client, clock: systemClock, logger, name: leaseName, identity },
    });
    await election.run((signal) => this.#drive.lead(signal), stop);
  }

  #take(changes: readonly Change[]): void {
    for (const { kind, key, value } of changes) {
      const objects = this.#snapshot[kind] as Map<string, unknown>;
      if (value === undefined) objects.delete(key);
      else objects.set(key, value);
    }
    const { logger, fixedLogLevel } = this.#options;
    if (fixedLogLevel === undefined) logger.level = this.#settings().logLevel;
    this.#drive.touched(new Set(changes.map(({ kind }) => kind)));
  }

  readonly #settings = () => controllerSettings(this.#snapshot, this.#environment);

  #controllersOf(parts: ControllerParts): readonly Controller[] {
    const { client, snapshot, clock, logger } = parts;
    const store = new KubeIpamStore({
      client,
      onRejected: (report) => logger.error(report, "cannot read an object of address management: it counts as none"),
      pools: () => [...snapshot.ipPool.values()],
      reservations: () => [...snapshot.ipReservation.values()],
      node: (name) => snapshot.node.get(name),
    });
    const reclaimer = new StoreReclaimer({ store, clock });
    return [
      new ConfigurationController({ ...parts, environment: this.#environment }),
      new IpPoolController({ ...parts, reclaimer }),
      new IpamGcController({ ...parts, reclaimer, settings: this.#settings }),
    ];
  }
}
