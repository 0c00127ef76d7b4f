import type { Command } from "commander";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamStore } from "../ipam/store.ts";
import type { Ip } from "../net/ip.ts";
import type { ConnectionOptions } from "./connection.ts";
import {
  addIpamCommand,
  addOutputOption,
  type IpamParts,
  ipArgument,
  type OutputOptions,
  print,
  withIpam,
} from "./ipam-command.ts";

interface ShowOptions extends ConnectionOptions, OutputOptions {
  readonly ip?: Ip;
  readonly showBlocks?: true;
  readonly showBorrowed?: true;
  readonly showConfiguration?: true;
}

/** Adds `ipam show`: how many addresses are in use, and everything about one. */
export function addIpamShow(program: Command): void {
  const command = addIpamCommand(program, "show", "show how many addresses are in use, or all about one of them")
    .option("--ip <address>", "who holds this address, who held it before, and whether it may be given out", ipArgument)
    .option("--show-blocks", "the blocks of each pool too")
    .option("--show-borrowed", "addresses that pods hold in blocks of other nodes")
    .option("--show-configuration", "the settings of address management that are in force");
  addOutputOption(command).action(async (options: ShowOptions) => {
    await withIpam(options, ({ store }) => show(store, options));
  });
}

// --- internal ---

/** What is asked for first wins, in calicoctl's order. */
async function show(store: IpamParts["store"], options: ShowOptions): Promise<void> {
  if (options.ip !== undefined) return showAddress(store, options.ip, options);
  if (options.showBlocks) return showUsage(store, options);
  if (options.showBorrowed) return showBorrowed(store, options);
  if (options.showConfiguration) return showSettings(store, options);
  return showUsage(store, options);
}

async function showUsage(store: IpamStore, options: ShowOptions): Promise<void> {
  const { usageOf } = await import("../ipam/usage.ts");
  const { formatUsage, usageJson } = await import("./ipam-usage.ts");
  const [pools, blocks, reservations] = await Promise.all([store.pools(), blocksOf(store), store.reservations()]);
  const usage = usageOf({ pools, blocks, reserved: reservations.flatMap(({ spec }) => spec.reservedCIDRs) });
  const withBlocks = options.showBlocks ?? false;
  if (options.output === "json") await print(options, usageJson(usage, withBlocks), String);
  else await print(options, usage, (value) => formatUsage(value, withBlocks));
}

async function showBorrowed(store: IpamStore, options: ShowOptions): Promise<void> {
  const { borrowedAddresses } = await import("../ipam/usage.ts");
  const { formatBorrowed } = await import("./ipam-usage.ts");
  await print(options, borrowedAddresses(await blocksOf(store)), formatBorrowed);
}

async function showSettings(store: IpamStore, options: ShowOptions): Promise<void> {
  const { formatSettings } = await import("./ipam-usage.ts");
  await print(options, await settingsOf(store), formatSettings);
}

async function showAddress(store: IpamStore, ip: Ip, options: ShowOptions): Promise<void> {
  const { describeAddress, formatAddress } = await import("./ipam-address.ts");
  const { findBlock } = await import("./ipam-find-block.ts");
  const { systemClock } = await import("../host/clock.ts");
  const [pools, reservations, settings] = await Promise.all([store.pools(), store.reservations(), settingsOf(store)]);
  const block = (await findBlock(store, pools, ip))?.value;
  const report = describeAddress({ ip, block, pools, reservations, cooldownSeconds: settings.ipCooldownSeconds });
  await print(options, report, (value) => formatAddress(value, systemClock.now()));
}

async function blocksOf(store: IpamStore): Promise<readonly IpamBlock[]> {
  return (await store.blocks.list()).map(({ value }) => value);
}

/** Those of IPAMConfiguration `default`, or what holds when there is none. */
async function settingsOf(store: IpamStore) {
  const { parseIpamConfiguration } = await import("../api/ipam-configuration.ts");
  return ((await store.configuration()) ?? parseIpamConfiguration({ metadata: { name: "default" }, spec: {} })).spec;
}
