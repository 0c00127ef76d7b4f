import { isIp, parseIp } from "../../net/ip.ts";
import type { ObservedSession } from "../plan/observed-bgp.ts";
import type { BirdReply } from "./reply-reader.ts";

/** The row of one protocol and the block of details beneath it. */
interface Section {
  readonly row: string;
  readonly details: string[];
}

const rowCode = 1002;
const detailCode = 1006;

/**
 * The BGP sessions in an answer to `show protocols all`, in BIRD's order. Needs `timeformat protocol iso long`.
 * Throws when a BGP protocol's row, neighbour or state cannot be read, as BIRD 2 would then have changed its format.
 */
export function parseProtocols(reply: BirdReply): readonly ObservedSession[] {
  return sectionsOf(reply).flatMap((section) => parseSection(section) ?? []);
}

// --- internal ---

/** BIRD's own words beside those of RFC 4271: it waits for the neighbour to connect, or still closes a connection. */
const states: Readonly<Record<string, ObservedSession["state"]>> = {
  ...{ Idle: "Idle", Connect: "Connect", Active: "Active", OpenSent: "OpenSent", OpenConfirm: "OpenConfirm" },
  ...{ Established: "Established", Down: "Down", Passive: "Active", Close: "Idle" },
};

function sectionsOf(reply: BirdReply): readonly Section[] {
  const sections: Section[] = [];
  for (const { code, text } of reply.lines) {
    if (code === rowCode) sections.push({ row: text, details: [] });
    if (code === detailCode) sections.at(-1)?.details.push(text);
  }
  return sections;
}

function parseSection({ row, details }: Section): ObservedSession | undefined {
  const match = /^(\S+)\s+(\S+)\s+\S+\s+\S+\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\S*(\s.*)?$/.exec(row.trim());
  if (!match) throw new Error(`Cannot read ${JSON.stringify(row)} as a row of BIRD's protocols`);
  const [, name = "", protocol, since = ""] = match;
  if (protocol !== "BGP") return undefined;
  const neighbor = detailOf(details, "Neighbor address");
  if (neighbor === undefined || !isIp(neighbor)) {
    throw new Error(`Cannot read the neighbour of BIRD's protocol ${name}: ${JSON.stringify(neighbor)}`);
  }
  const said = detailOf(details, "BGP state");
  const state = states[said ?? ""];
  if (state === undefined) throw new Error(`Cannot read the state of BIRD's protocol ${name}: ${JSON.stringify(said)}`);
  return {
    ...{ name, neighbor: parseIp(neighbor), state, since, lastError: detailOf(details, "Last error") },
    keepsOurRoutes: blockUnder(details, "Neighbor capabilities").includes("Graceful restart"),
    neighborRestarts: details.some((line) => line.trim() === "Neighbor graceful restart active"),
    ...{ imported: countOf(details, "imported"), exported: countOf(details, "exported"), prefixes: undefined },
  };
}

function detailOf(details: readonly string[], label: string): string | undefined {
  const line = details.find((one) => one.trimStart().startsWith(`${label}:`));
  return line?.slice(line.indexOf(":") + 1).trim();
}

/** What stands deeper than its heading, trimmed. */
function blockUnder(details: readonly string[], heading: string): readonly string[] {
  const begin = details.findIndex((line) => line.trim() === heading);
  if (begin === -1) return [];
  const depth = indentOf(details[begin] ?? "");
  const rest = details.slice(begin + 1);
  const end = rest.findIndex((line) => indentOf(line) <= depth);
  return rest.slice(0, end === -1 ? rest.length : end).map((line) => line.trim());
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** Of all channels, from lines like `Routes: 3 imported, 1 filtered, 2 exported, 1 preferred`. */
function countOf(details: readonly string[], word: "imported" | "exported"): number {
  const lines = details.filter((line) => line.trimStart().startsWith("Routes:"));
  return lines.reduce((sum, line) => sum + Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0), 0);
}
