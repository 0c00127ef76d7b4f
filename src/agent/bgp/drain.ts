import { isDeepStrictEqual } from "node:util";
import type { NodeName } from "../../api/names.ts";
import type { KindName, Snapshot } from "../../api/snapshot.ts";
import {
  type DrainRequest,
  type DrainState,
  drainAnnotation,
  drainState,
  drainStatusAnnotation,
  formatDrainStatus,
  parseDrainRequest,
  parseDrainStatus,
} from "../../bgp/plan/drain.ts";
import type { Host } from "../../host/host.ts";
import type { Clock } from "../../net/clock.ts";
import type { Logger } from "../logger.ts";

export interface DrainParts {
  readonly node: NodeName;
  readonly snapshot: Pick<Snapshot, "node" | "attachment">;
  readonly host: Pick<Host, "readFile">;
  /** Usually `localDrainFile`. */
  readonly file: string;
  /** What the own Node's annotation shall say; undefined: it is to go. */
  readonly annotate: (name: string, value: string | undefined) => void;
  /** `state` has changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
}

/**
 * Knows how far this node's network is drained: cordoned (`spec.unschedulable`), asked for on the Node (`drainAnnotation`), or
 * asked for on the machine itself (the file that `margay node drain-net --local` writes, gone after a boot).
 *
 *     Node, attachments ──┐
 *     file, each second ──┼─▶ drainState ─▶ onChange, drainStatusAnnotation
 *     BIRD has taken it ──┘
 *
 * An agent that starts anew goes on where the last one was: since when is told by the status that it has left on the Node.
 */
export class Drain {
  readonly #parts: DrainParts;
  readonly #stopped = new AbortController();
  #state: Pick<DrainState, "isDraining" | "withdrawn"> = { isDraining: false, withdrawn: "nothing" };
  #file: string | undefined;
  /** The request that is announced, and since when by the wall clock. */
  #announced: { readonly id: string; readonly sinceMs: number } | undefined;
  /** Ends the wait for the next look. */
  #waiting = new AbortController();

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** Looks for the first time, and follows the file from then on. To be called once the own Node is known. */
  async start(): Promise<void> {
    await this.#readFile();
    const { node, snapshot } = this.#parts;
    const status = parseDrainStatus(snapshot.node.get(node)?.annotations[drainStatusAnnotation]);
    const sinceMs = Date.parse(status?.since ?? "");
    if (status !== undefined && Number.isFinite(sinceMs)) this.#announced = { id: status.request, sinceMs };
    this.#look();
    void this.#followFile();
  }

  /** For `BgpInputs`. */
  get state(): Pick<DrainState, "isDraining" | "withdrawn"> {
    return this.#state;
  }

  /** To be told which kinds of the snapshot have changed. */
  touched(kinds: ReadonlySet<KindName>): void {
    if (kinds.has("node") || kinds.has("attachment")) this.#look();
  }

  /** BIRD has taken a configuration with this `isDraining`: the wait begins with the first that has it. */
  applied(isDraining: boolean): void {
    const request = this.#request();
    if (!isDraining || request === undefined || this.#announced?.id === request.id) return;
    this.#announced = { id: request.id, sinceMs: this.#parts.clock.now() };
    this.#look();
  }

  stop(): void {
    this.#stopped.abort();
    this.#waiting.abort();
  }

  /** What the machine itself is asked counts before what the Node is asked. */
  #request(): DrainRequest | undefined {
    const { node, snapshot } = this.#parts;
    const text = this.#file ?? snapshot.node.get(node)?.annotations[drainAnnotation];
    return text === undefined ? undefined : parseDrainRequest(text);
  }

  #look(): void {
    if (this.#stopped.signal.aborted) return;
    const { node, snapshot, logger, onChange } = this.#parts;
    const request = this.#request();
    const { againMs, ...state } = drainState({
      cordoned: snapshot.node.get(node)?.unschedulable ?? false,
      request,
      announcedMs: this.#announcedMs(request),
      hasPods: snapshot.attachment.size > 0,
    });
    this.#lookAgain(againMs);
    this.#tell(request, state);
    if (isDeepStrictEqual(state, this.#state)) return;
    this.#state = state;
    logger.info({ ...state, request: request?.id }, "how far this node's network is drained has changed");
    onChange();
  }

  #announcedMs(request: DrainRequest | undefined): number | undefined {
    const announced = this.#announced;
    if (request === undefined || announced?.id !== request.id) return undefined;
    // A clock that was set back makes the wait begin anew, and not last for years.
    const now = this.#parts.clock.now();
    if (announced.sinceMs > now) this.#announced = { ...announced, sinceMs: now };
    return Math.max(0, now - announced.sinceMs);
  }

  #tell(request: DrainRequest | undefined, { withdrawn }: Pick<DrainState, "withdrawn">): void {
    const { annotate } = this.#parts;
    const announced = this.#announced;
    if (request === undefined) this.#announced = undefined;
    if (request === undefined || announced?.id !== request.id) {
      annotate(drainStatusAnnotation, undefined);
      return;
    }
    const state = ({ nothing: "announced", services: "services withdrawn", everything: "withdrawn" } as const)[
      withdrawn
    ];
    const since = new Date(announced.sinceMs).toISOString();
    annotate(drainStatusAnnotation, formatDrainStatus({ state, since, request: request.id }));
  }

  #lookAgain(ms: number | undefined): void {
    if (!this.#waiting.signal.aborted) this.#waiting.abort();
    if (ms === undefined) return;
    this.#waiting = new AbortController();
    this.#parts.clock.sleep(ms, this.#waiting.signal).then(
      () => this.#look(),
      () => undefined,
    );
  }

  async #followFile(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#parts.clock.sleep(fileEveryMs, signal).catch(() => undefined);
      if (!signal.aborted && (await this.#readFile())) this.#look();
    }
  }

  /** True when it is not as before. One that cannot be read counts as it was. */
  async #readFile(): Promise<boolean> {
    const { host, file, logger } = this.#parts;
    const before = this.#file;
    try {
      this.#file = (await host.readFile(file))?.trim();
    } catch (err) {
      logger.warn({ err }, "cannot read whether this machine is asked to drain its network");
    }
    return before !== this.#file;
  }
}

// --- internal ---

const fileEveryMs = 1000;
