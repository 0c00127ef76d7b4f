import { isIp, parseIp } from "../../net/ip.ts";
import type { BirdReply } from "./reply-reader.ts";
import type { SessionStatus } from "./session-status.ts";

/** The row of one protocol and the block of details beneath it. */
interface Section {
  readonly row: string;
  readonly details: string[];
}

const rowCode = 1002;
const detailCode = 1006;

/**
 * The BGP sessions in an answer to `show protocols all`, in BIRD's order. Needs `timeformat protocol iso long`.
 * Throws when a BGP protocol's row or neighbour cannot be read, as BIRD 2 would then have changed its format.
 */
export function parseProtocols(reply: BirdReply): readonly SessionStatus[] {
  return sectionsOf(reply).flatMap((section) => parseSection(section) ?? []);
}

// --- internal ---

function sectionsOf(reply: BirdReply): readonly Section[] {
  const sections: Section[] = [];
  for (const { code, text } of reply.lines) {
    if (code === rowCode) sections.push({ row: text, details: [] });
    if (code === detailCode) sections.at(-1)?.details.push(text);
  }
  return sections;
}

function parseSection({ row, details }: Section): SessionStatus | undefined {
  const match = /^(\S+)\s+(\S+)\s+\S+\s+(\S+)\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\S*\s*(.*)$/.exec(row.trim());
  if (!match) throw new Error(`Cannot read ${JSON.stringify(row)} as a row of BIRD's protocols`);
  const [, name = "", protocol, state = "", since = "", info = ""] = match;
  if (protocol !== "BGP") return undefined;
  const neighbor = detailOf(details, "Neighbor address");
  if (neighbor === undefined || !isIp(neighbor)) {
    throw new Error(`Cannot read the neighbour of BIRD's protocol ${name}: ${JSON.stringify(neighbor)}`);
  }
  return {
    name,
    neighbor: parseIp(neighbor),
    state,
    since,
    info: info.trim().replaceAll(/\s+/g, " "),
  };
}

function detailOf(details: readonly string[], label: string): string | undefined {
  const line = details.find((one) => one.trimStart().startsWith(`${label}:`));
  return line?.slice(line.indexOf(":") + 1).trim();
}
