import type { Command } from "commander";
import { birdSocketPath } from "../bgp/bird/bird-socket-path.ts";
import type { BirdStatus } from "../bgp/bird/read-bird-status.ts";
import type { SessionStatus } from "../bgp/bird/session-status.ts";
import { sessionKindOf } from "../bgp/plan/session-name.ts";
import { type IpVersion, versionOf } from "../net/ip.ts";
import { type BoxedColumn, formatBoxedTable } from "./boxed-table.ts";

/** Adds `node status`: the BGP sessions of the node that the command runs on. Fails when its BIRD does not answer. */
export function addNodeStatus(program: Command): void {
  const node = program.commands.find((one) => one.name() === "node") ?? program.command("node").description("one node");
  node
    .command("status")
    .description("show this node's BGP sessions")
    .option("--socket <path>", "BIRD's control socket", birdSocketPath)
    .action(async ({ socket }: { socket: string }) => {
      const { readBirdStatus } = await import("../bgp/bird/read-bird-status.ts");
      process.stdout.write(formatNodeStatus(await readBirdStatus(socket)));
    });
}

/** The sessions as tables, one for each family, in the columns of `calicoctl node status`. */
export function formatNodeStatus(status: BirdStatus): string {
  const tables = ([4, 6] as const).map((version) => formatFamily(version, status.sessions));
  return `BIRD ${status.version}, router ID ${status.routerId}, up since ${status.lastReboot}\n${tables.join("")}`;
}

// --- internal ---

const columns: readonly BoxedColumn[] = ["PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"].map((header) => ({
  header,
}));

const types = { mesh: "node-to-node mesh", global: "global", node: "node specific", workload: "local workload" } as const;

function formatFamily(version: IpVersion, sessions: readonly SessionStatus[]): string {
  const own = sessions.filter((session) => versionOf(session.neighbor) === version);
  if (own.length === 0) return `\nIPv${version} BGP status\nNo IPv${version} peers found.\n`;
  return `\nIPv${version} BGP status\n${formatBoxedTable(columns, own.map(rowOf))}`;
}

function rowOf({ name, neighbor, state, since, info }: SessionStatus): readonly string[] {
  const kind = sessionKindOf(name);
  return [neighbor, kind === undefined ? "unknown" : types[kind], state, since, info];
}
