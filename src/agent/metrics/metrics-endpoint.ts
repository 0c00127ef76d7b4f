import type { FastifyInstance } from "fastify";
import { plainHttpServer } from "../../host/plain-http.ts";
import type { Clock } from "../../net/clock.ts";
import { messageOf } from "../../net/message-of.ts";
import { Loop } from "../../reconcile/loop.ts";
import type { Logger } from "../logger.ts";
import type { AgentMetrics } from "./agent-metrics.ts";

export interface MetricsEndpointParts {
  /** Where to listen, e.g. `0.0.0.0`. */
  readonly address: string;
  /** TCP; 0: nothing is served. */
  readonly port: number;
  readonly metrics: Pick<AgentMetrics, "print">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/**
 * `GET /metrics` for Prometheus, by plain HTTP. The agent does not wait for it: a port that it cannot have is reported, and
 * tried again.
 */
export class MetricsEndpoint {
  readonly #parts: MetricsEndpointParts;
  readonly #stopped = new AbortController();
  readonly #loop: Loop;
  #app: FastifyInstance | undefined;
  #pass: Promise<void> = Promise.resolve();

  constructor(parts: MetricsEndpointParts) {
    this.#parts = parts;
    const { clock, logger } = parts;
    this.#loop = new Loop({
      pass: () => {
        this.#pass = this.#serve();
        return this.#pass;
      },
      sleep: (ms) => clock.sleep(ms, this.#stopped.signal).catch(() => undefined),
      onFailure: (error, attempt) => {
        // Who has the port will hardly give it up between two attempts: to be told once is enough.
        if (attempt === 1) logger.error({ err: error }, messageOf(error));
      },
      ...{ firstRetryMs: 1_000, maxRetryMs: 60_000 },
    });
  }

  /** To be called once; returns at once. */
  start(): void {
    if (this.#parts.port === 0) return;
    // It fails only when it is stopped first.
    this.#loop.request().catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#loop.stop();
    this.#stopped.abort();
    await this.#pass.catch(() => undefined);
    await this.#app?.close();
  }

  async #serve(): Promise<void> {
    const { address, port, logger } = this.#parts;
    const app = this.#makeServer();
    try {
      await app.listen({ host: address, port });
    } catch (cause) {
      await app.close();
      const advice = "It is tried again; another port is set by --metrics-port, and 0 serves none";
      throw new Error(`Cannot serve metrics on ${address} port ${port}: ${messageOf(cause)}. ${advice}`, { cause });
    }
    this.#app = app;
    logger.info({ address, port }, "serves metrics");
  }

  #makeServer(): FastifyInstance {
    const { metrics, logger } = this.#parts;
    const app = plainHttpServer((err) => logger.warn({ err }, "cannot answer a question about metrics"));
    app.get("/metrics", async (_request, reply) => {
      const { text, contentType } = await metrics.print();
      return reply.type(contentType).send(text);
    });
    return app;
  }
}
