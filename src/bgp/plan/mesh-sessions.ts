import type { Secret } from "./bgp-inputs.ts";
import type { BgpNodeAddress, BgpNodes } from "./bgp-nodes.ts";
import type { BgpSettings } from "./bgp-settings.ts";
import { plainSession, type RejectedObject, type Session } from "./bird-config.ts";
import { passwordOf } from "./passwords.ts";
import { sessionName } from "./session-name.ts";

/** Some sessions, and all that comes with them. */
export interface PlannedSessions {
  readonly sessions: readonly Session[];
  /** Objects that give no session although they ask for one, or one that is held. */
  readonly rejected: readonly RejectedObject[];
  /** `NAME/KEY` of every Secret that some session's password stands in. */
  readonly secrets: readonly string[];
}

/**
 * One session to every address of another node in a family that this node has too, in their order; none where the mesh is off.
 * A route reflector is outside the mesh, and no node of the mesh has a session with one (as upstream).
 */
export function planMesh(
  { self, own, others }: BgpNodes,
  { mesh }: Pick<BgpSettings, "mesh">,
  secrets: ReadonlyMap<string, Secret>,
): PlannedSessions {
  const neighbours = others.filter(({ of, version }) => of.cluster === undefined && own[version] !== undefined);
  if (mesh === undefined || self.cluster !== undefined || neighbours.length === 0) {
    return { sessions: [], rejected: [], secrets: [] };
  }
  const { secret, text: password, held } = passwordOf(mesh.password, secrets);
  const common = {
    ...plainSession,
    kind: "mesh",
    password,
    held,
    restartTimeS: mesh.restartTimeS,
    bfd: mesh.bfd,
  } as const;
  const sessions = neighbours.map(({ ip, version, of }): Session => {
    const source = own[version];
    const [name, passive] = [sessionName("mesh", ip), waits(own, { ip, version })];
    return { ...common, name, neighbor: ip, port: of.port, neighborAs: of.asNumber, source, passive };
  });
  const reason = `Cannot open the sessions of the mesh: ${held}`;
  const rejected: readonly RejectedObject[] =
    held === undefined ? [] : [{ kind: "BGPConfiguration", name: "default", reason }];
  return { sessions, rejected, secrets: secret === undefined ? [] : [secret] };
}

/**
 * Whether this node waits for the other to connect. Of each pair, the node whose address is greater as a string connects (as
 * upstream): were both to connect, a graceful restart could be cut short by the second connection.
 */
export function waits(own: BgpNodes["own"], { ip, version }: Pick<BgpNodeAddress, "ip" | "version">): boolean {
  const address = own[version];
  return address !== undefined && ip > address;
}
