import type { SessionProbe, SynResult } from "../../api/bgp-probe.ts";
import { ageText } from "./age-text.ts";
import type { End, Evidence } from "./evidence.ts";

/** The facts, one line each, from the near end to the far one. */
export function detailsOf({ here, there }: Evidence): readonly string[] {
  return [here, there].flatMap((end) => detailsOfEnd(end).map((text) => `${end.name}: ${text}`));
}

// --- internal ---

const mostEntries = 3;

function detailsOfEnd({ side, session, silence, isNode }: End): readonly string[] {
  if (!isNode) return [];
  if (side === undefined) return [`its agent does not answer: ${silence ?? "it was not asked"}`];
  const { observed, wanted, probe, connection, history } = session ?? {};
  const lines: string[] = [];
  if (side.daemon !== "running") lines.push(`BIRD: ${side.daemon}`);
  if (wanted !== undefined)
    lines.push(
      `wants ${wanted.name}: AS ${wanted.localAs} with AS ${wanted.neighborAs}${wanted.keyed ? ", password" : ""}`,
    );
  if (observed !== undefined) {
    const age = observed.since === undefined ? "" : ` for ${ageText(side.at - observed.since)}`;
    lines.push(
      `${observed.name} is ${observed.state}${age}${observed.lastError === undefined ? "" : `, last error: ${observed.lastError}`}`,
    );
  }
  if (connection !== undefined && connection.backoff > 0) {
    lines.push(`${connection.unacknowledged} segments are not acknowledged, sent again ${connection.backoff} times`);
  }
  if (probe !== undefined) lines.push(...detailsOfProbe(probe));
  for (const { at, text } of (history ?? []).slice(-mostEntries)) lines.push(`${ageText(side.at - at)} ago: ${text}`);
  return lines;
}

function detailsOfProbe({ source, holder, route, nextHop, listeners, ...wire }: SessionProbe): readonly string[] {
  const by = route.gateway === undefined ? "" : ` by ${route.gateway}`;
  const neighbour =
    nextHop === undefined
      ? ""
      : `, ${nextHop.ip} is ${nextHop.state}${nextHop.mac === undefined ? "" : ` at ${nextHop.mac}`}`;
  const lines = [
    `from ${source ?? "no address"} (${holder === undefined ? "on no interface" : holder.interface}), route ${route.kind}${by} on ${route.interface ?? "no interface"}${neighbour}`,
    `TCP: ${synText(wire.syn)}${wire.plainSyn === undefined ? "" : `; without password: ${synText(wire.plainSyn)}`}${wire.bigSyn === undefined ? "" : `; big: ${synText(wire.bigSyn)}`}; ICMP: ${wire.echo}; packets heard: ${wire.heard.packets}`,
  ];
  const programs = listeners.map(({ program, pid }) => `${program} (${pid})`).join(", ");
  lines.push(`listening on the BGP port: ${programs === "" ? "nobody who can be seen" : programs}`);
  return lines;
}

function synText({ outcome, code, bytes }: SynResult): string {
  return `${bytes} bytes ${outcome}${code === undefined ? "" : ` (${code})`}`;
}
