import type { Withdrawn } from "./bgp-inputs.ts";

/** On a Node: its network is to be drained. `margay node drain-net` writes it; `kubectl annotate` may. */
export const drainAnnotation = "bgp.margay.io/drain";

/** On a Node: how far its agent has come, as `formatDrainStatus` writes it. */
export const drainStatusAnnotation = "bgp.margay.io/drain-status";

/** On the machine itself: while this file is there its network is to be drained. It does not outlive a boot. */
export const localDrainFile = "/run/margay/drain";

/** How long neighbours are given to choose other ways, in seconds, when nothing is said. */
export const defaultDrainWaitS = 30;

/** Somebody asks for the node's network to be drained. */
export interface DrainRequest {
  /** The same for as long as it is the same request: the time at which it was made, or whatever a person wrote. */
  readonly id: string;
  readonly waitS: number;
}

/** What bears on it at one moment. */
export interface DrainFacts {
  /** `spec.unschedulable`. */
  readonly cordoned: boolean;
  readonly request: DrainRequest | undefined;
  /** For how long BIRD has announced GRACEFUL_SHUTDOWN for this request; undefined: not yet. */
  readonly announcedMs: number | undefined;
  /** Pods of the node's own network are left on it. */
  readonly hasPods: boolean;
}

export interface DrainState {
  /** Everything that the node announces carries GRACEFUL_SHUTDOWN (RFC 8326). */
  readonly isDraining: boolean;
  readonly withdrawn: Withdrawn;
  /** When this is to be looked at again though nothing else changes, in milliseconds from now. */
  readonly againMs: number | undefined;
}

/**
 * How far a node's network is drained. A cordoned node announces what it has, as the last choice: nothing is cut off. When
 * asked to drain, it waits for `waitS` for its neighbours to choose others, withdraws its Services, and its pods' networks
 * only while no pod is left: a pod that is there keeps its routes, however long it stays, and one that comes has them again.
 */
export function drainState({ cordoned, request, announcedMs, hasPods }: DrainFacts): DrainState {
  if (request === undefined) return { isDraining: cordoned, withdrawn: "nothing", againMs: undefined };
  const leftMs = announcedMs === undefined ? undefined : request.waitS * 1000 - announcedMs;
  if (leftMs === undefined || leftMs > 0) return { isDraining: true, withdrawn: "nothing", againMs: leftMs };
  return { isDraining: true, withdrawn: hasPods ? "services" : "everything", againMs: undefined };
}

/** The annotation's text. */
export function formatDrainRequest({ id, waitS }: DrainRequest): string {
  return `${id} wait=${waitS}s`;
}

/** Reads any text: whoever wrote it wants the node drained. Without a wait that can be read, the default counts. */
export function parseDrainRequest(text: string): DrainRequest {
  const [, id = text, seconds] = /^(.*) wait=(\d{1,5})s$/.exec(text) ?? [];
  return { id, waitS: seconds === undefined ? defaultDrainWaitS : Number(seconds) };
}

/** What an agent says of its drain. */
export interface DrainStatus {
  /** The request's id. */
  readonly request: string;
  readonly state: "announced" | "services withdrawn" | "withdrawn";
  /** Since when GRACEFUL_SHUTDOWN is announced for it, by the node's clock: RFC 3339. */
  readonly since: string;
}

export function formatDrainStatus({ state, since, request }: DrainStatus): string {
  return JSON.stringify({ state, since, request });
}

/** Undefined for anything that `formatDrainStatus` has not written. */
export function parseDrainStatus(text: string | undefined): DrainStatus | undefined {
  if (text === undefined) return undefined;
  try {
    const { state, since, request } = JSON.parse(text) as Partial<Record<keyof DrainStatus, unknown>>;
    if (typeof since !== "string" || typeof request !== "string") return undefined;
    if (state !== "announced" && state !== "services withdrawn" && state !== "withdrawn") return undefined;
    return { state, since, request };
  } catch {
    return undefined;
  }
}
