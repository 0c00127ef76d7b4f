import type { Clock } from "../../net/clock.ts";
import type { Logger } from "../logger.ts";
import { PlainEndpoint, type PlainPlace } from "../plain-endpoint.ts";
import type { AgentMetrics } from "./agent-metrics.ts";

export interface MetricsEndpointParts {
  readonly metrics: Pick<AgentMetrics, "print">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/**
 * `GET /metrics` for Prometheus, by plain HTTP. The agent does not wait for it: a port that it cannot have is reported, and
 * tried again.
 */
export class MetricsEndpoint {
  readonly #endpoint: PlainEndpoint;

  constructor(parts: MetricsEndpointParts) {
    const { metrics, clock, logger } = parts;
    this.#endpoint = new PlainEndpoint({
      ...{ clock, logger, what: "metrics", advice: "another port is set by --metrics-port or prometheusMetricsPort" },
      addPaths: (app) => {
        app.get("/metrics", async (_request, reply) => {
          const { text, contentType } = await metrics.print();
          return reply.type(contentType).send(text);
        });
      },
    });
  }

  /** As `PlainEndpoint.serveAt`; port 0 is nowhere. */
  serveAt(place: PlainPlace | undefined): void {
    this.#endpoint.serveAt(place === undefined || place.port === 0 ? undefined : place);
  }

  stop(): Promise<void> {
    return this.#endpoint.stop();
  }
}
