import type { Observation } from "../../../../src/agent/bgp/observer.ts";
import {
  type BirdConfig,
  plainSession,
  type RejectedObject,
  type Session,
} from "../../../../src/bgp/plan/bird-config.ts";
import type { ObservedSession } from "../../../../src/bgp/plan/observed-bgp.ts";
import { parseIp } from "../../../../src/net/ip.ts";

/** A session of the mesh as BIRD shows it when all is well. */
export function session(address: string, fields: Partial<ObservedSession> = {}): ObservedSession {
  return {
    ...{ name: `Mesh_${address.replaceAll(/[.:]/g, "_")}`, neighbor: parseIp(address), state: "Established" },
    ...{ since: "2026-11-21 10:00:00", lastError: undefined, keepsOurRoutes: true, neighborRestarts: false },
    ...{ imported: 1, exported: 2, prefixes: undefined, ...fields },
  };
}

/** What a look shows of a BIRD that answers at noon. */
export function look(sessions: readonly ObservedSession[], fields: Partial<Observation> = {}): Observation {
  const daemon = {
    ...{ version: "2.0.12", routerId: "10.0.0.1", serverTime: "2026-11-21 12:00:00", isRecovering: false },
    ...{ lastReboot: "2026-11-21 09:00:00", lastReconfiguration: "2026-11-21 11:00:00" },
  };
  return { at: Date.parse("2026-11-21T13:00:00Z"), daemon, trouble: undefined, sessions, ...fields };
}

/** What a look shows while BIRD does not answer. */
export const noBird: Observation = look([], { daemon: undefined, trouble: "nothing listens there" });

/** A configuration with these sessions in its one family. */
export function configured(
  sessions: readonly Partial<Session>[],
  rejected: readonly RejectedObject[] = [],
): BirdConfig {
  const whole = sessions.map((one) => ({
    ...plainSession,
    source: undefined,
    kind: "mesh",
    neighborAs: 64512,
    ...one,
  }));
  return { families: [{ version: 4, sessions: whole }], rejected } as unknown as BirdConfig;
}
