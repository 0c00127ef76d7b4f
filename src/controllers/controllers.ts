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
import { KubeEventRecorder } from "../kube/kube-event-recorder.ts";
import { connect } from "../kube/kubeconfig.ts";
import { countByKind } from "../kube/rejected-objects.ts";
import { AskAgents } from "./ask-agents.ts";
import { ConfigurationController } from "./configuration/configuration-controller.ts";
import { type ControllerEnvironment, readEnvironment } from "./configuration/environment.ts";
import { controllerSettings } from "./configuration/settings.ts";
import type { ControllerParts } from "./controller.ts";
import { DriveControllers } from "./drive-controllers.ts";
import { HostEndpointController } from "./host-endpoints/host-endpoint-controller.ts";
import { IpPoolController } from "./ip-pool/ip-pool-controller.ts";
import { IpamGcController } from "./ipam-gc/ipam-gc-controller.ts";
import { LeaderElection } from "./leader-election.ts";
import { controllersMetrics } from "./metrics/controllers-metrics.ts";
import type { Metric } from "./metrics/metric.ts";
import { MetricsServer } from "./metrics/metrics-server.ts";
import { Reclamations } from "./metrics/reclamations.ts";
import { PolicyReportController } from "./policy-report/policy-report-controller.ts";
import { QueryApi } from "./query-api/query-api.ts";
import { TierController } from "./tiers/tier-controller.ts";

export interface ControllersOptions {
  readonly kubeconfig: string | undefined;
  readonly identity: string;
  /** Where the query API is served: an address of this machine, or `0.0.0.0`; TCP. */
  readonly queryAddress: string;
  readonly queryPort: number;
  /** Where metrics and health are served, on the port that the configuration says. */
  readonly metricsAddress: string;
  readonly logger: PinoLogger;
  /** Undefined: what the configuration says. */
  readonly fixedLogLevel: string | undefined;
}

/** The Lease by which the processes agree on a leader. */
const leaseName = "margay-controllers";

/** It is looked at every two seconds. */
const blindSeconds = 60;

/**
 * The cluster-wide controllers. Every such process follows the API server; the one that leads also acts:
 *
 *     API server ─▶ ChangeFeed ─▶ snapshot ─┬─▶ configuration, pools, tiers, host endpoints, events ─▶ API server
 *                                           └─▶ IpamGcController ─▶ agents, API server
 *     Lease margay-controllers ─▶ LeaderElection ─▶ DriveControllers ─▶ passes
 *     kube-apiserver ─▶ QueryApi ─▶ agents
 *     Prometheus, probes ─▶ MetricsServer
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
  readonly #collector: IpamGcController;
  readonly #reclamations: Reclamations;
  readonly #election: LeaderElection;
  readonly #metrics: MetricsServer;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isSynced = false;

  private constructor(options: ControllersOptions, client: KubeClient, environment: ControllerEnvironment) {
    this.#options = options;
    this.#client = client;
    this.#environment = environment;
    const { logger, identity } = options;
    const clock = systemClock;
    this.#events = new KubeEventRecorder({
      ...{ client, clock, logger, controller: "margay.io/controllers", instance: identity },
    });
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
    this.#reclamations = new Reclamations(this.#snapshot);
    const reclaimer = this.#reclaimerOf(parts);
    this.#collector = new IpamGcController({
      ...{ ...parts, reclaimer, settings: this.#settings },
      onFreed: (freed) => this.#reclamations.add(freed),
    });
    const configuration = new ConfigurationController({ ...parts, environment });
    const controllers = [
      ...[configuration, new IpPoolController({ ...parts, reclaimer }), this.#collector, new TierController(parts)],
      new PolicyReportController({ ...parts, rejected: () => this.#feed.rejected }),
      new HostEndpointController({ ...parts, settings: () => this.#settings().hostEndpoints }),
    ];
    this.#drive = new DriveControllers(controllers, { clock, logger });
    this.#election = new LeaderElection({ client, clock, logger, name: leaseName, identity });
    const { queryAddress, queryPort, metricsAddress } = options;
    this.#query = new QueryApi({ ...parts, host: new LinuxHost(), address: queryAddress, port: queryPort });
    const metrics = () => this.#figures();
    this.#metrics = new MetricsServer({ address: metricsAddress, metrics, fault: () => this.#fault(), clock, logger });
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
    await this.#metrics.stop();
    await this.#events.settled();
    this.#client.close();
  }

  async #run(): Promise<void> {
    const { logger } = this.#options;
    const stop = this.#ending.signal;
    await Promise.race([this.#feed.synced, new Promise((resolve) => stop.addEventListener("abort", resolve))]);
    if (stop.aborted) return;
    logger.info("the process follows the API server");
    this.#isSynced = true;
    this.#query.start();
    this.#metrics.follow(this.#settings());
    await this.#election.run((signal) => this.#drive.lead(signal), stop);
  }

  #take(changes: readonly Change[]): void {
    for (const { kind, key, value } of changes) {
      const objects = this.#snapshot[kind] as Map<string, unknown>;
      if (value === undefined) objects.delete(key);
      else objects.set(key, value);
    }
    const { logger, fixedLogLevel } = this.#options;
    const settings = this.#settings();
    if (fixedLogLevel === undefined) logger.level = settings.logLevel;
    if (this.#isSynced) this.#metrics.follow(settings);
    this.#drive.touched(new Set(changes.map(({ kind }) => kind)));
  }

  readonly #settings = () => controllerSettings(this.#snapshot, this.#environment);

  #figures(): readonly Metric[] {
    const { leads } = this.#drive;
    const reclaimed = this.#reclamations.samples();
    const rejected = countByKind(this.#feed.rejected);
    return controllersMetrics({ view: this.#snapshot, leads, reclaimed, rejected, ...this.#collector.figures });
  }

  #fault(): string | undefined {
    const seconds = Math.round(this.#election.blindMs / 1000);
    return seconds <= blindSeconds
      ? undefined
      : `The API server has not let the leader's Lease be seen for ${seconds} s`;
  }

  #reclaimerOf({ client, snapshot, clock, logger }: ControllerParts): StoreReclaimer {
    const store = new KubeIpamStore({
      client,
      onRejected: (report) => logger.error(report, "cannot read an object of address management: it is set aside"),
      pools: () => [...snapshot.ipPool.values()],
      reservations: () => [...snapshot.ipReservation.values()],
      node: (name) => snapshot.node.get(name),
    });
    return new StoreReclaimer({ store, clock });
  }
}
