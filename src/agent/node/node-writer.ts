import { setImmediate as nextTurn } from "node:timers/promises";
import type { NodeName } from "../../api/names.ts";
import type { Node } from "../../api/objects.ts";
import type { NetworkCondition } from "../../kube/node-status.ts";
import type { Clock } from "../../net/clock.ts";
import { Loop } from "../../reconcile/loop.ts";
import type { Logger } from "../logger.ts";

export interface NodeWriterParts {
  readonly node: NodeName;
  /** The Node as the API server last told it. */
  readonly nodes: ReadonlyMap<NodeName, Node>;
  readonly annotate: (annotations: Readonly<Record<string, string | null>>, signal: AbortSignal) => Promise<void>;
  readonly setCondition: (condition: NetworkCondition, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
}

/**
 * Brings to this node's own Node object what the agent wants to stand there, and brings it again when somebody takes it away.
 * What the API server does not take is tried again, and does not hold up anything else.
 */
export class NodeWriter {
  readonly #parts: NodeWriterParts;
  readonly #stopped = new AbortController();
  readonly #wanted = new Map<string, string | undefined>();
  /** Those of them that a person may change afterwards. */
  readonly #once = new Set<string>();
  #condition: NetworkCondition | undefined;
  /** The Node for which everything has been written, until it changes or something else is wanted. */
  #writtenFor: Node | undefined;
  readonly #loop: Loop;

  constructor(parts: NodeWriterParts) {
    this.#parts = parts;
    const { clock, logger } = parts;
    this.#loop = new Loop({
      pass: () => this.#pass(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      onFailure: (err, attempt) => {
        if (attempt === 1) logger.warn({ err }, "cannot write to this node's Node object: trying again");
      },
      ...{ firstRetryMs: 500, maxRetryMs: 30_000 },
    });
  }

  /** What this annotation shall say from now on; undefined: it shall not be there. `once`: until a person writes something else. */
  annotate(name: string, value: string | undefined, how: "kept" | "once" = "kept"): void {
    if (how === "once") this.#once.add(name);
    if (this.#wanted.has(name) && this.#wanted.get(name) === value) return;
    this.#wanted.set(name, value);
    this.#changed();
  }

  /** The condition NetworkUnavailable from now on. */
  setNetworkCondition(condition: NetworkCondition): void {
    this.#condition = condition;
    this.#changed();
  }

  /** Some Node has changed. */
  touched(): void {
    const own = this.#own();
    // What was written is on its way back.
    if (own === undefined || own === this.#writtenFor) return;
    if (this.#differing(own).length === 0 && !this.#lacksCondition(own)) return;
    // It rejects only when stopped, and then nobody waits for it.
    this.#loop.request().catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#loop.stop();
    await this.#loop.ended();
  }

  #changed(): void {
    this.#writtenFor = undefined;
    this.touched();
  }

  async #pass(): Promise<void> {
    const { annotate, setCondition, logger } = this.#parts;
    // What is wanted in one go is written in one request.
    await nextTurn();
    const own = this.#own();
    if (own === undefined) return;
    const differing = this.#differing(own);
    if (differing.length > 0) {
      const annotations = Object.fromEntries(differing.map((name) => [name, this.#wanted.get(name) ?? null]));
      await annotate(annotations, this.#stopped.signal);
      logger.info({ annotations }, "wrote annotations to this node's Node object");
      for (const name of differing) if (this.#once.delete(name)) this.#wanted.delete(name);
    }
    const condition = this.#condition;
    if (condition !== undefined && this.#lacksCondition(own)) await setCondition(condition, this.#stopped.signal);
    this.#writtenFor = own;
  }

  #own(): Node | undefined {
    return this.#parts.nodes.get(this.#parts.node);
  }

  #differing({ annotations }: Node): readonly string[] {
    return [...this.#wanted].flatMap(([name, value]) => (annotations[name] === value ? [] : [name]));
  }

  #lacksCondition({ networkUnavailable: there }: Node): boolean {
    const wanted = this.#condition;
    if (wanted === undefined) return false;
    return there?.reason !== wanted.reason || there.status !== (wanted.isUnavailable ? "True" : "False");
  }
}
