import type { IncomingMessage } from "node:http";
import type { Clock } from "../net/clock.ts";
import { messageOf } from "../net/message-of.ts";
import {
  type KubeClient,
  KubeError,
  KubeUnreachableError,
  type PatchType,
  type RequestOptions,
  type StreamBatch,
} from "./client.ts";
import { ConnectionPool, type TlsCredentials } from "./connection-pool.ts";
import { Deadline } from "./deadline.ts";
import { formatJson, parseJson } from "./json.ts";
import { linesOf } from "./lines.ts";
import { statusMessage } from "./protobuf/core-messages.ts";
import { framesOf, protobufType, readEnvelope, readWatchFrame, type WatchFrame } from "./protobuf/envelope.ts";
import { type Message, ProtobufError, UnknownFieldError } from "./protobuf/message.ts";

/** What a caller presents to the server. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsCredentials;
}

/** Which API server, and as whom. */
export interface HttpsKubeClientOptions {
  /** E.g. `https://10.0.0.1:6443`; a path in it goes before every path. `http:` works too, as `kubectl proxy` has it. */
  readonly server: string;
  /** Asked before each request, so it should remember. `refused` is true when the server just answered 401 to the last. */
  readonly credentials: (refused: boolean) => Promise<Credentials>;
  readonly clock: Clock;
}

/**
 * A `KubeClient` over HTTP/1.1 on kept-alive connections. An answer 429 is tried again after its Retry-After, within
 * the request's time; an answer 401 once, with fresh credentials.
 */
export class HttpsKubeClient implements KubeClient {
  readonly #server: URL;
  readonly #pool: ConnectionPool;
  readonly #credentials: HttpsKubeClientOptions["credentials"];
  readonly #clock: Clock;

  constructor({ server, credentials, clock }: HttpsKubeClientOptions) {
    this.#server = new URL(server);
    this.#pool = new ConnectionPool(this.#server);
    this.#credentials = credentials;
    this.#clock = clock;
  }

  get server(): string {
    return this.#server.origin;
  }

  request<T>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, options: RequestOptions = {}): Promise<T> {
    const action = `${verbs[method]} ${path}`;
    return this.#exchange({ action, method, path, options, type: "application/json", pool: "requests" }) as Promise<T>;
  }

  patch<T>(path: string, body: unknown, options: RequestOptions & { readonly type: PatchType }): Promise<T> {
    const type = patchTypes[options.type];
    const call = { action: `change ${path}`, method: "PATCH", path, options: { ...options, body }, type } as const;
    return this.#exchange({ ...call, pool: "requests" }) as Promise<T>;
  }

  async *stream(path: string, options: RequestOptions = {}): AsyncGenerator<StreamBatch> {
    const call: Call = { action: `stream ${path}`, method: "GET", path, options, type: "", pool: "streams" };
    const deadline = new Deadline(options);
    let response: IncomingMessage | undefined;
    try {
      response = await this.#answer(call, deadline);
      deadline.lift();
      options.onAnswer?.();
      if (isProtobuf(response)) yield* eventsOf(response, messageFor(call));
      else yield* linesOf(response.setEncoding("utf8"));
    } catch (cause) {
      if (options.signal?.aborted === true) return;
      throw this.#failure(call, deadline, cause);
    } finally {
      deadline.lift();
      response?.destroy();
    }
  }

  close(): void {
    this.#pool.close();
  }

  async #exchange(call: Call): Promise<unknown> {
    const deadline = new Deadline(call.options);
    try {
      const response = await this.#answer(call, deadline);
      return readBody(call, response, await bytesOf(response));
    } catch (cause) {
      throw this.#failure(call, deadline, cause);
    } finally {
      deadline.lift();
    }
  }

  /** The first answer that is 2xx. Throws a KubeError for any other that stays. */
  async #answer(call: Call, deadline: Deadline): Promise<IncomingMessage> {
    let refused = false;
    for (let attempt = 1; ; attempt++) {
      const response = await this.#pool.send(await this.#wire(call, deadline, refused));
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return response;
      const error = kubeErrorOf(call, response, await bytesOf(response));
      if (status === 401 && !refused) refused = true;
      else if (status === 429 && attempt < maxAttempts) await this.#waitAsTold(response, deadline, error);
      else throw error;
    }
  }

  async #wire(call: Call, deadline: Deadline, refused: boolean) {
    const { method, pool, options, type } = call;
    const { headers, tls } = await this.#credentials(refused);
    const body = options.body === undefined ? undefined : formatJson(options.body);
    return {
      ...{ method, pool, tls, body, signal: deadline.signal },
      path: `${this.#server.pathname.replace(/\/$/, "")}${call.path}${queryText(options.query)}`,
      headers: {
        ...headers,
        accept: acceptable(options),
        "user-agent": "margay",
        ...(body === undefined ? {} : { "content-type": type, "content-length": String(Buffer.byteLength(body)) }),
      },
    };
  }

  /** Throws `error` when the request's time ends first. */
  async #waitAsTold(response: IncomingMessage, deadline: Deadline, error: KubeError): Promise<void> {
    const told = Number(response.headers["retry-after"] ?? 1) * 1000;
    // Spread out, so that those refused together do not come back together.
    const ms = Math.min(Number.isFinite(told) ? told : 1000, maxRetryAfterMs) * (1 + this.#clock.random() / 4);
    await this.#clock.sleep(ms, deadline.signal).catch(() => Promise.reject(error));
  }

  #failure(call: Call, deadline: Deadline, cause: unknown): unknown {
    if (call.options.signal?.aborted === true) return call.options.signal.reason;
    if (cause instanceof KubeError || cause instanceof UnknownFieldError) return cause;
    if (cause instanceof ProtobufError) return new Error(`Cannot ${call.action}: ${cause.message}`, { cause });
    if (deadline.expired) return new KubeUnreachableError(call.action, this.#server.origin, deadline.error());
    if (!isSystemError(cause)) return cause;
    return new KubeUnreachableError(call.action, this.#server.origin, readable(cause));
  }
}

// --- internal ---

interface Call {
  readonly action: string;
  readonly method: string;
  readonly path: string;
  readonly options: RequestOptions;
  /** Media type of the body. */
  readonly type: string;
  readonly pool: "requests" | "streams";
}

const maxAttempts = 5;
const maxRetryAfterMs = 10_000;

const verbs = { GET: "read", POST: "create in", PUT: "write", DELETE: "delete" } as const;

const patchTypes: Readonly<Record<PatchType, string>> = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  json: "application/json-patch+json",
  // JSON is YAML.
  apply: "application/apply-patch+yaml",
};

/** Media types, the most wanted first: the server takes the first that it knows. */
function acceptable({ message, metadataOnly }: RequestOptions): string {
  if (message !== undefined) return `${protobufType},application/json`;
  return metadataOnly
    ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
    : "application/json";
}

function queryText(query: RequestOptions["query"] = {}): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.append(name, String(value));
  return given.size === 0 ? "" : `?${given}`;
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function isProtobuf({ headers }: IncomingMessage): boolean {
  return headers["content-type"]?.startsWith(protobufType) ?? false;
}

function messageFor({ action, options }: Call): Message {
  if (options.message !== undefined) return options.message;
  throw new Error(`Cannot ${action}: the answer is protobuf, which was not asked for`);
}

async function* eventsOf(response: AsyncIterable<Buffer>, message: Message): AsyncGenerator<StreamBatch> {
  for await (const frames of framesOf(response)) {
    const events: WatchFrame[] = [];
    let failure: unknown;
    for (const frame of frames) {
      try {
        events.push(readWatchFrame(frame, message));
      } catch (error) {
        failure = error;
        break;
      }
    }
    // What came before one that cannot be read counts.
    if (events.length > 0) yield events;
    if (failure !== undefined) throw failure;
  }
}

function readBody(call: Call, response: IncomingMessage, bytes: Buffer): unknown {
  if (isProtobuf(response)) return readEnvelope(bytes, messageFor(call));
  const text = bytes.toString("utf8");
  try {
    return text === "" ? undefined : parseJson(text);
  } catch {
    throw new KubeError(call.action, response.statusCode ?? 0, "NotJson", `the answer is not JSON: ${excerpt(text)}`);
  }
}

/** metav1.Status, or whatever stood between us and the API server and answered in its place. */
function kubeErrorOf({ action }: Call, response: IncomingMessage, bytes: Buffer): KubeError {
  const status = response.statusCode ?? 0;
  const said = statusOf(response, bytes);
  const text = isProtobuf(response) ? "" : excerpt(bytes.toString("utf8"));
  const message = said?.message ?? (text || `the server answered HTTP ${status}`);
  return new KubeError(action, status, said?.reason ?? "", message);
}

interface Status {
  readonly kind?: unknown;
  readonly message?: string;
  readonly reason?: string;
}

/** Undefined for what is none, or cannot be read. */
function statusOf(response: IncomingMessage, bytes: Buffer): Status | undefined {
  try {
    const isBinary = isProtobuf(response);
    const value = (isBinary ? readEnvelope(bytes, statusMessage) : parseJson(bytes.toString("utf8"))) as Status | null;
    return value?.kind === "Status" ? value : undefined;
  } catch {
    return undefined;
  }
}

function excerpt(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

function isSystemError(cause: unknown): cause is Error {
  return cause instanceof Error && "code" in cause;
}

/** A name with several addresses fails with one error for each, and no message of its own. */
function readable(cause: Error): Error {
  if (!(cause instanceof AggregateError)) return cause;
  return new Error(cause.errors.map(messageOf).join("; "), {
    cause,
  });
}
