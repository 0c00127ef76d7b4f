/** What a node tells of its BGP, put together from what is configured, seen and remembered. */
import type { BgpDaemon, BgpSession } from "../../api/bgp-query.ts";
import { type DaemonStatus, msSince } from "../../bgp/bird/parse-status.ts";
import { allSessions, type Session } from "../../bgp/plan/bird-config.ts";
import { nodesByAddress } from "../../bgp/plan/node-address.ts";
import type { ObservedSession } from "../../bgp/plan/observed-bgp.ts";
import { sessionKindOf } from "../../bgp/plan/session-name.ts";
import type { BgpState } from "./bgp-state.ts";

/** The daemon with its times as everybody reads them; undefined while it does not answer. */
export function daemonOf({ observed: { at, daemon } }: BgpState): BgpDaemon | undefined {
  if (daemon === undefined) return undefined;
  const { version, routerId, isRecovering, lastReboot, lastReconfiguration } = daemon;
  return {
    ...{ version, routerId, isRecovering },
    lastReboot: timeOf(at, daemon, lastReboot),
    lastReconfiguration: timeOf(at, daemon, lastReconfiguration),
  };
}

/** Every session that is configured or that BIRD has: in the configuration's order, then what it does not name. */
export function sessionsOf(state: BgpState): readonly BgpSession[] {
  const { observed, configured } = state;
  const wanted = allSessions(configured);
  const names = new Set(wanted.map(({ name }) => name));
  const seen = new Map(observed.sessions.map((session) => [session.name, session]));
  const nodes = nodesByAddress(state.nodes.values());
  const facts = (session: Session | ObservedSession) => ({
    ...factsOf(state, session.name, seen.get(session.name)),
    ...{ name: session.name, neighbor: session.neighbor, neighborNode: nodes.get(session.neighbor)?.name },
  });
  return [
    ...wanted.map((one) => ({ ...facts(one), kind: one.kind, neighborAs: one.neighborAs, held: one.held })),
    ...observed.sessions.filter(({ name }) => !names.has(name)).map(facts),
  ];
}

// --- internal ---

type Facts = Omit<BgpSession, "name" | "neighbor" | "neighborNode" | "neighborAs" | "held">;

function factsOf({ observed, tracks }: BgpState, name: string, seen: ObservedSession | undefined): Facts {
  const { at, daemon } = observed;
  const track = tracks.of(name);
  return {
    kind: sessionKindOf(name),
    state: seen?.state ?? "Down",
    since: daemon && seen && timeOf(at, daemon, seen.since),
    ...{ lastError: track?.lastError, lastErrorAt: track?.lastErrorAt, flaps: track?.flaps ?? 0 },
    ...{ imported: seen?.imported ?? 0, exported: seen?.exported ?? 0 },
    ...{ keepsOurRoutes: seen?.keepsOurRoutes ?? false, neighborRestarts: seen?.neighborRestarts ?? false },
  };
}

/** `at` is when `daemon` was asked: BIRD tells local times, which mean nothing on another machine. */
function timeOf(at: number, daemon: DaemonStatus, time: string): number | undefined {
  const ago = msSince(daemon, time);
  return ago === undefined ? undefined : at - ago;
}
