import { type Command, InvalidArgumentError, Option } from "commander";
import type { BgpAnswer } from "../api/bgp-query.ts";
import { birdSocketPath } from "../bgp/bird/bird-socket-path.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";

interface NodeStatusOptions extends ConnectionOptions {
  readonly all?: true;
  readonly history: number;
  readonly output: "text" | "json";
  readonly socket: string;
}

/**
 * Adds `node status`. With a node's name, or `--all`, from any machine by the query API; else of the node that the command runs on,
 * by BIRD's control socket, for which nothing but BIRD is needed. Fails when a node does not answer; `--all` shows the others.
 */
export function addNodeStatus(program: Command): void {
  const node = program.commands.find((one) => one.name() === "node") ?? program.command("node").description("one node");
  const command = node
    .command("status")
    .description("show the BGP sessions of a node")
    .argument("[node]", "which node, asked by the API server (default: the one that the command runs on)")
    .option("--all", "every node, asked by the API server")
    .option("--history <entries>", "the last of what happened to its sessions too", count, 0)
    .addOption(new Option("-o, --output <format>", "format").choices(["text", "json"]).default("text"))
    .option("--socket <path>", "BIRD's control socket, on the node itself", birdSocketPath);
  addConnectionOption(command).action(async (name: string | undefined, options: NodeStatusOptions) => {
    if (name !== undefined && options.all) command.error("error: give either a node or --all", { exitCode: 2 });
    if (name !== undefined) await withClient(options, (client) => showNodes(client, [name], options));
    else if (options.all)
      await withClient(options, async (client) => showNodes(client, await namesOf(client), options));
    else await showLocal(options);
  });
}

// --- internal ---

type Client = Parameters<Parameters<typeof withClient>[1]>[0];

async function showLocal({ socket, output }: NodeStatusOptions): Promise<void> {
  const { readBirdStatus } = await import("../bgp/bird/read-bird-status.ts");
  const { formatLocalStatus } = await import("./node-status-text.ts");
  const status = await readBirdStatus(socket);
  process.stdout.write(output === "json" ? asJson(status) : formatLocalStatus(status));
}

async function showNodes(client: Client, names: readonly string[], options: NodeStatusOptions): Promise<void> {
  const { askNodeBgp } = await import("./node-bgp.ts");
  const { formatNodeStatus } = await import("./node-status-text.ts");
  const { inParallel } = await import("../net/in-parallel.ts");
  const answers = new Map<string, BgpAnswer | Error>();
  await inParallel(names, 16, async (name) => {
    const answer = askNodeBgp(client, name, { history: options.history });
    answers.set(name, await answer.catch((error: unknown) => error as Error));
  });
  const told = names.map((name) => answers.get(name)).filter((answer) => answer !== undefined);
  const good = told.flatMap((answer) => (answer instanceof Error ? [] : [answer]));
  const failures = told.flatMap((answer) => (answer instanceof Error ? [answer] : []));
  if (options.output === "text") process.stdout.write(good.map(formatNodeStatus).join("\n"));
  else if (options.all || good.length > 0) process.stdout.write(asJson(options.all ? good : good[0]));
  const [first, ...rest] = failures;
  for (const failure of rest) process.stderr.write(`margay: ${failure.message}\n`);
  if (first !== undefined) throw first;
}

async function namesOf(client: Client): Promise<readonly string[]> {
  const { nodeKind, resourcePath } = await import("../api/kinds.ts");
  const { listPages } = await import("../kube/list-all.ts");
  const names: string[] = [];
  for await (const { items } of listPages<{ readonly metadata: { readonly name: string } }>(
    client,
    resourcePath(nodeKind),
  )) {
    names.push(...items.map(({ metadata }) => metadata.name));
  }
  return names.sort();
}

function count(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("It must be a number up to 9999.");
  return Number(text);
}

function asJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
