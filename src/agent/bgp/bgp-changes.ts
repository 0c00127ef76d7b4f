/** What happened between two looks at BIRD, from the looks alone. */
import type { HistoryEntry } from "../../api/bgp-query.ts";
import type { ObservedSession } from "../../bgp/plan/observed-bgp.ts";
import type { Observation } from "./observer.ts";

/** An entry of the history that has no time yet. */
export type HistoryNote = Omit<HistoryEntry, "at" | "leftOut">;

/** How the daemon itself changed. */
export function daemonChanges(before: Observation, now: Observation): readonly HistoryNote[] {
  const [was, is] = [before.daemon, now.daemon];
  const told = (text: string): readonly HistoryNote[] => [{ kind: "daemon", text }];
  if (is === undefined)
    return was === undefined ? [] : told(`BIRD does not answer: ${now.trouble ?? "no reason known"}`);
  const what = `BIRD ${is.version}, started ${is.lastReboot}`;
  if (was === undefined) return told(`${what}, answers`);
  return was.lastReboot === is.lastReboot
    ? []
    : told(`${what}, has taken the place of the one started ${was.lastReboot}`);
}

/**
 * How one session changed. Its ways of trying to connect count as one state, as do those of agreeing on terms: a neighbour that
 * is not there would else be told of every few seconds. `told`: errors of it that BIRD itself has told since the last look.
 */
export function sessionChanges(
  was: ObservedSession | undefined,
  is: ObservedSession | undefined,
  told: readonly string[],
): readonly HistoryNote[] {
  const { name: session, neighbor } = is ?? was ?? {};
  const base = { ...(session && { session }), ...(neighbor && { neighbor }) };
  if (is === undefined) {
    return was === undefined ? [] : [{ ...base, kind: "configuration", text: "the session is configured no more" }];
  }
  const notes: HistoryNote[] = [];
  const error = is.lastError;
  if (error !== undefined && error !== was?.lastError && !told.some((text) => text.startsWith(error))) {
    notes.push({ ...base, kind: "error", text: error });
  }
  if (was === undefined) notes.push({ ...base, kind: "state", text: "first seen", to: is.state });
  else if (stageOf(was) !== stageOf(is)) {
    const why = is.neighborRestarts ? "; the neighbour restarts, and its routes are kept" : "";
    notes.push({ ...base, kind: "state", text: `${was.state} to ${is.state}${why}`, from: was.state, to: is.state });
  } else if (wasInterrupted(was, is)) {
    notes.push({ ...base, kind: "state", text: "was lost and came up again", from: was.state, to: is.state });
  }
  return notes;
}

/** Whether an established session was lost between the two, though it may be established again. */
export function wasLost(was: ObservedSession, is: ObservedSession): boolean {
  return was.state === "Established" && (is.state !== "Established" || wasInterrupted(was, is));
}

// --- internal ---

function wasInterrupted(was: ObservedSession, is: ObservedSession): boolean {
  return was.state === "Established" && is.state === "Established" && was.since !== is.since;
}

const stages = {
  Down: "down",
  ...{ Idle: "trying", Connect: "trying", Active: "trying" },
  ...{ OpenSent: "agreeing", OpenConfirm: "agreeing" },
  Established: "established",
} as const satisfies Record<ObservedSession["state"], string>;

function stageOf({ state }: ObservedSession): string {
  return stages[state];
}
