import type { FastifyInstance } from "fastify";
import type { Clock } from "../net/clock.ts";
import { messageOf } from "../net/message-of.ts";
import { Loop } from "../reconcile/loop.ts";
import type { Logger } from "./logger.ts";

/** Where to listen. */
export interface PlainPlace {
  /** E.g. `0.0.0.0`, `localhost`. */
  readonly address: string;
  /** TCP. */
  readonly port: number;
}

export interface PlainEndpointParts {
  /** What is served, in the words of a log: `metrics`. */
  readonly what: string;
  /** How another port is chosen, for an error: ends its sentence. */
  readonly advice: string;
  /** Adds the paths. */
  readonly addPaths: (app: FastifyInstance) => void;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/**
 * Serves something for monitoring by plain HTTP, at a place that may change. Nobody waits for it: a port that it cannot have is
 * reported, and tried again.
 */
export class PlainEndpoint {
  readonly #parts: PlainEndpointParts;
  readonly #stopped = new AbortController();
  readonly #loop: Loop;
  #wanted: PlainPlace | undefined;
  #served: { readonly place: PlainPlace; readonly app: FastifyInstance } | undefined;
  #pass: Promise<void> = Promise.resolve();

  constructor(parts: PlainEndpointParts) {
    this.#parts = parts;
    const { clock, logger } = parts;
    this.#loop = new Loop({
      pass: () => {
        this.#pass = this.#move();
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

  /** Serves there, and nowhere else; undefined: nowhere. Returns at once. */
  serveAt(place: PlainPlace | undefined): void {
    if (samePlace(place, this.#wanted)) return;
    this.#wanted = place;
    // It fails only when it is stopped first.
    this.#loop.request().catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#loop.stop();
    this.#stopped.abort();
    await this.#pass.catch(() => undefined);
    await this.#served?.app.close();
  }

  async #move(): Promise<void> {
    const wanted = this.#wanted;
    if (samePlace(wanted, this.#served?.place)) return;
    await this.#served?.app.close();
    this.#served = undefined;
    if (wanted === undefined) return;
    const { what, advice, addPaths, logger } = this.#parts;
    const { plainHttpServer } = await import("../host/plain-http.ts");
    const app = plainHttpServer((err) => logger.warn({ err }, `cannot answer a question about ${what}`));
    addPaths(app);
    try {
      await app.listen({ host: wanted.address, port: wanted.port });
    } catch (cause) {
      await app.close();
      const where = `${wanted.address} port ${wanted.port}`;
      throw new Error(`Cannot serve ${what} on ${where}: ${messageOf(cause)}. It is tried again; ${advice}`, { cause });
    }
    this.#served = { place: wanted, app };
    logger.info({ address: wanted.address, port: wanted.port }, `serves ${what}`);
  }
}

// --- internal ---

function samePlace(a: PlainPlace | undefined, b: PlainPlace | undefined): boolean {
  return a?.address === b?.address && a?.port === b?.port;
}
