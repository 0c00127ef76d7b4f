import type { Clock } from "../net/clock.ts";
import { type KubeClient, KubeError, type StreamBatch } from "./client.ts";
import { listPages } from "./list-all.ts";
import { type KubeObject, type ObjectChange, ObjectRevisions } from "./object-revisions.ts";
import { type Message, UnknownFieldError } from "./protobuf/message.ts";
import { readEvent, type WatchEvent, WatchListRefused } from "./watch-event.ts";

/** Where a reflection delivers. Neither may throw. */
export interface ReflectorSink {
  /** The least that changed; never empty. */
  changed(changes: readonly ObjectChange[]): void;
  /** Something went wrong and will be tried again, later and later. An expired watch is no trouble. */
  trouble(error: unknown): void;
  /** The server has taken up a watch: what was told as trouble before is over. */
  answered?(): void;
}

/** What a reflection follows, and how patiently. */
export interface ReflectorOptions {
  readonly clock: Clock;
  readonly fieldSelector?: string;
  /**
   * Has the objects come as protobuf, where the server can, with the fields that this names; as JSON from then on when one has a
   * field that must not be left out.
   */
  readonly message?: Message | undefined;
  /** Objects in one page of a list; default 500. */
  readonly pageSize?: number;
  /** Wait after the first failure, doubled after each further one up to the limit; default 0.5 s to 15 s. */
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
}

/** A reflection that runs. */
export interface Reflection {
  /** Resolves once everything that was there at the start was delivered; stays open when stopped before. */
  readonly synced: Promise<void>;
  /** Nothing is delivered after this call. Resolves when the last request has ended. */
  stop(): Promise<void>;
}

/**
 * Keeps `sink` in step with every object that `path` lists (e.g. `/api/v1/pods`), until stopped: first all there is,
 * then each change as it happens. It uses watch-list streaming where the server has it, and pages of a list where not;
 * it resumes from the last revision it saw, and lists again when the server no longer knows that revision. Then too
 * only differences are delivered.
 */
export function reflect(client: KubeClient, path: string, options: ReflectorOptions, sink: ReflectorSink): Reflection {
  const reflector = new Reflector({ client, path, options, sink });
  const ended = reflector.run();
  return {
    synced: reflector.synced.promise,
    stop: () => {
      reflector.abort.abort();
      return ended;
    },
  };
}

// --- internal ---

interface Parts {
  readonly client: KubeClient;
  readonly path: string;
  readonly options: ReflectorOptions;
  readonly sink: ReflectorSink;
}

/** A reading of everything, under way. */
type Reading = ReturnType<ObjectRevisions["startOver"]>;

/** A watch that lived this long was a good one: the next failure counts as the first. */
const steadyMs = 10_000;
/** How much later than the server promised to end a watch it is taken for dead. */
const graceMs = 30_000;

class Reflector {
  readonly synced = Promise.withResolvers<void>();
  readonly abort = new AbortController();
  readonly #parts: Parts;
  readonly #clock: Clock;
  readonly #held = new ObjectRevisions();
  /** Where the next watch goes on; undefined when all must be read anew. */
  #revision: string | undefined;
  #watchList = true;
  /** Undefined once the server has said something in protobuf that only JSON makes clear. */
  #message: Message | undefined;
  #failures = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#clock = parts.options.clock;
    this.#message = parts.options.message;
  }

  async run(): Promise<void> {
    while (!this.abort.signal.aborted) {
      const begun = this.#clock.monotonicNow();
      const error = await this.#round().catch((cause: unknown) => cause ?? new Error("unknown failure"));
      if (this.abort.signal.aborted) return;
      if (error instanceof WatchListRefused) {
        this.#watchList = false;
        continue;
      }
      if (error instanceof UnknownFieldError) {
        this.#message = undefined;
        continue;
      }
      if (isExpired(error)) this.#revision = undefined;
      else if (error !== undefined) this.#parts.sink.trouble(error);
      // A server that ends watches at once must not be dialled at once: only a watch that lived resets the wait.
      this.#failures = this.#clock.monotonicNow() - begun >= steadyMs ? 0 : this.#failures + 1;
      await this.#pause();
    }
  }

  /** Returns when a watch ended in good order; throws whatever else ended it. */
  async #round(): Promise<void> {
    if (this.#revision === undefined && !this.#watchList) await this.#list();
    if (this.#revision === undefined)
      await this.#watch({ sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" });
    else await this.#watch({ resourceVersion: this.#revision });
  }

  async #list(): Promise<void> {
    const seen = this.#held.startOver();
    const { client, path, options } = this.#parts;
    const { fieldSelector, pageSize } = options;
    let revision: string | undefined;
    for await (const page of listPages<KubeObject>(client, path, {
      query: { fieldSelector },
      signal: this.abort.signal,
      pageSize,
      message: this.#message,
    })) {
      this.#deliver(page.items.flatMap((object) => seen.put(object)));
      revision = page.resourceVersion;
    }
    this.#deliver(seen.finish());
    this.#nowAt(revision);
    this.synced.resolve();
  }

  async #watch(start: Readonly<Record<string, string | boolean>>): Promise<void> {
    // Spread out, so that a thousand nodes do not come back together.
    const timeoutSeconds = 300 + Math.floor(this.#clock.random() * 300);
    const dead = new AbortController();
    const guard = this.#abortAfter(timeoutSeconds * 1000 + graceMs, dead);
    const signal = AbortSignal.any([this.abort.signal, dead.signal]);
    const { fieldSelector } = this.#parts.options;
    const message = this.#message;
    const query = { fieldSelector, watch: true, allowWatchBookmarks: true, timeoutSeconds, ...start };
    const initial = "sendInitialEvents" in start ? this.#held.startOver() : undefined;
    try {
      const onAnswer = () => this.#parts.sink.answered?.();
      const asked = { query, signal, onAnswer, ...(message === undefined ? {} : { message }) };
      await this.#follow(this.#parts.client.stream(this.#parts.path, asked), initial);
    } catch (cause) {
      throw initial !== undefined && isRefusal(cause) ? new WatchListRefused() : cause;
    } finally {
      guard.abort();
    }
    if (dead.signal.aborted) throw new Error(`Cannot watch ${this.#parts.path}: the server fell silent`);
  }

  async #follow(told: AsyncIterable<StreamBatch>, pending: Reading | undefined): Promise<void> {
    let initial = pending;
    for await (const batch of told) {
      for (const one of batch) initial = this.#take(readEvent(this.#parts.path, one), initial);
    }
  }

  /** The first reading, for as long as it is not over. */
  #take(event: WatchEvent, initial: Reading | undefined): Reading | undefined {
    if (event.type === "BOOKMARK") {
      // A server that does not know the parameter sends a plain bookmark, sooner or later, and never the right one.
      if (initial !== undefined && !event.initialEventsEnd) throw new WatchListRefused();
      this.#deliver(initial?.finish() ?? []);
    } else {
      const isGone = event.type === "DELETED";
      this.#deliver(isGone ? this.#held.remove(event.object) : (initial ?? this.#held).put(event.object));
      if (initial !== undefined) return initial;
    }
    this.#nowAt(event.object.metadata.resourceVersion);
    this.synced.resolve();
    return undefined;
  }

  #deliver(changes: readonly ObjectChange[]): void {
    if (changes.length > 0 && !this.abort.signal.aborted) this.#parts.sink.changed(changes);
  }

  #nowAt(revision: string | undefined): void {
    if (revision !== undefined && revision !== "") this.#revision = revision;
  }

  /** Aborts `target` after `ms`, unless what it gives is aborted before. */
  #abortAfter(ms: number, target: AbortController): AbortController {
    const cancel = new AbortController();
    this.#clock.sleep(ms, cancel.signal).then(
      () => target.abort(),
      () => undefined,
    );
    return cancel;
  }

  async #pause(): Promise<void> {
    if (this.#failures === 0) return;
    const { firstMs, maxMs } = this.#parts.options.backoff ?? { firstMs: 500, maxMs: 15_000 };
    const ms = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures - 1, 30)) * (0.5 + this.#clock.random() / 2);
    // Rejected by `stop` alone, and the loop sees that by itself.
    await this.#clock.sleep(ms, this.abort.signal).catch(() => undefined);
  }
}

/** The server no longer knows the revision, or not yet: it was compacted away, or the datastore went back in time. */
function isExpired(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return error.status === 410 || (error.status === 504 && error.message.includes("Too large resource version"));
}

/**
 * How a server without watch-list streaming answers `sendInitialEvents`: that the parameter is invalid, or, over a
 * datastore too old to report its progress (Debian's etcd 3.4.23), with an internal error. One that is really broken
 * fails the list too, so taking any internal error for this costs nothing.
 */
function isRefusal(error: unknown): boolean {
  return error instanceof KubeError && [400, 422, 500].includes(error.status);
}
