/** BGP sessions as tables, one for each family, in the columns of `calicoctl node status` and more. */
import type { BgpAnswer, BgpSession, HistoryEntry } from "../api/bgp-query.ts";
import type { BirdStatus } from "../bgp/bird/read-bird-status.ts";
import type { ObservedSession } from "../bgp/plan/observed-bgp.ts";
import { sessionKindOf } from "../bgp/plan/session-name.ts";
import { type Ip, type IpVersion, versionOf } from "../net/ip.ts";
import { formatAge } from "./age.ts";
import { type BoxedColumn, formatBoxedTable } from "./boxed-table.ts";

/** What BIRD itself says on the node. Times are the node's. */
export function formatLocalStatus(status: BirdStatus): string {
  const tables = families.map((version) => formatFamily(version, localColumns, status.sessions, localRow));
  return `BIRD ${status.version}, router ID ${status.routerId}, up since ${status.lastReboot}\n${tables.join("")}`;
}

/** What a node's agent says, from anywhere. Times are UTC. */
export function formatNodeStatus(answer: BgpAnswer): string {
  const { node, sessions, pending, rejected, history } = answer;
  const tables = families.map((version) =>
    formatFamily(version, columns, sessions, (session) => rowOf(session, answer)),
  );
  const remarks = [
    ...sessions.flatMap(({ name, held }) => (held === undefined ? [] : [`${name} is held down: ${held}`])),
    ...pending.map((reason) => `In transition: ${reason}`),
    ...rejected.map(({ kind, name, reason }) => `${kind} ${name} is not in force: ${reason}`),
  ];
  const parts = [`Node ${node}: ${daemonLine(answer)}\n`, ...tables];
  if (remarks.length > 0) parts.push(`\n${remarks.join("\n")}\n`);
  if (history.length > 0) parts.push(`\nHistory\n${history.map(historyLine).join("\n")}\n`);
  return parts.join("");
}

// --- internal ---

const families = [4, 6] as const;
const types = {
  mesh: "node-to-node mesh",
  global: "global",
  node: "node specific",
  workload: "local workload",
} as const;

const localColumns: readonly BoxedColumn[] = ["PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"].map((header) => ({
  header,
}));
const columns: readonly BoxedColumn[] = [
  ...localColumns,
  { header: "PEER NODE" },
  ...["UPTIME", "IN", "OUT", "FLAPS"].map((header) => ({ header, align: "right" }) as const),
  { header: "LAST ERROR" },
];

function formatFamily<Session extends { readonly neighbor: Ip }>(
  version: IpVersion,
  header: readonly BoxedColumn[],
  sessions: readonly Session[],
  row: (session: Session) => readonly string[],
): string {
  const own = sessions.filter(({ neighbor }) => versionOf(neighbor) === version);
  if (own.length === 0) return `\nIPv${version} BGP status\nNo IPv${version} peers found.\n`;
  return `\nIPv${version} BGP status\n${formatBoxedTable(header, own.map(row))}`;
}

function localRow({ name, neighbor, state, since, lastError }: ObservedSession): readonly string[] {
  return [neighbor, typeOf(sessionKindOf(name)), birdState(state), since, [state, lastError].filter(Boolean).join(" ")];
}

function rowOf(session: BgpSession, { at }: BgpAnswer): readonly string[] {
  const { neighbor, kind, state, since, held, neighborNode = "", imported, exported, flaps, lastError = "" } = session;
  const info = held === undefined ? state : "held down";
  return [
    ...[neighbor, typeOf(kind), birdState(state), since === undefined ? "" : formatTime(since), info, neighborNode],
    since !== undefined && state === "Established" ? formatAge(at - since) : "",
    ...[`${imported}`, `${exported}`, `${flaps}`, lastError],
  ];
}

/** BIRD's own word for the protocol, which calicoctl shows as the state. */
function birdState(state: string): "up" | "start" | "down" {
  if (state === "Established") return "up";
  return state === "Down" ? "down" : "start";
}

function typeOf(kind: BgpSession["kind"]): string {
  return kind === undefined ? "unknown" : types[kind];
}

function daemonLine({ at, daemon, trouble, reconfigurations }: BgpAnswer): string {
  if (daemon === undefined) return `BIRD does not answer: ${trouble ?? "no reason known"}`;
  const { version, routerId, lastReboot, lastReconfiguration, isRecovering } = daemon;
  const ago = (time: number | undefined) => (time === undefined ? "unknown" : formatAge(at - time));
  return [
    `BIRD ${version}, router ID ${routerId}, up for ${ago(lastReboot)}`,
    `${reconfigurations} reconfigurations since the agent started, the last ${ago(lastReconfiguration)} ago`,
    ...(isRecovering ? ["recovering from a restart: it waits for its neighbours' routes"] : []),
  ].join("; ");
}

function historyLine({ at, session, neighbor, text, leftOut }: HistoryEntry): string {
  const who = session === undefined ? "BIRD" : `${session}${neighbor === undefined ? "" : ` (${neighbor})`}`;
  return `${formatTime(at)} ${who}: ${text}${leftOut === undefined ? "" : ` (${leftOut} entries before it were left out)`}`;
}

function formatTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}
