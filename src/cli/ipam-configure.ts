import { type Command, InvalidArgumentError, Option } from "commander";
import type { ConnectionOptions } from "./connection.ts";
import { addIpamCommand, addOutputOption, type OutputOptions, print, withIpam } from "./ipam-command.ts";
import type { Settings } from "./ipam-configure-steps.ts";
import { usageError } from "./kind-argument.ts";

interface ConfigureOptions extends ConnectionOptions, OutputOptions {
  readonly strictaffinity?: boolean;
  readonly maxBlocksPerHost?: number;
  readonly ipCooldownSeconds?: number;
  readonly kubevirtIpPersistence?: "Enabled" | "Disabled";
}

/** Adds `ipam configure`: changes IPAMConfiguration `default`, and makes it when there is none. */
export function addIpamConfigure(program: Command): void {
  const command = addIpamCommand(program, "configure", "change the cluster's settings of address management")
    .option("--strictaffinity <true|false>", "whether nodes take addresses from their own blocks only", switchArgument)
    .option(
      "--max-blocks-per-host <number>",
      "how many blocks one node may have; 0: the built-in limit",
      numberArgument(1_000_000),
    )
    .option(
      "--ip-cooldown-seconds <number>",
      "for how long an address that was given back is not given out again",
      numberArgument(1200),
    )
    .addOption(
      new Option(
        "--kubevirt-ip-persistence <mode>",
        "whether a KubeVirt machine keeps its address; kept, without effect",
      ).choices(["Enabled", "Disabled"]),
    );
  addOutputOption(command).action(async (options: ConfigureOptions) => {
    const change = changeOf(options);
    if (Object.keys(change).length === 0) usageError(command, "name at least one setting to change");
    const { configure } = await import("./ipam-configure-steps.ts");
    const settings = await withIpam(options, ({ client }) => configure(client, change));
    await print(options, settings, () => formatChange(change));
  });
}

// --- internal ---

/** As calicoctl reads a truth value. */
function switchArgument(text: string): boolean {
  if (/^(1|t|T|true|True|TRUE)$/.test(text)) return true;
  if (/^(0|f|F|false|False|FALSE)$/.test(text)) return false;
  throw new InvalidArgumentError("It must be true or false.");
}

function numberArgument(most: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= most)) throw new InvalidArgumentError(`It must be a whole number from 0 to ${most}.`);
    return value;
  };
}

function changeOf(options: ConfigureOptions): Partial<Settings> {
  const { strictaffinity, maxBlocksPerHost, ipCooldownSeconds, kubevirtIpPersistence } = options;
  return {
    ...(strictaffinity === undefined ? {} : { strictAffinity: strictaffinity }),
    ...(maxBlocksPerHost === undefined ? {} : { maxBlocksPerHost }),
    ...(kubevirtIpPersistence === undefined ? {} : { kubeVirtVMAddressPersistence: kubevirtIpPersistence }),
    ...(ipCooldownSeconds === undefined ? {} : { ipCooldownSeconds }),
  };
}

function formatChange(change: Partial<Settings>): string {
  const lines = Object.entries(change).map(([name, value]) => `Successfully set ${propertyOf(name)} to: ${value}\n`);
  return lines.join("");
}

/** As `ipam show --show-configuration` calls it. */
function propertyOf(field: string): string {
  return field.replace(/^ip(?=[A-Z])/, "IP").replace(/^[a-z]/, (first) => first.toUpperCase());
}
