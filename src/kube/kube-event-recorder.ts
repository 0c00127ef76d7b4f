import { apiVersionOf, eventKind, resourcePath } from "../api/kinds.ts";
import type { Clock } from "../net/clock.ts";
import { type KubeClient, KubeError } from "./client.ts";
import type { EventRecorder, EventSubject } from "./event-recorder.ts";

/** Where a `KubeEventRecorder` writes, and as whom. */
export interface KubeEventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: { warn(facts: object, message: string): void };
  /** What says it, such as `margay.io/agent`. */
  readonly controller: string;
  /** Which of several processes says it, for example a pod's or a host's name. */
  readonly instance: string;
}

/**
 * Writes events one after the other, in order. What is the same as something said less than ten minutes before becomes a
 * higher count of that event, written at most once a minute. Beyond a hundred that wait, remarks are dropped and logged.
 */
export class KubeEventRecorder implements EventRecorder {
  readonly #options: KubeEventRecorderOptions;
  /** What was said lately, the least recent first. */
  readonly #said = new Map<string, Remark>();
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(options: KubeEventRecorderOptions) {
    this.#options = options;
  }

  /** Resolves when everything recorded so far was written or given up. */
  settled(): Promise<void> {
    return this.#last;
  }

  record(subject: EventSubject, type: "Normal" | "Warning", reason: string, message: string): void {
    const now = this.#options.clock.monotonicNow();
    const remark = this.#remember({ subject, type, reason, message }, now);
    remark.count += 1;
    remark.saidAt = now;
    // The second time tells that it goes on; from then on the count may lag.
    if (remark.count > 2 && now - remark.writtenAt < countEveryMs) return;
    remark.writtenAt = now;
    this.#enqueue(remark);
  }

  #remember(words: Words, now: number): Remark {
    const { kind, namespace, name, uid } = words.subject;
    const key = JSON.stringify([kind.group, kind.kind, namespace, name, uid, words.type, words.reason, words.message]);
    const known = this.#said.get(key);
    const isNews = known === undefined || now - known.saidAt >= soonMs;
    const remark = isNews ? { ...words, path: undefined, count: 0, saidAt: now, writtenAt: now } : known;
    this.#said.delete(key);
    this.#said.set(key, remark);
    for (const oldest of this.#said.keys()) {
      if (this.#said.size <= maxRemembered) break;
      this.#said.delete(oldest);
    }
    return remark;
  }

  #enqueue(remark: Remark): void {
    if (this.#waiting >= maxWaiting) {
      const { subject, reason, message } = remark;
      this.#options.logger.warn({ subject: subject.name, reason, message }, "dropped an event: too many wait");
      return;
    }
    this.#waiting += 1;
    this.#last = this.#last.then(() => this.#write(remark));
  }

  async #write(remark: Remark): Promise<void> {
    try {
      if (remark.path === undefined || !(await this.#count(remark, remark.path))) await this.#create(remark);
    } catch (error) {
      this.#options.logger.warn(
        { err: error, reason: remark.reason, message: remark.message },
        "cannot write an event",
      );
    } finally {
      this.#waiting -= 1;
    }
  }

  async #create(remark: Remark): Promise<void> {
    const { client, clock, controller, instance } = this.#options;
    const { subject, type, reason, message } = remark;
    const { kind, name, uid } = subject;
    // The API server wants the events of an object that has no namespace in this one.
    const namespace = subject.namespace ?? "default";
    const metadata = { name: eventName(name, clock), namespace };
    const regarding = { apiVersion: apiVersionOf(kind), kind: kind.kind, name, namespace: subject.namespace, uid };
    const body = {
      ...{ apiVersion: apiVersionOf(eventKind), kind: eventKind.kind, metadata, regarding },
      ...{ type, reason, action: reason, note: noteOf(message), eventTime: microTime(clock.now()) },
      ...{ reportingController: controller, reportingInstance: instance.slice(0, 128) },
    };
    await client.request("POST", resourcePath(eventKind, { namespace }), { body, timeoutMs });
    remark.path = resourcePath(eventKind, metadata);
  }

  /** False when the event is there no more. */
  async #count(remark: Remark, path: string): Promise<boolean> {
    const { client, clock } = this.#options;
    const series = { count: remark.count, lastObservedTime: microTime(clock.now()) };
    try {
      await client.patch(path, { series }, { type: "merge", timeoutMs });
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return false;
      throw error;
    }
  }
}

// --- internal ---

const soonMs = 600_000;
const countEveryMs = 60_000;
const timeoutMs = 10_000;
const maxRemembered = 1000;
const maxWaiting = 100;

interface Words {
  readonly subject: EventSubject;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

interface Remark extends Words {
  /** Of the event; undefined until it was written. */
  path: string | undefined;
  count: number;
  /** Milliseconds of the monotonic clock, as is `writtenAt`. */
  saidAt: number;
  writtenAt: number;
}

/** A name of its own each time, within the 253 characters of an object name. */
function eventName(subject: string, clock: Clock): string {
  const start = subject.slice(0, 200).replace(/[^a-z0-9]+$/, "");
  const chance = Math.floor(clock.random() * 2 ** 32);
  return `${start}.${clock.now().toString(16)}${chance.toString(16).padStart(8, "0")}`;
}

/** metav1.MicroTime, which takes six decimals and no other number of them. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}

/** The API server takes 1024 bytes. */
function noteOf(message: string): string {
  const bytes = new TextEncoder().encode(message);
  if (bytes.length <= 1024) return message;
  // Not in the middle of a character.
  return `${new TextDecoder().decode(bytes.subarray(0, 1018)).replace(/\uFFFD$/, "")}…`;
}
