import { messageOf } from "../net/message-of.ts";
import type { WatchFrame } from "./protobuf/envelope.ts";
import type { Message } from "./protobuf/message.ts";

/** One API server over one pool of kept-alive connections. Paths are absolute, e.g. `/api/v1/nodes`. */
export interface KubeClient {
  /** Its URL without a path, `https://10.0.0.1:6443`. */
  readonly server: string;
  /** Rejects with a `KubeError` for an answer that is not 2xx, or a `KubeUnreachableError` when there was none. */
  request<T>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, options?: RequestOptions): Promise<T>;
  patch<T>(path: string, body: unknown, options: RequestOptions & { readonly type: PatchType }): Promise<T>;
  /** What one response streams, as it comes; ends when the server ends it or `signal` aborts. */
  stream(path: string, options?: RequestOptions): AsyncIterable<StreamBatch>;
  close(): void;
}

/** What came at once: lines, or events where the answer is protobuf; at least one. */
export type StreamBatch = readonly string[] | readonly WatchFrame[];

/**
 * What the body of a patch is: a JSON merge patch (RFC 7386), a JSON patch (RFC 6902), the fields of a server-side apply, or
 * Kubernetes' strategic merge, which merges some lists by a key and knows Kubernetes' own kinds only.
 */
export type PatchType = "merge" | "json" | "apply" | "strategic";

/** What a request may bring beside its path. */
export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** For a stream: its answer has begun. */
  readonly onAnswer?: () => void;
  /** For one request; default 30 s. For a stream only until its answer begins. */
  readonly timeoutMs?: number;
  /**
   * The answer may come as protobuf, which costs the server and us a third of what JSON does, and is then read as this: as what
   * its JSON would be, with no other fields. A server or a kind that has no protobuf answers with JSON as ever.
   */
  readonly message?: Message;
  /**
   * Nothing but the metadata of the object in the answer is needed: a server that can (Kubernetes' PartialObjectMetadata) sends
   * no more, which spares it encoding the rest and us reading it. Another one answers with the whole object as ever.
   */
  readonly metadataOnly?: boolean;
}

/** metav1.Status of a refused request. */
export class KubeError extends Error {
  readonly status: number;
  /** E.g. `NotFound`, `AlreadyExists`, `Conflict`, `Expired`, `Invalid`. */
  readonly reason: string;
  constructor(action: string, status: number, reason: string, message: string) {
    super(`Cannot ${action}: ${message}`);
    this.name = "KubeError";
    this.status = status;
    this.reason = reason;
  }
}

/** No answer from the API server: refused, timed out, or cut. */
export class KubeUnreachableError extends Error {
  constructor(action: string, server: string, cause: unknown) {
    super(`Cannot ${action}: no answer from the API server at ${server}: ${messageOf(cause)}`, { cause });
    this.name = "KubeUnreachableError";
  }
}
