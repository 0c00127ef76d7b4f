import type { Clock } from "../../net/clock.ts";
import type { Logger } from "../logger.ts";
import { PlainEndpoint, type PlainPlace } from "../plain-endpoint.ts";
import type { HealthBoard, HealthSummary } from "./health-board.ts";

export interface HealthEndpointParts {
  readonly board: Pick<HealthBoard, "summary">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/**
 * `GET /liveness` and `GET /readiness`, for the kubelet: 200 or 503, as upstream, and a line of text for each part. A process whose
 * event loop stands still does not answer at all, which the kubelet takes for what it is. Changes are told in the log when
 * they are seen.
 */
export class HealthEndpoint {
  readonly #parts: HealthEndpointParts;
  readonly #endpoint: PlainEndpoint;
  #told: string | undefined;

  constructor(parts: HealthEndpointParts) {
    this.#parts = parts;
    this.#endpoint = new PlainEndpoint({
      ...{ clock: parts.clock, logger: parts.logger, what: "health" },
      advice: "another port is set by healthPort in FelixConfiguration",
      addPaths: (app) => {
        for (const quality of ["live", "ready"] as const) {
          app.get(`/${quality === "live" ? "liveness" : "readiness"}`, (_request, reply) => {
            const summary = this.#look();
            return reply
              .code(summary[quality] ? 200 : 503)
              .type("text/plain")
              .send(printHealth(summary));
          });
        }
      },
    });
  }

  /** As `PlainEndpoint.serveAt`. */
  serveAt(place: PlainPlace | undefined): void {
    this.#endpoint.serveAt(place);
  }

  stop(): Promise<void> {
    return this.#endpoint.stop();
  }

  #look(): HealthSummary {
    const summary = this.#parts.board.summary();
    const { live, ready, parts } = summary;
    const unwell = [...parts].filter((part) => !part[1].live || !part[1].ready).map(([name]) => name);
    const told = `${live} ${ready} ${unwell.join(" ")}`;
    if (told !== this.#told) {
      const level = live && ready ? "info" : "warn";
      this.#parts.logger[level]({ live, ready, parts: Object.fromEntries(parts) }, "the agent's health has changed");
    }
    this.#told = told;
    return summary;
  }
}

// --- internal ---

/** A line for each part: name, live or not, ready or not, detail. */
function printHealth({ parts }: HealthSummary): string {
  return [...parts]
    .map(([name, { live, ready, detail }]) => {
      return `${name}: ${live ? "live" : "not live"}, ${ready ? "ready" : "not ready"}: ${detail.replaceAll(/\s+/g, " ")}\n`;
    })
    .join("");
}
