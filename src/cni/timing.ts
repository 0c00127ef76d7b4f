/** How long the server waits for others, in milliseconds. */
export interface CniTiming {
  /** Between two attempts at what could not be done when it was asked for: kept DELs, and addresses to give back. */
  readonly retryMs: number;
  /** How long an ADD waits for a node that is not ready yet. */
  readonly readyWaitMs: number;
  /** How long Felix may take to take an attachment's routes and rules away. */
  readonly withdrawMs: number;
}

/** On a node. The wait for readiness is the shim's for the socket: the restart of an agent must not fail pods. */
export const defaultTiming: CniTiming = { retryMs: 5000, readyWaitMs: 10_000, withdrawMs: 30_000 };
