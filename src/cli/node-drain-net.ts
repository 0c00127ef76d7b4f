import { type Command, InvalidArgumentError } from "commander";
import { defaultDrainWaitS, formatDrainRequest, localDrainFile } from "../bgp/plan/drain.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";

interface DrainOptions extends ConnectionOptions {
  readonly wait: number;
  readonly undo?: true;
  readonly local?: true;
  readonly follow: boolean;
}

/**
 * Adds `node drain-net NODE`: asks the node's agent to send traffic elsewhere, and follows what it does. With `--local` it asks
 * the agent of the machine that the command runs on, without the API server, and returns when the wait is over: for a preStop
 * hook, or a unit that runs before shutdown.
 */
export function addNodeDrainNet(program: Command): void {
  const node = program.commands.find((one) => one.name() === "node") ?? program.command("node").description("one node");
  const command = node
    .command("drain-net")
    .description(
      "drain a node's network: announce everything as the last choice, wait, withdraw Services, then pods' networks once no pod is left",
    )
    .argument("[node]", "the node; none with --local")
    .option("--wait <seconds>", "how long neighbours are given to choose other ways", seconds, defaultDrainWaitS)
    .option("--undo", "announce everything as before")
    .option("--local", "the machine that the command runs on, without the API server")
    .option("--no-follow", "do not wait for the agent");
  addConnectionOption(command).action(async (name: string | undefined, options: DrainOptions) => {
    if ((name === undefined) !== (options.local === true)) {
      command.error("error: name the node, or say --local for the machine that this runs on", { exitCode: 2 });
    }
    if (name === undefined) await drainLocal(options);
    else await drain(name, options);
  });
}

// --- internal ---

function seconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number of seconds, at most 99999.");
}

function drain(node: string, options: DrainOptions): Promise<void> {
  return withClient(options, async (client) => {
    const { drainNode, undoDrain } = await import("./drain-node.ts");
    const { systemClock } = await import("../host/clock.ts");
    const parts = { client, node, print, clock: systemClock };
    if (options.undo) await undoDrain(parts, options);
    else await drainNode(parts, { waitS: options.wait, follow: options.follow });
  });
}

async function drainLocal({ wait, undo, follow }: DrainOptions): Promise<void> {
  if (undo) {
    const { rm } = await import("node:fs/promises");
    await rm(localDrainFile, { force: true });
    print("This machine's agent announces everything as before");
    return;
  }
  const { LinuxHost } = await import("../host/linux-host.ts");
  const { systemClock } = await import("../host/clock.ts");
  const request = formatDrainRequest({ id: new Date(systemClock.now()).toISOString(), waitS: wait });
  await new LinuxHost().replaceFile(localDrainFile, `${request}\n`);
  const waitS = wait + localGraceS;
  print(`Asked this machine's agent to drain its network${follow ? `; waiting ${waitS} s` : ""}`);
  if (follow) await systemClock.sleep(waitS * 1000);
}

/** The agent looks at the file once a second, and BIRD has to take a configuration twice. */
const localGraceS = 3;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
