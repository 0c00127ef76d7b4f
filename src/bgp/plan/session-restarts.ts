/** What BIRD 2.0.12 makes of a changed configuration: measured, one parameter at a time, on an established session. */
import type { Ip } from "../../net/ip.ts";
import { allSessions, type BirdConfig, type Session, sessionsByNeighbor } from "./bird-config.ts";
import type { ObservedSession } from "./observed-bgp.ts";

/**
 * How a new configuration is put in force. `configure`: BIRD takes it over as it runs; a session that it has to open anew it
 * first closes by a notification, upon which the neighbour drops our routes. `graceful restart`: BIRD exits without a word, and
 * the next BIRD, started with `-R`, opens every session anew while the kernel and the neighbours keep the routes (RFC 4724).
 *
 * Until each neighbour has told all of its routes, or `graceful restart wait` is over, the next BIRD writes nothing to the
 * kernel; then it drops the routes that nobody told. So a password that both ends must have may reach them in any order within
 * that time. Neighbours that restart at the same time do not wait for one another: a whole mesh is back in two seconds, the
 * `connect delay time`. Without `-R` the neighbours drop our routes as the session comes up (the F bit of RFC 4724 is not set).
 */
export type WayToApply = "configure" | "graceful restart";

/** The facts that decide it. */
export interface WayInputs {
  /** What BIRD works by; undefined: not known. */
  readonly running: BirdConfig | undefined;
  readonly next: BirdConfig;
  /** By neighbour; undefined: BIRD does not answer, or was not asked. */
  readonly observed: ReadonlyMap<Ip, ObservedSession> | undefined;
  /** BIRD has been restarted gracefully, and still waits for its neighbours' routes. */
  readonly isRecovering: boolean;
}

/**
 * `later`: BIRD has been restarted, and is to be again. Where its sessions are up it has yet to tell its routes, and were it to go
 * before, these neighbours would drop what it has not told (RFC 4724, section 4.2). It recovers in `graceful restart wait` at most.
 * `graceful restart` when `configure` would close a session that carries routes and each neighbour keeps ours meanwhile: one
 * that does not would lose them by the restart of a daemon that it has no part in. Else `configure`.
 */
export function wayToApply({ running, next, observed, isRecovering }: WayInputs): WayToApply | "later" {
  if (running === undefined || observed === undefined) return "configure";
  const carrying = [...observed.values()].filter(isCarrying);
  const keepers = new Set(carrying.map(({ neighbor }) => neighbor));
  const restarted = restartedSessions(running, next).filter(({ neighbor }) => isRecovering || keepers.has(neighbor));
  const areAllKept = carrying.every(({ keepsOurRoutes, neighborRestarts }) => keepsOurRoutes || neighborRestarts);
  if (restarted.length === 0 || !areAllKept) return "configure";
  return isRecovering && carrying.some(({ state }) => state === "Established") ? "later" : "graceful restart";
}

/** Routes of it are in force: it is established, or its neighbour restarts and its routes are kept. */
export function isCarrying({ state, neighborRestarts }: ObservedSession): boolean {
  return state === "Established" || neighborRestarts;
}

/** Whether BIRD opens every session anew, whatever becomes of each. */
export function changesAll(running: BirdConfig, next: BirdConfig): boolean {
  return globals.some((field) => running[field] !== next[field]);
}

/** Whether BIRD opens the session anew when it changes so; its name, by which BIRD knows it, aside. */
export function needsRestart(was: Session, session: Session): boolean {
  return restarting.some((field) => was[field] !== session[field]);
}

// --- internal ---

/**
 * The sessions of `next` that `configure` closes and opens anew, although both configurations want them. One that is held in
 * either is none of them: it has nothing to lose.
 */
function restartedSessions(running: BirdConfig, next: BirdConfig): readonly Session[] {
  const isWhole = changesAll(running, next);
  const before = sessionsByNeighbor(running);
  return allSessions(next).filter((session) => {
    const was = before.get(session.neighbor);
    if (was === undefined || was.held !== undefined || session.held !== undefined) return false;
    return isWhole || was.name !== session.name || needsRestart(was, session);
  });
}

const globals = ["routerId", "localAs", "listenPort", "bindsToNodeIp"] as const satisfies readonly (keyof BirdConfig)[];

/**
 * A change of one of these opens the session anew. Of the others BIRD takes over filters and next hop by asking for, or sending,
 * the routes again, and BFD as it is.
 */
const restarting = [
  ...["port", "neighborAs", "localAs", "source", "passive", "password", "reflectorCluster", "restartTimeS"],
  ...["keepaliveS", "allowedLocalAs", "ttlSecurityHops"],
] as readonly (keyof Session)[];
