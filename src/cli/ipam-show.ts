import type { Command } from "commander";
import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { Allocation } from "../ipam/block.ts";
import type { IpamStore } from "../ipam/store.ts";
import type { Usage } from "../ipam/usage.ts";
import { compareText } from "../net/compare-text.ts";
import type { Ip } from "../net/ip.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";

interface ShowOptions extends ConnectionOptions {
  readonly ip?: string;
  readonly showBlocks?: true;
  readonly showBorrowed?: true;
}

/** Adds `ipam show`: how many addresses are in use, and who holds one. Fails when the API server does not answer. */
export function addIpamShow(program: Command): void {
  const ipam =
    program.commands.find((one) => one.name() === "ipam") ?? program.command("ipam").description("addresses");
  const command = ipam
    .command("show")
    .description("show how many addresses are in use, and by whom")
    .option("--ip <address>", "who holds this address")
    .option("--show-blocks", "the blocks of each pool too")
    .option("--show-borrowed", "addresses that pods hold in blocks of other nodes");
  addConnectionOption(command).action(async (options: ShowOptions) => {
    const { isIp, parseIp } = await import("../net/ip.ts");
    if (options.ip !== undefined && !isIp(options.ip)) {
      command.error(`error: --ip ${JSON.stringify(options.ip)} is not an IP address`, { exitCode: 2 });
    }
    const ip = options.ip === undefined ? undefined : parseIp(options.ip);
    process.stdout.write(await withClient(options, (client) => show(client, { ...options, ip })));
  });
}

/** The usage of pools, and of blocks when `withBlocks`, in the columns of `calicoctl ipam show`. */
export async function formatUsage(
  pools: readonly IpPool[],
  blocks: readonly IpamBlock[],
  withBlocks: boolean,
): Promise<string> {
  const { usageOf } = await import("../ipam/usage.ts");
  const { formatBoxedTable } = await import("./boxed-table.ts");
  const usage = usageOf(pools, blocks);
  const blockRows = (some: readonly Usage[]) => (withBlocks ? some.map((block) => usageRow("Block", block)) : []);
  const rows = usage.pools.flatMap((pool) => [usageRow("IP Pool", pool), ...blockRows(pool.blocks)]);
  return formatBoxedTable(usageColumns, [...rows, ...blockRows(usage.orphans)]);
}

/** Addresses held in blocks of other nodes, in the columns of `calicoctl ipam show --show-borrowed`. */
export async function formatBorrowed(blocks: readonly IpamBlock[]): Promise<string> {
  const { borrowedAddresses } = await import("../ipam/usage.ts");
  const { formatBoxedTable } = await import("./boxed-table.ts");
  const headers = ["IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO"];
  const rows = borrowedAddresses(blocks).map(({ ip, borrower, block, owner, type, holder }) => [
    ...[ip, borrower, block],
    ...[owner, type, holder],
  ]);
  return formatBoxedTable(
    headers.map((header) => ({ header })),
    rows,
  );
}

/** Who holds an address, in the words of `calicoctl ipam show --ip`. */
export function formatHolder(ip: Ip, allocation: Allocation | undefined): string {
  if (allocation === undefined) return `${ip} is not assigned\n`;
  const { handle_id, secondary = {} } = allocation.attribute;
  const owner = Object.entries(secondary).toSorted(([a], [b]) => compareText(a, b));
  const lines = [
    `IP ${ip} is in use`,
    `Handle ID: ${handle_id ?? "<none>"}`,
    owner.length === 0 ? "No Active Owner attributes defined" : "Active Owner Attributes:",
    ...owner.map(([name, value]) => `  ${name}: ${value}`),
  ];
  return `${lines.join("\n")}\n`;
}

// --- internal ---

const usageColumns = [
  { header: "GROUPING" },
  { header: "CIDR" },
  { header: "IPS TOTAL", align: "right" },
  { header: "IPS IN USE", align: "right" },
  { header: "IPS FREE", align: "right" },
] as const;

type Client = Parameters<Parameters<typeof withClient>[1]>[0];
type Shown = Omit<ShowOptions, "ip"> & { readonly ip: Ip | undefined };

async function show(client: Client, { ip, showBlocks, showBorrowed }: Shown): Promise<string> {
  const { KubeIpamStore } = await import("../kube/ipam-store.ts");
  const store: IpamStore = new KubeIpamStore({
    client,
    onRejected: ({ reason }) => process.stderr.write(`margay: ${reason}\n`),
  });
  const blocks = (await store.blocks.list()).map(({ value }) => value);
  if (ip !== undefined) {
    const { allocationOf } = await import("../ipam/block.ts");
    return formatHolder(
      ip,
      blocks.map((block) => allocationOf(block, ip)).find((found) => found !== undefined),
    );
  }
  if (showBorrowed) return formatBorrowed(blocks);
  return formatUsage(await store.pools(), blocks, showBlocks ?? false);
}

function usageRow(grouping: string, { cidr, total, used, free }: Usage): readonly string[] {
  const withShare = (count: bigint) => `${countText(count)} (${Math.round((100 * Number(count)) / Number(total))}%)`;
  return [grouping, cidr, countText(total), withShare(used), withShare(free)];
}

/** Large IPv6 counts are shown to five digits, as upstream does. */
function countText(count: bigint): string {
  return count < 10n ** 10n ? String(count) : Number(count).toPrecision(5);
}
