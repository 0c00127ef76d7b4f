import { hostCidr } from "../../net/cidr.ts";
import { versionOf } from "../../net/ip.ts";
import { allSessions, type BirdConfig, type FamilyConfig, type Session, sessionsByNeighbor } from "./bird-config.ts";
import { changesAll, isCarrying, needsRestart } from "./session-restarts.ts";
import { judgeUnwanted, type KeptSession, type TransitionInputs, unwantedSessions } from "./transition-kept.ts";
import type { NodeProgress } from "./transition-progress.ts";

/** What is to run now, on the way to what is wanted. */
export interface Transition {
  readonly config: BirdConfig;
  /** What keeps it from being what is wanted, as sentences. Empty: it is. */
  readonly pending: readonly string[];
  /** What others are to be told. */
  readonly progress: NodeProgress;
  /** Kept sessions whose neighbour is no node of the cluster: nothing but time bounds how long they stay. */
  readonly keptForeign: readonly string[];
}

/** Whether there is anything that only BIRD's own state can decide: if not, what is wanted can run at once. */
export function needsObservation(wanted: BirdConfig, running: BirdConfig | undefined): boolean {
  if (running === undefined) return false;
  if (unwantedSessions({ wanted, running }).length > 0) return true;
  const before = sessionsByNeighbor(running);
  const isGlobal = changesAll(running, wanted);
  return allSessions(wanted).some((session) => {
    const was = before.get(session.neighbor);
    return was !== undefined && was.held === undefined && (isGlobal || needsRestart(was, session));
  });
}

/**
 * What is to run now, so that no packet is lost on the way from `running` to `wanted`:
 *
 *     new session                                runs at once
 *     session no longer wanted, with a node      stays until all that it carries arrives by wanted sessions, here and there
 *       … with a neighbour outside the cluster   stays until all that it carries arrives by wanted sessions here, or it is overdue
 *       … not established, or its node gone      goes at once
 *     session whose neighbour was our client     stays one until that node has settled
 *     session with the same neighbour            runs as wanted; by its old name while it is up, if that is all that differs
 *
 * "There" is known by what the other node writes on its Node (`NodeProgress`), for exactly the topology that this node sees.
 * Closing and reopening never go together, as each wants another way (`wayToApply`): what is reopened waits for one pass.
 */
export function planTransition(inputs: TransitionInputs): Transition {
  const { wanted } = inputs;
  const unwanted = judgeUnwanted(inputs);
  const kept = unwanted.filter(({ until }) => until !== undefined);
  const roles = keptRoles(inputs);
  const closes =
    kept.length < unwanted.length && unwanted.some((one) => isUp(one.session, inputs) && !kept.includes(one));
  const waiting: string[] = [];
  const before = inputs.running && sessionsByNeighbor(inputs.running);
  const families = wanted.families.map((family) => ({
    ...family,
    gateways: [...family.gateways, ...keptGateways(family, kept, inputs)],
    sessions: [
      ...family.sessions.map((session) =>
        asItRuns(session, before?.get(session.neighbor), { inputs, roles, closes, waiting }),
      ),
      ...kept.map(({ session }) => session).filter(({ neighbor }) => versionOf(neighbor) === family.version),
    ],
  }));
  const foreign = kept.filter(({ session }) => inputs.cluster.progressOf(session) === "foreign");
  return {
    config: { ...wanted, families, filters: [...wanted.filters, ...keptFilters(families, inputs)] },
    pending: [
      ...kept.map(({ session, until }) => `keeps the session with ${session.neighbor} until ${until}`),
      ...[...roles].map(([neighbor, why]) => `stays route reflector for ${neighbor} until ${why}`),
      ...waiting,
    ],
    progress: {
      settled: isSettled(inputs, kept) ? inputs.cluster.hash : undefined,
      keeps: kept.length > foreign.length || roles.size > 0,
    },
    keptForeign: foreign.map(({ session }) => session.name),
  };
}

// --- internal ---

function isUp({ neighbor }: Session, { observed }: TransitionInputs): boolean {
  const seen = observed?.get(neighbor);
  return seen !== undefined && isCarrying(seen);
}

/** Neighbours whose reflector we are although it is no longer wanted, each with what it waits for. All keep the role, or none. */
function keptRoles(inputs: TransitionInputs): ReadonlyMap<string, string> {
  const { wanted, running, observed, isRecovering, cluster } = inputs;
  if (running === undefined) return new Map();
  const before = sessionsByNeighbor(running);
  const clients = allSessions(wanted).filter(
    ({ neighbor, reflectorCluster, held }) =>
      held === undefined && reflectorCluster === undefined && before.get(neighbor)?.reflectorCluster !== undefined,
  );
  const waits = clients.flatMap((session): readonly (readonly [string, string])[] => {
    if (observed === undefined) return [[session.neighbor, "BIRD answers"]];
    if (isRecovering) return [[session.neighbor, "BIRD has recovered from its restart"]];
    if (!isUp(session, inputs) || cluster.progressOf(session) !== "unsettled") return [];
    return [[session.neighbor, "that node has settled"]];
  });
  if (waits.length === 0) return new Map();
  const why = new Map(waits);
  return new Map(clients.map(({ neighbor }) => [neighbor, why.get(neighbor) ?? "its other clients have settled"]));
}

interface Running {
  readonly inputs: TransitionInputs;
  readonly roles: ReadonlyMap<string, string>;
  /** Some session that is up is closed by this configuration. */
  readonly closes: boolean;
  readonly waiting: string[];
}

function asItRuns(session: Session, was: Session | undefined, { inputs, roles, closes, waiting }: Running): Session {
  if (was === undefined || session.held !== undefined || was.held !== undefined) return session;
  const next = roles.has(session.neighbor) ? { ...session, reflectorCluster: was.reflectorCluster } : session;
  const isLeft = inputs.observed !== undefined && !inputs.isRecovering && !isUp(session, inputs);
  if (!needsRestart(was, next)) return isLeft ? next : { ...next, name: was.name };
  if (!closes || isLeft) return next;
  waiting.push(`opens the session with ${session.neighbor} anew once those that go are closed`);
  return was;
}

/** Filters that only sessions of before name. */
function keptFilters(families: readonly FamilyConfig[], { wanted, running }: TransitionInputs): BirdConfig["filters"] {
  const there = new Set(wanted.filters.map(({ name }) => name));
  const sessions = families.flatMap((family) => family.sessions);
  const named = new Set(sessions.flatMap(({ importFilters, exportFilters }) => [...importFilters, ...exportFilters]));
  return (running?.filters ?? []).filter(({ name }) => named.has(name) && !there.has(name));
}

/** The ways to kept neighbours that are behind a gateway. */
function keptGateways(
  { version, gateways }: FamilyConfig,
  kept: readonly KeptSession[],
  { running }: TransitionInputs,
): FamilyConfig["gateways"] {
  const there = new Set(gateways.map(({ destination }) => destination));
  const neighbors = new Set(kept.map(({ session }) => hostCidr(session.neighbor)));
  const before = running?.families.find((family) => family.version === version)?.gateways ?? [];
  return before.filter(({ destination }) => neighbors.has(destination) && !there.has(destination));
}

/**
 * Whether this node needs nothing of what is no longer wanted, by whomever: all that its kept sessions carry arrives otherwise,
 * and each network whose node it wants a session with arrives by that session, and not by a reflector alone.
 */
function isSettled(
  { wanted, observed, isRecovering, cluster }: TransitionInputs,
  kept: readonly KeptSession[],
): boolean {
  if (observed === undefined || isRecovering) return false;
  if (kept.some(({ isReplaced }) => !isReplaced)) return false;
  const direct = sessionsByNeighbor(wanted);
  return [...observed.values()].filter(isCarrying).every(({ neighbor, prefixes }) =>
    [...(prefixes ?? [])].every((prefix) => {
      const owner = cluster.ownerOf(prefix);
      if (owner === undefined || owner === neighbor || direct.get(owner)?.held !== undefined) return true;
      return !direct.has(owner) || observed.get(owner)?.prefixes?.has(prefix) === true;
    }),
  );
}
