import type { Cidr } from "../../net/cidr.ts";
import type { BirdControl } from "./bird-control.ts";
import { parseRoutes } from "./parse-routes.ts";

/**
 * The networks that each BGP session has brought and that its filter let in, by the session's name, whether BIRD prefers them or
 * not; a session that has brought none is absent. One question for all: BIRD walks its whole table for each
 * `show route protocol X`. Rejects with a BirdError.
 */
export async function readPrefixes(control: BirdControl): Promise<ReadonlyMap<string, ReadonlySet<Cidr>>> {
  const routes = parseRoutes(await control.command("show route where source = RTS_BGP"));
  const byName = new Map<string, Set<Cidr>>();
  for (const { protocol, destination } of routes) {
    const known = byName.get(protocol);
    if (known) known.add(destination);
    else byName.set(protocol, new Set([destination]));
  }
  return byName;
}
