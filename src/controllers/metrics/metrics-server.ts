import type { FastifyInstance } from "fastify";
import { plainHttpServer } from "../../host/plain-http.ts";
import type { Clock } from "../../net/clock.ts";
import { messageOf } from "../../net/message-of.ts";
import { Loop } from "../../reconcile/loop.ts";
import type { Logger } from "../logger.ts";
import type { Metric } from "./metric.ts";
import { printMetrics } from "./print-metrics.ts";

export interface MetricsServerParts {
  /** Where to listen, e.g. `0.0.0.0`. */
  readonly address: string;
  /** Asked at each scrape. */
  readonly metrics: () => readonly Metric[];
  /** Why the process is not in order, as a sentence; undefined when it is. */
  readonly fault: () => string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the configuration says of it. */
export interface MetricsSettings {
  /** TCP; 0: nothing is served. */
  readonly metricsPort: number;
  readonly healthChecks: boolean;
}

/**
 * `GET /metrics` for Prometheus, and `GET /healthz`, by plain HTTP, wherever the configuration says now. Nothing else waits
 * for it: a port that it cannot have is reported, and tried again.
 */
export class MetricsServer {
  readonly #parts: MetricsServerParts;
  readonly #loop: Loop;
  #wanted: MetricsSettings | undefined;
  #served: { readonly app: FastifyInstance; readonly port: number } | undefined;
  #pass: Promise<void> = Promise.resolve();
  #pause = new AbortController();
  /** The failure that was told of last, until it is over. */
  #told: string | undefined;

  constructor(parts: MetricsServerParts) {
    this.#parts = parts;
    const { clock } = parts;
    this.#loop = new Loop({
      pass: () => {
        this.#pass = this.#serve();
        return this.#pass;
      },
      sleep: (ms) => clock.sleep(ms, this.#pause.signal).catch(() => undefined),
      onFailure: (error) => this.#tell(error),
      firstRetryMs: 1_000,
      maxRetryMs: 60_000,
    });
  }

  /** Serves as `settings` say from now on; returns at once. */
  follow(settings: MetricsSettings): void {
    const before = this.#wanted;
    this.#wanted = settings;
    if (before?.metricsPort === settings.metricsPort) return;
    // Another port may be free.
    this.#pause.abort();
    this.#pause = new AbortController();
    // The only failure of a request is that the loop was stopped.
    this.#loop.request().catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#loop.stop();
    this.#pause.abort();
    await this.#pass.catch(() => undefined);
    await this.#close();
  }

  async #serve(): Promise<void> {
    const { address, logger } = this.#parts;
    const port = this.#wanted?.metricsPort ?? 0;
    if (this.#served?.port === port) return;
    await this.#close();
    if (port === 0) return;
    const app = this.#makeServer();
    try {
      await app.listen({ host: address, port });
    } catch (cause) {
      await app.close();
      const advice = "Free the port, or set prometheusMetricsPort of KubeControllersConfiguration default to another";
      throw new Error(`Cannot serve metrics and health on ${address} port ${port}: ${messageOf(cause)}. ${advice}`, {
        cause,
      });
    }
    this.#served = { app, port };
    this.#told = undefined;
    logger.info({ address, port }, "serves metrics and health");
  }

  #tell(error: unknown): void {
    const message = messageOf(error);
    const level = message === this.#told ? "debug" : "error";
    this.#told = message;
    this.#parts.logger[level]({ err: error }, message);
  }

  async #close(): Promise<void> {
    const served = this.#served;
    this.#served = undefined;
    await served?.app.close();
  }

  #makeServer(): FastifyInstance {
    const { metrics, fault, logger } = this.#parts;
    const app = plainHttpServer((err) => logger.warn({ err }, "cannot answer a question about metrics or health"));
    app.get("/metrics", async (_request, reply) => {
      const { text, contentType } = await printMetrics(metrics());
      return reply.type(contentType).send(text);
    });
    app.get("/healthz", async (_request, reply) => {
      if (this.#wanted?.healthChecks !== true) return reply.callNotFound();
      const why = fault();
      return reply
        .code(why === undefined ? 200 : 503)
        .type("text/plain")
        .send(`${why ?? "ok"}\n`);
    });
    return app;
  }
}
