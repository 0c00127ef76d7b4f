import { expect, test } from "vitest";
import { formatBorrowed, formatSettings, formatUsage, usageJson } from "../../../src/cli/ipam-usage.ts";
import { assignFromBlock, newBlock } from "../../../src/ipam/block.ts";
import { borrowedAddresses, usageOf } from "../../../src/ipam/usage.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { configuration, node, pool } from "../ipam/samples.ts";
import { blockOf, ownerless, reserve, withFirstAttribute } from "./ipam-blocks.ts";

const web = blockOf("10.0.0.16/29", [["web", "node-1"]]);
const db = blockOf("10.0.0.8/29", [
  ["db-1", "node-1"],
  ["db-2", "node-2"],
]);
const stray = blockOf("10.9.0.0/30", []);
const pools = [pool("six", { cidr: "2001:db8::/48" }), pool("four", { cidr: "10.0.0.0/26", blockSize: 29 })];

test("pools are shown in order of address, with their share of use", () => {
  expect(formatUsage(usageOf({ pools, blocks: [web, db, stray], reserved: [] }), false)).toBe(
    [
      "+----------+---------------+------------+------------+--------------+-------------------+",
      "| GROUPING | CIDR          |  IPS TOTAL | IPS IN USE | IPS RESERVED |          IPS FREE |",
      "+----------+---------------+------------+------------+--------------+-------------------+",
      "| IP Pool  | 10.0.0.0/26   |         64 |     3 (5%) |       0 (0%) |          61 (95%) |",
      "| IP Pool  | 2001:db8::/48 | 1.2089e+24 |     0 (0%) |       0 (0%) | 1.2089e+24 (100%) |",
      "+----------+---------------+------------+------------+--------------+-------------------+",
      "",
    ].join("\n"),
  );
});

test("blocks come under their pool, those of no pool last", () => {
  const lines = formatUsage(usageOf({ pools, blocks: [web, db, stray], reserved: [] }), true).split("\n");
  const groups = lines.flatMap((line) => (line.startsWith("|") ? [line.split("|").slice(1, 3).join(" ").trim()] : []));
  expect(groups.map((group) => group.replaceAll(/\s+/g, " "))).toEqual([
    "GROUPING CIDR",
    "IP Pool 10.0.0.0/26",
    "Block 10.0.0.8/29",
    "Block 10.0.0.16/29",
    "IP Pool 2001:db8::/48",
    "Block 10.9.0.0/30",
  ]);
});

test("an address that was given out before it was reserved counts as both; networks that overlap count once", () => {
  const reserved = ["10.0.0.8/31", "10.0.0.9/32", "10.0.0.32/30", "10.0.0.32/30", "192.0.2.0/24"].map(parseCidr);
  const {
    pools: [four],
    orphans,
  } = usageOf({ pools, blocks: [web, db], reserved });
  expect(four).toMatchObject({ name: "four", total: 64n, used: 3n, reserved: 6n, free: 57n });
  expect(four?.blocks).toMatchObject([
    { cidr: "10.0.0.8/29", affinity: "host:node-1", total: 8n, used: 2n, reserved: 2n, free: 6n },
    { cidr: "10.0.0.16/29", total: 8n, used: 1n, reserved: 0n, free: 7n },
  ]);
  expect(orphans).toEqual([]);
});

test("what nodes hold for pods to come is in use, and told once beside, however pools overlap", () => {
  const held = withFirstAttribute(db, reserve);
  const lost = withFirstAttribute(blockOf("10.9.0.0/30", [["x", "node-1"]]), reserve);
  const overlapping = [...pools, pool("wide", { cidr: "10.0.0.0/24" })];
  const usage = usageOf({ pools: overlapping, blocks: [web, held, lost], reserved: [] });
  const four = usage.pools.find(({ name }) => name === "four");
  expect(four).toMatchObject({ used: 3n, held: 1n, free: 61n, blocks: [{ used: 2n, held: 1n }, { held: 0n }] });
  expect(formatUsage(usage, false)).toMatch(/\+\n\n2 of the addresses in use are held by nodes for pods to come\.\n$/);
});

test("a reservation of more than the pool takes no more than the pool has", () => {
  const [four] = usageOf({ pools, blocks: [db], reserved: [parseCidr("10.0.0.0/8")] }).pools;
  expect(four).toMatchObject({ total: 64n, used: 2n, reserved: 64n, free: 0n });
});

test("JSON has blocks only when they are asked for", () => {
  const usage = usageOf({ pools, blocks: [stray], reserved: [] });
  expect(usageJson(usage, false)).toEqual({
    pools: [
      { name: "four", cidr: "10.0.0.0/26", total: 64n, used: 0n, held: 0n, reserved: 0n, free: 64n },
      { name: "six", cidr: "2001:db8::/48", total: 1n << 80n, used: 0n, held: 0n, reserved: 0n, free: 1n << 80n },
    ],
  });
  expect(usageJson(usage, true)).toMatchObject({
    pools: [{ blocks: [] }, {}],
    orphanedBlocks: [{ cidr: "10.9.0.0/30" }],
  });
});

test("an address in another node's block is borrowed", () => {
  const lone = ownerless(blockOf("10.0.0.32/29", [["lone", "node-1"]]));
  expect(formatBorrowed(borrowedAddresses([lone, web, db]))).toBe(
    [
      "+-----------+----------------+--------------+-------------+------+--------------+",
      "| IP        | BORROWING-NODE | BLOCK        | BLOCK OWNER | TYPE | ALLOCATED-TO |",
      "+-----------+----------------+--------------+-------------+------+--------------+",
      "| 10.0.0.9  | node-2         | 10.0.0.8/29  | node-1      | pod  | default/db-2 |",
      "| 10.0.0.32 | node-1         | 10.0.0.32/29 |             | pod  | default/lone |",
      "+-----------+----------------+--------------+-------------+------+--------------+",
      "",
    ].join("\n"),
  );
});

test("a tunnel's address says its type; one that names no node is counted; one that cools down is nobody's", () => {
  const empty = newBlock(parseCidr("10.0.0.0/29"), { node, claimedAt: "", sequenceNumber: 7n });
  const attributes = { type: "ipipTunnelAddress", node: "node-2" };
  const tunnel = assignFromBlock(empty, { handle: "t", count: 1, attributes }).block;
  const both = assignFromBlock(tunnel, { handle: "old", count: 1, attributes: {} }).block;
  const cooling = withFirstAttribute(blockOf("10.0.0.8/29", [["gone", "node-2"]]), {
    releasedAt: "2026-11-21T10:00:00Z",
    secondary: { node: "node-2" },
  });
  const text = formatBorrowed(borrowedAddresses([both, cooling]));
  const rows = text.split("\n").filter((line) => line.includes("10.0.0."));
  expect(rows).toHaveLength(1);
  expect(rows[0]).toContain("| ipipTunnelAddress |");
  expect(text).toMatch(/\n1 allocations name no node: whether they are borrowed cannot be told\.\n$/);
});

test("settings are shown as upstream names them", () => {
  expect(formatSettings(configuration({ maxBlocksPerHost: 4, ipCooldownSeconds: 30 }).spec)).toBe(
    [
      "+------------------------------+---------+",
      "| PROPERTY                     | VALUE   |",
      "+------------------------------+---------+",
      "| StrictAffinity               | false   |",
      "| AutoAllocateBlocks           | true    |",
      "| MaxBlocksPerHost             | 4       |",
      "| KubeVirtVMAddressPersistence | Enabled |",
      "| IPCooldownSeconds            | 30      |",
      "+------------------------------+---------+",
      "",
    ].join("\n"),
  );
});
