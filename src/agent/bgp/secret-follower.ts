import { type NodeName, systemNamespace } from "../../api/names.ts";
import type { KindName, Snapshot } from "../../api/snapshot.ts";
import type { Secret } from "../../bgp/plan/bgp-inputs.ts";
import { readPassword } from "../../bgp/plan/passwords.ts";
import { secretsOf, sessionKinds } from "../../bgp/plan/plan-sessions.ts";
import { type KubeClient, KubeError, KubeUnreachableError } from "../../kube/client.ts";
import type { ObjectChange } from "../../kube/object-revisions.ts";
import { type Reflection, type ReflectorOptions, reflect } from "../../kube/reflector.ts";
import type { Clock } from "../../net/clock.ts";
import { messageOf } from "../../net/message-of.ts";
import type { Logger } from "../logger.ts";

export interface SecretFollowerParts {
  readonly node: NodeName;
  readonly snapshot: Snapshot;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `secrets` says something else than before. */
  readonly onChange: () => void;
  readonly reflector?: Pick<ReflectorOptions, "backoff">;
}

/**
 * Follows the Secrets that this node's sessions take passwords from, each by its name and none besides, in the agent's namespace.
 * What was read stays while the API server does not answer, or refuses of late: a session that is up must not fall for that.
 * No value is ever logged.
 */
export class SecretFollower {
  readonly #parts: SecretFollowerParts;
  readonly #followed = new Map<string, Followed>();
  #wanted: ReadonlySet<string> = new Set();
  #secrets: ReadonlyMap<string, Secret> = new Map();
  #known = Promise.withResolvers<void>();
  #begun = false;

  constructor(parts: SecretFollowerParts) {
    this.#parts = parts;
  }

  /** The first full list is in: it can be said which Secrets there must be. */
  begin(): void {
    this.#begun = true;
    this.#follow();
  }

  /** Some kinds changed. */
  touched(kinds: ReadonlySet<KindName>): void {
    if (this.#begun && sessionKinds(this.#parts.snapshot).some((kind) => kinds.has(kind))) this.#follow();
  }

  /** By `NAME/KEY`; one that is asked for and not there has not been read yet. The same object until `onChange` is called. */
  get secrets(): ReadonlyMap<string, Secret> {
    return this.#secrets;
  }

  /**
   * Resolves once of every Secret that is asked for now it is known what it says, or that it cannot be read; after `limitMs` in any
   * case, and when stopped. A session is not to be closed for a password that is merely on its way: await this before a plan.
   */
  async known(limitMs: number): Promise<void> {
    if (this.#areAllKnown()) return;
    const over = new AbortController();
    const late = this.#parts.clock.sleep(limitMs, over.signal).catch(() => undefined);
    await Promise.race([this.#known.promise, late]);
    over.abort();
  }

  /** `onChange` is not called any more. Resolves when the last request has ended. */
  async stop(): Promise<void> {
    this.#begun = false;
    this.#wanted = new Set();
    this.#known.resolve();
    const all = [...this.#followed.values()];
    this.#followed.clear();
    await Promise.all(all.map(({ reflection }) => reflection.stop()));
  }

  #follow(): void {
    const { snapshot, node } = this.#parts;
    this.#wanted = secretsOf(snapshot, node);
    const names = new Set([...this.#wanted].map(nameOf));
    for (const [name, { reflection }] of this.#followed) {
      if (names.has(name)) continue;
      this.#followed.delete(name);
      // It rejects never, and what it still does nobody waits for.
      void reflection.stop();
    }
    for (const name of names) if (!this.#followed.has(name)) this.#watch(name);
    this.#renew();
  }

  #watch(name: string): void {
    const { client, clock, reflector } = this.#parts;
    const path = `/api/v1/namespaces/${systemNamespace}/secrets`;
    const options = { ...reflector, clock, fieldSelector: `metadata.name=${name}` };
    const one: Followed = {
      data: undefined,
      refusal: undefined,
      told: undefined,
      reflection: reflect(client, path, options, {
        changed: (changes) => this.#changed(one, changes),
        trouble: (error) => this.#trouble(name, one, error),
        answered: () => {
          one.told = undefined;
        },
      }),
    };
    this.#followed.set(name, one);
    void one.reflection.synced.then(() => {
      one.data ??= "absent";
      this.#renew();
    });
  }

  #changed(one: Followed, changes: readonly ObjectChange[]): void {
    for (const { object } of changes) one.data = object === undefined ? "absent" : dataOf(object);
    this.#renew();
  }

  #trouble(name: string, one: Followed, error: unknown): void {
    if (one.told !== messageOf(error)) {
      this.#parts.logger.warn({ secret: name, ...loggable(error) }, "cannot follow a Secret with BGP passwords");
    }
    one.told = messageOf(error);
    if (!(error instanceof KubeError && error.status === 403)) return;
    one.refusal = messageOf(error);
    this.#renew();
  }

  #renew(): void {
    const entries = [...this.#wanted].toSorted().flatMap((key): readonly (readonly [string, Secret])[] => {
      const one = this.#followed.get(nameOf(key));
      const secret = one && secretOf(one, key);
      return secret === undefined ? [] : [[key, secret]];
    });
    const secrets = new Map(entries);
    const isNews = JSON.stringify(entries) !== JSON.stringify([...this.#secrets]);
    if (isNews) this.#secrets = secrets;
    if (this.#areAllKnown()) {
      this.#known.resolve();
      this.#known = Promise.withResolvers();
    }
    if (isNews && this.#begun) this.#parts.onChange();
  }

  #areAllKnown(): boolean {
    return [...this.#wanted].every((key) => this.#secrets.has(key));
  }
}

// --- internal ---

interface Followed {
  readonly reflection: Reflection;
  /** The Secret's keys, with values in base64; undefined until it was read. */
  data: Readonly<Record<string, unknown>> | "absent" | undefined;
  /** Why it could not be read when that was asked. */
  refusal: string | undefined;
  /** The trouble that was logged last: it is tried again and again. */
  told: string | undefined;
}

/** What may be logged of a failure: an answer that cannot be read is quoted in its error, and may be the Secret. */
function loggable(error: unknown): object {
  if (error instanceof KubeUnreachableError || (error instanceof KubeError && error.status >= 400))
    return { err: error };
  return { reason: "the API server's answer cannot be read; it is not quoted here, as it may hold the Secret" };
}

function nameOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
}

function dataOf(object: object): Readonly<Record<string, unknown>> {
  const data = "data" in object ? object.data : undefined;
  return typeof data === "object" && data !== null ? { ...data } : {};
}

/** Undefined: not known yet. */
function secretOf({ data, refusal }: Followed, secret: string): Secret | undefined {
  const [name, key] = [nameOf(secret), secret.slice(secret.indexOf("/") + 1)];
  const where = `in namespace ${systemNamespace}`;
  if (data === "absent") return { missing: `there is no Secret ${name} ${where}` };
  if (data === undefined) return refusal === undefined ? undefined : { missing: forbidden(name, refusal) };
  const value = Object.hasOwn(data, key) ? data[key] : undefined;
  if (typeof value !== "string") return { missing: `Secret ${name} ${where} has no key ${key}` };
  return readPassword(Buffer.from(value, "base64"), secret);
}

function forbidden(name: string, refusal: string): string {
  return `the agent may not read Secret ${name}: name it in Role margay-agent-passwords in namespace ${systemNamespace} (${refusal})`;
}
