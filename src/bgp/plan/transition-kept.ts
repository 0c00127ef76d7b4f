import type { Cidr } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";
import { allSessions, type BirdConfig, type Session, sessionsByNeighbor } from "./bird-config.ts";
import type { ObservedSession } from "./observed-bgp.ts";
import { isCarrying } from "./session-restarts.ts";
import type { ClusterProgress } from "./transition-progress.ts";

/** What a change of sessions is judged by. */
export interface TransitionInputs {
  readonly wanted: BirdConfig;
  /** What BIRD works by; undefined: not known. */
  readonly running: BirdConfig | undefined;
  /** By neighbour, with the networks that arrive by each; undefined: BIRD does not answer, or nothing was to be judged. */
  readonly observed: ReadonlyMap<Ip, ObservedSession> | undefined;
  /** BIRD has been restarted gracefully, and its sessions are not all back yet. */
  readonly isRecovering: boolean;
  readonly cluster: Pick<ClusterProgress, "hash" | "own" | "progressOf" | "ownerOf">;
  /** Names of kept sessions with neighbours outside the cluster that were given time enough. */
  readonly overdue: ReadonlySet<string>;
}

/** A session that runs and is no longer wanted. */
export interface KeptSession {
  readonly session: Session;
  /** Why it stays, as the end of a sentence; undefined: it goes. */
  readonly until: string | undefined;
  /** All that arrives by it arrives by sessions that are wanted, too. */
  readonly isReplaced: boolean;
}

/**
 * The sessions that run and are no longer wanted. One of a family that the node has lost is none of them: it has no address
 * any more to speak from.
 */
export function unwantedSessions({
  wanted,
  running,
}: Pick<TransitionInputs, "wanted" | "running">): readonly Session[] {
  if (running === undefined) return [];
  const still = sessionsByNeighbor(wanted);
  const versions = new Set(wanted.families.map(({ version }) => version));
  return running.families
    .filter(({ version }) => versions.has(version))
    .flatMap(({ sessions }) => sessions)
    .filter(({ neighbor, held }) => held === undefined && !still.has(neighbor));
}

/** What becomes of each of them, in the same order. */
export function judgeUnwanted(inputs: TransitionInputs): readonly KeptSession[] {
  const unwanted = unwantedSessions(inputs);
  if (unwanted.length === 0) return [];
  const arriving = arrivingByWanted(inputs);
  const judged = unwanted.map((session) => judge(session, inputs, arriving));
  // What this node needs no longer, others may need from it: nothing goes before all of them can read that it has settled.
  const { own, hash } = inputs.cluster;
  const isSettled = own.settled === hash && judged.every(({ isReplaced }) => isReplaced);
  return judged.map((one) => {
    if (one.until !== undefined || isSettled || !isNodes(one, inputs)) return one;
    return { ...one, until: "this node has settled, and its Node says so" };
  });
}

// --- internal ---

function judge(session: Session, inputs: TransitionInputs, arriving: ReadonlySet<Cidr>): KeptSession {
  const goes = { session, until: undefined, isReplaced: true };
  const progress = inputs.cluster.progressOf(session);
  if (progress === "gone") return goes;
  if (inputs.observed === undefined) return { session, until: "BIRD answers", isReplaced: false };
  if (inputs.isRecovering) return { session, until: "BIRD has recovered from its restart", isReplaced: false };
  const seen = inputs.observed.get(session.neighbor);
  // Nothing arrives by it, and nothing is to be lost: a neighbour that never answers is not waited for.
  if (seen === undefined || !isCarrying(seen)) return goes;
  if (inputs.overdue.has(session.name)) return goes;
  if (seen.neighborRestarts) return { session, until: "the neighbour has restarted", isReplaced: false };
  if (seen.prefixes === undefined) return { session, until: "it is known what arrives by it", isReplaced: false };
  const missing = [...seen.prefixes].filter((prefix) => !arriving.has(prefix));
  if (missing.length > 0) return { session, until: `${listed(missing)} otherwise`, isReplaced: false };
  if (progress === "unsettled") return { session, until: "that node has settled, too", isReplaced: true };
  return goes;
}

/** Whether its other end is a node that may need it. */
function isNodes({ session }: KeptSession, { cluster, observed }: TransitionInputs): boolean {
  const seen = observed?.get(session.neighbor);
  const progress = cluster.progressOf(session);
  return seen !== undefined && isCarrying(seen) && (progress === "settled" || progress === "unsettled");
}

function listed(missing: readonly Cidr[]): string {
  const [first = "", ...more] = missing;
  return more.length === 0 ? `${first} arrives` : `${first} and ${more.length} more arrive`;
}

/** The networks that arrive by an established session that is wanted. */
function arrivingByWanted({ wanted, observed }: TransitionInputs): ReadonlySet<Cidr> {
  const neighbors = new Set(
    allSessions(wanted).flatMap(({ neighbor, held }) => (held === undefined ? [neighbor] : [])),
  );
  const established = [...(observed?.values() ?? [])].filter(
    ({ neighbor, state }) => state === "Established" && neighbors.has(neighbor),
  );
  return new Set(established.flatMap(({ prefixes }) => [...(prefixes ?? [])]));
}
