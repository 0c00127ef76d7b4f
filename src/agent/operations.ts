import { Registry } from "prom-client";
import type { FelixSettings } from "../felix/config/felix-settings.ts";
import type { Clock } from "../net/clock.ts";
import { HealthBoard, type PartHealth } from "./health/health-board.ts";
import { HealthEndpoint } from "./health/health-endpoint.ts";
import { collectHealth } from "./health/health-metrics.ts";
import { type Logger, watchLogErrors } from "./logger.ts";
import { type AgentCounts, AgentMetrics } from "./metrics/agent-metrics.ts";
import { FelixMetrics } from "./metrics/felix-metrics.ts";
import { MetricsEndpoint } from "./metrics/metrics-endpoint.ts";
import { collectProcessMetrics } from "./metrics/process-metrics.ts";

export interface OperationsParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counts: AgentCounts;
  /** The agent's parts by name, as `/readiness` tells of them. */
  readonly health: Readonly<Record<string, () => PartHealth>>;
}

/** What those who run a node see of its agent: log level, health and metrics, as the settings want them. */
export class Operations {
  readonly registry = new Registry();
  readonly felix = new FelixMetrics(this.registry);
  readonly cni: AgentMetrics;
  readonly #logger: Logger;
  readonly #health: HealthEndpoint;
  readonly #metrics: MetricsEndpoint;
  #countsProcess = false;

  constructor({ clock, logger, counts, health }: OperationsParts) {
    this.#logger = logger;
    this.cni = new AgentMetrics(counts, this.registry);
    const board = new HealthBoard();
    for (const [name, ask] of Object.entries(health)) board.register(name, ask);
    collectHealth(this.registry, board);
    watchLogErrors(logger, this.felix.logFailed);
    this.#health = new HealthEndpoint({ board, clock, logger });
    this.#metrics = new MetricsEndpoint({ metrics: this.cni, clock, logger });
  }

  configure(settings: FelixSettings): void {
    this.#logger.level = settings.logSeverityScreen;
    this.#health.serveAt(
      settings.healthEnabled ? { address: settings.healthHost, port: settings.healthPort } : undefined,
    );
    const { prometheusMetricsEnabled, prometheusMetricsHost, prometheusMetricsPort } = settings;
    this.#metrics.serveAt(
      prometheusMetricsEnabled
        ? { address: prometheusMetricsHost || everyAddress, port: prometheusMetricsPort }
        : undefined,
    );
    const { prometheusProcessMetricsEnabled, prometheusGoMetricsEnabled } = settings;
    const isCounted = prometheusProcessMetricsEnabled || prometheusGoMetricsEnabled;
    if (this.#countsProcess || !prometheusMetricsEnabled || !isCounted) return;
    this.#countsProcess = true;
    collectProcessMetrics(this.registry, {
      ...{ process: prometheusProcessMetricsEnabled, runtime: prometheusGoMetricsEnabled },
    });
  }

  async stop(): Promise<void> {
    await this.#health.stop();
    await this.#metrics.stop();
  }
}

// --- internal ---

const everyAddress = "0.0.0.0";
