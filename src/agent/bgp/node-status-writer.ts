import type { CalicoNodeStatus } from "../../api/calico-node-status.ts";
import { calicoNodeStatusKind, resourcePath } from "../../api/kinds.ts";
import type { NodeName } from "../../api/names.ts";
import type { BirdRoute } from "../../bgp/bird/parse-routes.ts";
import { type KubeClient, KubeError } from "../../kube/client.ts";
import type { Clock } from "../../net/clock.ts";
import type { Logger } from "../logger.ts";
import { nodeStatusReport } from "./node-status-report.ts";
import type { Observation } from "./observer.ts";

export interface NodeStatusWriterParts {
  readonly node: NodeName;
  readonly statuses: ReadonlyMap<string, CalicoNodeStatus>;
  readonly observed: () => Observation;
  /** Every route of BIRD's; rejects when it does not answer. */
  readonly routes: () => Promise<readonly BirdRoute[]>;
  readonly client: Pick<KubeClient, "patch">;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn">;
}

/** Writes the status of each CalicoNodeStatus that asks for this node: at once, and then as often as it says. */
export class NodeStatusWriter {
  readonly #parts: NodeStatusWriterParts;
  readonly #written = new Map<string, Written>();
  readonly #stopped = new AbortController();
  #failing = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(parts: NodeStatusWriterParts) {
    this.#parts = parts;
  }

  /** Once BIRD has been looked at: what is written first should be true. */
  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#pass();
      await this.#parts.clock.sleep(lookEveryMs, signal).catch(() => undefined);
    }
  }

  async #pass(): Promise<void> {
    const { node, statuses, clock } = this.#parts;
    for (const name of this.#written.keys()) if (!statuses.has(name)) this.#written.delete(name);
    for (const [name, status] of statuses) {
      if (status.spec.node !== node || !this.#isDue(name, status)) continue;
      // Before the attempt: one that fails is tried again after its period, or ten seconds.
      const wanted = wordsOf(status);
      const isDone = await this.#write(name, status);
      this.#written.set(name, { wanted, at: clock.monotonicNow(), isDone });
    }
  }

  #isDue(name: string, status: CalicoNodeStatus): boolean {
    const written = this.#written.get(name);
    if (written === undefined || written.wanted !== wordsOf(status)) return true;
    const { updatePeriodSeconds } = status.spec;
    const periodMs = written.isDone ? updatePeriodSeconds * 1000 : retryMs;
    return periodMs > 0 && this.#parts.clock.monotonicNow() - written.at >= periodMs;
  }

  async #write(name: string, { spec }: CalicoNodeStatus): Promise<boolean> {
    const { client, observed, routes, logger } = this.#parts;
    try {
      const now = observed();
      const known = now.daemon !== undefined && spec.classes.includes("Routes") ? await routes() : [];
      const status = nodeStatusReport(spec.classes, { observed: now, routes: known });
      const path = `${resourcePath(calicoNodeStatusKind, { name })}/status`;
      await client.patch(path, { status }, { type: "merge", timeoutMs: 10_000, signal: this.#stopped.signal });
      this.#failing.delete(name);
      return true;
    } catch (error) {
      const isGone = error instanceof KubeError && error.status === 404;
      if (isGone || this.#stopped.signal.aborted) return true;
      if (!this.#failing.has(name)) logger.warn({ err: error, name }, "cannot write a CalicoNodeStatus: trying again");
      this.#failing.add(name);
      return false;
    }
  }
}

// --- internal ---

const lookEveryMs = 1_000;
const retryMs = 10_000;

interface Written {
  /** What it asked for. */
  readonly wanted: string;
  /** On the monotonic clock. */
  readonly at: number;
  readonly isDone: boolean;
}

/** An object that was made anew, or asks for something else, is written at once. */
function wordsOf({ metadata, spec }: CalicoNodeStatus): string {
  return JSON.stringify([metadata.uid, spec]);
}
