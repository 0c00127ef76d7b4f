import { ZodError } from "zod";
import { type BgpAnswer, type BgpQuery, type BgpSession, parseBgpQuery } from "../../api/bgp-query.ts";
import type { QueryResource } from "./query-resource.ts";
import { StatusError } from "./status.ts";

/**
 * NodeBgp: how a node's BGP stands, and what happened to it. `?peer=ADDRESS` asks for one neighbour, `?history=N` for the last N
 * entries of the flight recorder, `?routes=true` for every route that BIRD knows.
 */
export const nodeBgp: QueryResource<BgpAnswer> = {
  name: "nodebgp",
  kind: "NodeBgp",
  columns: ["Peer", "Node", "Type", "State", "Up", "Imported", "Exported", "Last Error"],
  ask: (agents, node, { query, signal }) => agents.bgp(node, queryIn(query), signal),
  fieldsOf: ({ node, ...fields }) => fields,
  rowsOf: ({ at, sessions }) => sessions.map((session) => rowOf(session, at)),
};

// --- internal ---

function queryIn(query: unknown): BgpQuery {
  const { peer, history, routes } = query as Readonly<Record<string, unknown>>;
  const flags: Readonly<Record<string, unknown>> = { true: true, false: false };
  try {
    return parseBgpQuery({
      peer,
      history: history === undefined ? undefined : Number(history),
      routes: flags[String(routes)] ?? routes,
    });
  } catch (cause) {
    if (!(cause instanceof ZodError)) throw cause;
    const [issue] = cause.issues;
    throw new StatusError(400, `Cannot read ${issue?.path.join(".")} of the query: ${issue?.message}`, cause);
  }
}

function rowOf(session: BgpSession, at: number): readonly (string | number)[] {
  const { neighbor, neighborNode = "", kind = "", state, since, held, imported, exported, lastError = "" } = session;
  const up = state === "Established" && since !== undefined ? `${Math.max(0, Math.round((at - since) / 1000))}s` : "";
  return [neighbor, neighborNode, kind, held === undefined ? state : "Held", up, imported, exported, held ?? lastError];
}
