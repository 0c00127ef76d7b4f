import { resourcePath } from "../api/kinds.ts";
import type { NodeName } from "../api/names.ts";
import type { Change } from "../api/snapshot.ts";
import type { Clock } from "../net/clock.ts";
import { messageOf } from "../net/message-of.ts";
import type { KubeClient } from "./client.ts";
import { type FedKind, type Feed, feeds } from "./fed-kinds.ts";
import type { ObjectChange } from "./object-revisions.ts";
import { type Reflection, type ReflectorOptions, reflect } from "./reflector.ts";
import type { RejectedObject } from "./rejected-objects.ts";
import type { RejectedReport } from "./rejected-report.ts";

/** What a `ChangeFeed` reads from, and whom it tells. */
export interface ChangeFeedOptions {
  readonly client: KubeClient;
  readonly kinds: readonly FedKind[];
  readonly clock: Clock;
  /** The node that this is the agent of: of kinds with a `nodeField` the objects of this node only. */
  readonly node?: NodeName;
  /**
   * The first call brings everything there is; each later one what changed since, at most one change an object. `receivedAt`: when
   * the first of them came, in the clock's monotonic milliseconds.
   */
  readonly onChanges: (changes: readonly Change[], receivedAt: number) => void;
  /** Called for each version of an object that cannot be read. */
  readonly onRejected: (report: RejectedReport) => void;
  /** The API server cannot be reached or refuses; it is asked again by itself. */
  readonly onTrouble: (trouble: FeedTrouble) => void;
  /** It answers for this kind: what was told of it as trouble is over. */
  readonly onAnswer?: (kind: FedKind) => void;
  readonly reflector?: Pick<ReflectorOptions, "backoff" | "pageSize">;
}

interface FeedTrouble {
  readonly kind: FedKind;
  readonly error: unknown;
}

/**
 * Follows some kinds, and tells of them as typed changes. Nothing is told before all kinds have been
 * read once: a policy without its pods would be the wrong answer. One object that cannot be read disturbs no other.
 */
export class ChangeFeed {
  /** Resolves after the first call of `onChanges`, which comes even when there is nothing to tell. */
  readonly synced: Promise<void>;
  readonly #options: ChangeFeedOptions;
  readonly #synced = Promise.withResolvers<void>();
  /** What waits for the next call, by kind and key: a later change of an object replaces an earlier one. */
  readonly #waiting = new Map<string, Change>();
  #waitingSince: number | undefined;
  readonly #sources: Source[] = [];
  #reflections: readonly Reflection[] | undefined;
  #state: "loading" | "idle" | "scheduled" | "stopped" = "loading";

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.synced = this.#synced.promise;
  }

  /** To be called once. */
  start(): void {
    if (this.#reflections !== undefined) throw new Error("Cannot start a change feed twice");
    this.#reflections = this.#options.kinds.map((kind) => this.#follow(kind));
    void Promise.all(this.#reflections.map(({ synced }) => synced)).then(() => this.#begin());
  }

  /** Every object that cannot be read as it stands now. */
  get rejected(): readonly RejectedObject[] {
    return this.#sources.flatMap((source) => source.rejected);
  }

  /** No callback is called after this call. Resolves when the last request has ended. */
  async stop(): Promise<void> {
    this.#state = "stopped";
    await Promise.all((this.#reflections ?? []).map((one) => one.stop()));
  }

  #follow<K extends FedKind>(kind: K): Reflection {
    const { client, clock, node, onTrouble, onAnswer, reflector } = this.#options;
    const { resource, namespace, nodeField } = feeds[kind];
    const source = new Source(kind, feeds[kind] as unknown as Feed<FedKind>, this.#options.onRejected);
    this.#sources.push(source);
    return reflect(
      client,
      resourcePath(resource, { namespace }),
      {
        ...{ ...reflector, clock, message: feeds[kind].message },
        ...(node && nodeField && { fieldSelector: `${nodeField}=${node}` }),
      },
      {
        changed: (changes) => {
          for (const one of changes) this.#add(source.changeOf(one));
        },
        trouble: (error) => onTrouble({ kind, error }),
        answered: () => onAnswer?.(kind),
      },
    );
  }

  #add(change: Change | undefined): void {
    if (change === undefined) return;
    this.#waitingSince ??= this.#options.clock.monotonicNow();
    this.#waiting.set(`${change.kind} ${change.key}`, change);
    if (this.#state !== "idle") return;
    this.#state = "scheduled";
    setImmediate(() => this.#tell());
  }

  #begin(): void {
    if (this.#state !== "loading") return;
    // What came and went while the other kinds were read was never there for the listener.
    for (const [name, { value }] of this.#waiting) if (value === undefined) this.#waiting.delete(name);
    this.#tell();
    this.#synced.resolve();
  }

  #tell(): void {
    if (this.#state === "stopped") return;
    this.#state = "idle";
    const changes = [...this.#waiting.values()];
    this.#waiting.clear();
    const receivedAt = this.#waitingSince ?? this.#options.clock.monotonicNow();
    this.#waitingSince = undefined;
    this.#options.onChanges(changes, receivedAt);
  }
}

// --- internal ---

/** One kind's objects on their way to changes; remembers which of them were told. */
class Source {
  readonly #kind: FedKind;
  readonly #feed: Feed<FedKind>;
  readonly #onRejected: ChangeFeedOptions["onRejected"];
  readonly #told = new Set<string>();
  readonly #rejected = new Map<string, RejectedObject>();

  constructor(kind: FedKind, feed: Feed<FedKind>, onRejected: ChangeFeedOptions["onRejected"]) {
    this.#kind = kind;
    this.#feed = feed;
    this.#onRejected = onRejected;
  }

  get rejected(): readonly RejectedObject[] {
    return [...this.#rejected.values()];
  }

  /** Undefined when there is nothing to tell: an object goes, or cannot be read, of which nothing was told. */
  changeOf({ namespace, name, object }: ObjectChange): Change | undefined {
    const key = this.#feed.key(namespace, name);
    this.#rejected.delete(key);
    const value = object === undefined ? undefined : this.#valueOf(key, object);
    if (value === undefined && !this.#told.delete(key)) return undefined;
    if (value !== undefined) this.#told.add(key);
    return { kind: this.#kind, key, value } as Change;
  }

  #valueOf(key: string, object: NonNullable<ObjectChange["object"]>) {
    try {
      return this.#feed.parse(object);
    } catch (cause) {
      const reason = messageOf(cause);
      const { namespace = "", name, uid } = object.metadata;
      this.#rejected.set(key, { kind: this.#feed.resource, namespace, name, uid, reason });
      this.#onRejected({ kind: this.#feed.resource.kind, key, reason });
      return this.#feed.unreadable(object, reason);
    }
  }
}
