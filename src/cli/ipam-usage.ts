/** Usage, borrowed addresses and settings, in the tables of `calicoctl ipam show`. */
import type { IpamConfiguration } from "../api/ipam-configuration.ts";
import type { borrowedAddresses, PoolUsage, Usage, usageOf } from "../ipam/usage.ts";
import { type BoxedColumn, formatBoxedTable } from "./boxed-table.ts";

/** How full pools are; blocks under their pool, and those of no pool last, when `withBlocks`. What nodes hold is told below. */
export function formatUsage({ pools, orphans }: ReturnType<typeof usageOf>, withBlocks: boolean): string {
  const blockRows = (some: readonly Usage[]) => (withBlocks ? some.map((block) => usageRow("Block", block)) : []);
  const rows = pools.flatMap((pool) => [usageRow("IP Pool", pool), ...blockRows(pool.blocks)]);
  const table = formatBoxedTable(usageColumns, [...rows, ...blockRows(orphans)]);
  const held = new Map([...pools.flatMap(({ blocks }) => blocks), ...orphans].map((one) => [one.cidr, one.held]));
  const count = held.values().reduce((sum, one) => sum + one, 0n);
  return count === 0n ? table : `${table}\n${count} of the addresses in use are held by nodes for pods to come.\n`;
}

/** The same for `-o json`. */
export function usageJson({ pools, orphans }: ReturnType<typeof usageOf>, withBlocks: boolean): unknown {
  const poolJson = ({ blocks, ...pool }: PoolUsage) => (withBlocks ? { ...pool, blocks } : pool);
  return { pools: pools.map(poolJson), ...(withBlocks ? { orphanedBlocks: orphans } : {}) };
}

/** Addresses held in blocks of other nodes, in the columns of `calicoctl ipam show --show-borrowed`. */
export function formatBorrowed({ borrowed, unclassified }: ReturnType<typeof borrowedAddresses>): string {
  const headers = ["IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO"];
  const rows = borrowed.map(({ ip, borrower, block, owner, type, holder }) => [
    ...[ip, borrower, block],
    ...[owner, type, holder],
  ]);
  const table = formatBoxedTable(
    headers.map((header) => ({ header })),
    rows,
  );
  if (unclassified === 0) return table;
  return `${table}\n${unclassified} allocations name no node: whether they are borrowed cannot be told.\n`;
}

/** The cluster's settings, as they are in force. */
export type IpamSettings = IpamConfiguration["spec"];

/** In the columns of `calicoctl ipam show --show-configuration`. */
export function formatSettings(settings: IpamSettings): string {
  const rows: readonly (readonly [property: string, value: unknown])[] = [
    ["StrictAffinity", settings.strictAffinity],
    ["AutoAllocateBlocks", settings.autoAllocateBlocks],
    ["MaxBlocksPerHost", settings.maxBlocksPerHost],
    ["KubeVirtVMAddressPersistence", settings.kubeVirtVMAddressPersistence],
    ["IPCooldownSeconds", settings.ipCooldownSeconds],
  ];
  return formatBoxedTable(
    [{ header: "PROPERTY" }, { header: "VALUE" }],
    rows.map(([property, value]) => [property, String(value)]),
  );
}

// --- internal ---

const usageColumns: readonly BoxedColumn[] = [
  { header: "GROUPING" },
  { header: "CIDR" },
  { header: "IPS TOTAL", align: "right" },
  { header: "IPS IN USE", align: "right" },
  { header: "IPS RESERVED", align: "right" },
  { header: "IPS FREE", align: "right" },
];

function usageRow(grouping: string, { cidr, total, used, reserved, free }: Usage): readonly string[] {
  const withShare = (count: bigint) => `${countText(count)} (${Math.round((100 * Number(count)) / Number(total))}%)`;
  return [grouping, cidr, countText(total), withShare(used), withShare(reserved), withShare(free)];
}

/** Large IPv6 counts are shown to five digits, as upstream does. */
function countText(count: bigint): string {
  return count < 10n ** 10n ? String(count) : Number(count).toPrecision(5);
}
