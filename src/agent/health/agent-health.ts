/** How the agent's parts are, from what they know of themselves. */
import type { PartHealth } from "./health-board.ts";

/** What is known of the API server. */
export interface DatastoreState {
  /** Everything has been read once. */
  readonly isSynced: boolean;
  /** Why the API server does not answer, if it does not. */
  readonly trouble: string | undefined;
}

/** Ready once everything has been read: what was read stays in force while the API server is away, which is only said. */
export function datastoreHealth({ isSynced, trouble }: DatastoreState): PartHealth {
  const away = trouble === undefined ? "" : `; the API server does not answer: ${trouble}`;
  const state = isSynced ? "everything has been read" : "not everything has been read from the API server yet";
  return { live: true, ready: isSynced, detail: `${state}${away}` };
}

/** What is known of the passes that bring the kernel to the plan: `PassReport` has it. */
export interface DataplaneState {
  readonly hasApplied: boolean;
  /** For how long the pass under way has been running. */
  readonly runningMs: number | undefined;
  /** Why the last pass has failed. */
  readonly failure: string | undefined;
}

/**
 * Ready once the kernel has held a plan, and from then on, as upstream: a pass that fails is tried again, and what was in force
 * stays. Not live when one pass runs for longer than `watchdogMs`; 0: however long it runs.
 */
export function dataplaneHealth(state: DataplaneState, watchdogMs: number): PartHealth {
  const { hasApplied, runningMs = 0, failure } = state;
  const live = watchdogMs === 0 || runningMs <= watchdogMs;
  const held = hasApplied ? "the kernel holds a plan" : "the kernel does not hold the first plan yet";
  const seconds = (ms: number) => Math.round(ms / 1000);
  const stuck = live ? "" : `; one pass has been running for ${seconds(runningMs)} s, more than ${seconds(watchdogMs)}`;
  const failed = failure === undefined ? "" : `; the last pass failed and is tried again: ${failure}`;
  return { live, ready: hasApplied, detail: `${held}${stuck}${failed}` };
}

/** Ready once the runtime is served. */
export function cniHealth(isServed: boolean): PartHealth {
  return { live: true, ready: isServed, detail: isServed ? "the CNI is served" : "the CNI is not served yet" };
}

/** Ready once BIRD has been configured: that it can be reached from then on is for BIRD's own probes. */
export function bgpHealth(isConfigured: boolean): PartHealth {
  const detail = isConfigured ? "BIRD has been configured" : "BIRD has not taken a configuration yet";
  return { live: true, ready: isConfigured, detail };
}
