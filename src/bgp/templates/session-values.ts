import type { BirdConfig, FamilyConfig, Session } from "../plan/bird-config.ts";

/** What the template of a session prints. */
export function sessionValues(session: Session, family: SessionFamily, config: SessionNode): object {
  const internal = session.neighborAs === (session.localAs ?? config.localAs);
  const workload = session.kind === "workload";
  const hasOwnImport = workload || session.importFilters.length > 0;
  const hasOwnExport = !internal || session.exportFilters.length > 0;
  return {
    ...session,
    ...{ version: family.version, internal, workload, hasOwnImport, hasOwnExport },
    hasOwnChannel: hasOwnImport || hasOwnExport || session.nextHop !== "auto",
    isHeld: session.held !== undefined,
    // An empty one is refused, and not left out.
    hasPassword: session.password !== undefined,
    // What BIRD cannot do without: an address to listen on, and to run multihop BFD from.
    source: session.source ?? (session.bfd || config.bindsToNodeIp ? family.address : undefined),
    // Single-hop BFD (RFC 5881) is for neighbours on the link, and this is how one is told.
    direct: session.bfd && session.ttlSecurityHops === 1,
    holdS: holdFor(session.keepaliveS),
    // BIRD refuses a client in another AS.
    reflectorCluster: internal ? session.reflectorCluster : undefined,
    nextHopSelf: session.nextHop === "self",
    nextHopKeep: session.nextHop === "keep",
  };
}

/** Throws when the session names a filter that is not there for its direction and family. */
export function checkFilters(
  session: Session,
  { version }: Pick<FamilyConfig, "version">,
  { filters }: Pick<BirdConfig, "filters">,
): void {
  for (const direction of ["import", "export"] as const) {
    for (const name of direction === "import" ? session.importFilters : session.exportFilters) {
      const isThere = filters.some(
        (filter) => filter.name === name && filter.version === version && filter.direction === direction,
      );
      if (!isThere) {
        throw new Error(`Cannot print session ${session.name}: there is no IPv${version} ${direction} filter ${name}`);
      }
    }
  }
}

/** What bears on all sessions' text. */
export type SessionNode = Pick<BirdConfig, "localAs" | "bindsToNodeIp">;
export type SessionFamily = Pick<FamilyConfig, "version" | "address">;

// --- internal ---

/** BIRD's, which it shows the neighbour when nothing is said. */
const defaultHoldS = 240;
const longestHoldS = 65_535;

/** Three keepalives fit into the hold time (RFC 4271 §4.4), or one that comes late ends the session. */
function holdFor(keepaliveS: number | undefined): number | undefined {
  const needed = Math.min(3 * (keepaliveS ?? 0), longestHoldS);
  return needed > defaultHoldS ? needed : undefined;
}
