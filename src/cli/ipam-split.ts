import { type Command, InvalidArgumentError } from "commander";
import { type Cidr, parseCidr } from "../net/cidr.ts";
import type { ConnectionOptions } from "./connection.ts";
import { addIpamCommand, addOutputOption, type OutputOptions, print, withIpam } from "./ipam-command.ts";
import type { Split } from "./ipam-split-steps.ts";
import { usageError } from "./kind-argument.ts";

interface SplitOptions extends ConnectionOptions, OutputOptions {
  readonly cidr?: Cidr;
  readonly name?: string;
}

const mostParts = 1024;

/** Adds `ipam split`: replaces a pool by smaller ones, under running pods. Calling it again finishes what was cut short. */
export function addIpamSplit(program: Command): void {
  const command = addIpamCommand(program, "split", "replace a pool by smaller pools of equal size, under running pods")
    .argument("<number>", "into how many: a power of two", partsArgument)
    .option("--cidr <cidr>", "the pool with this network", cidrArgument)
    .option("--name <name>", "the pool of this name");
  addOutputOption(command).action(async (parts: number, options: SplitOptions) => {
    const { cidr, name } = options;
    if (cidr === undefined && name === undefined) usageError(command, "name the pool with --name or --cidr");
    const { splitPool } = await import("./ipam-split-steps.ts");
    const done = await withIpam(options, (ipam) => splitPool(ipam, { parts, cidr, name }));
    await print(options, done, formatSplit);
  });
}

// --- internal ---

function partsArgument(text: string): number {
  const parts = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (parts >= 2 && parts <= mostParts && Number.isInteger(Math.log2(parts))) return parts;
  throw new InvalidArgumentError(`It must be a power of two from 2 to ${mostParts}.`);
}

function cidrArgument(text: string): Cidr {
  try {
    return parseCidr(text);
  } catch {
    throw new InvalidArgumentError("It must be a network such as 10.0.0.0/16 or 2001:db8::/48.");
  }
}

function formatSplit({ pool, parts, children, result }: Split): string {
  const rows = children.map(({ name, cidr }) => `  ${name} with CIDR ${cidr}\n`).join("");
  if (result === "already split") return `IP pool ${pool} is already split into ${parts} smaller pools:\n${rows}`;
  return (
    `IP pool ${pool} was split into ${parts} smaller pools:\n${rows}` +
    "Blocks, addresses in use and routes are as they were. " +
    `Pods and namespaces that ask for ${pool} by name or CIDR must name the new pools.\n`
  );
}
