import { KubeError } from "./client.ts";
import { parseJson } from "./json.ts";
import type { KubeObject } from "./object-revisions.ts";
import type { WatchFrame } from "./protobuf/envelope.ts";

/** metav1.WatchEvent. */
export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: KubeObject }
  | {
      readonly type: "BOOKMARK";
      readonly object: KubeObject;
      /** Everything that was there when a watch-list stream began has been sent. */
      readonly initialEventsEnd: boolean;
    };

/** The server has no watch-list streaming. */
export class WatchListRefused extends Error {}

/** The event that a watch of `path` has told of. Throws a KubeError for an ERROR event, and an Error for what is none. */
export function readEvent(path: string, told: string | WatchFrame): WatchEvent {
  const { type, object } = typeof told === "string" ? parseLine(path, told) : (told as PerhapsEvent);
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      if (typeof object?.metadata?.name === "string") return { type, object };
      break;
    case "BOOKMARK":
      if (typeof object?.metadata?.resourceVersion === "string") {
        const initialEventsEnd = object.metadata.annotations?.["k8s.io/initial-events-end"] === "true";
        return { type, object, initialEventsEnd };
      }
      break;
    case "ERROR": {
      const { code = 500, reason = "", message = "the server ended the watch" } = (object ?? {}) as Status;
      throw new KubeError(`watch ${path}`, code, reason, message);
    }
    default:
  }
  const text = typeof told === "string" ? told : JSON.stringify(told);
  throw new Error(`Cannot watch ${path}: what came is no watch event: ${text.slice(0, 200)}`);
}

// --- internal ---

interface Status {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

interface PerhapsEvent {
  readonly type?: unknown;
  readonly object?: KubeObject;
}

function parseLine(path: string, line: string): PerhapsEvent {
  try {
    const value = parseJson(line);
    return typeof value === "object" && value !== null ? value : {};
  } catch (cause) {
    throw new Error(`Cannot watch ${path}: a line is not JSON: ${line.slice(0, 200)}`, { cause });
  }
}
