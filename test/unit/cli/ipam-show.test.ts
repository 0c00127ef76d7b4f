import { expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { formatBorrowed, formatHolder, formatUsage } from "../../../src/cli/ipam-show.ts";
import { allocationOf, assignFromBlock, newBlock } from "../../../src/ipam/block.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { node, pool } from "../ipam/samples.ts";

function block(cidr: string, holders: readonly (readonly [pod: string, node: string])[]) {
  const empty = newBlock(parseCidr(cidr), { node, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 7n });
  return holders.reduce((now, [pod, holder]) => {
    const attributes = { pod, namespace: "default", node: holder };
    return assignFromBlock(now, { handle: `k8s-pod-network.${pod}`, count: 1, attributes }).block;
  }, empty);
}

const web = block("10.0.0.16/29", [["web", "node-1"]]);
const db = block("10.0.0.8/29", [
  ["db-1", "node-1"],
  ["db-2", "node-2"],
]);
const stray = block("10.9.0.0/30", []);
const pools = [pool("six", { cidr: "2001:db8::/48" }), pool("four", { cidr: "10.0.0.0/26", blockSize: 29 })];

test("pools are shown in order of address, with their share of use", async () => {
  expect(await formatUsage(pools, [web, db, stray], false)).toBe(
    [
      "+----------+---------------+------------+------------+-------------------+",
      "| GROUPING | CIDR          |  IPS TOTAL | IPS IN USE |          IPS FREE |",
      "+----------+---------------+------------+------------+-------------------+",
      "| IP Pool  | 10.0.0.0/26   |         64 |     3 (5%) |          61 (95%) |",
      "| IP Pool  | 2001:db8::/48 | 1.2089e+24 |     0 (0%) | 1.2089e+24 (100%) |",
      "+----------+---------------+------------+------------+-------------------+",
      "",
    ].join("\n"),
  );
});

test("blocks come under their pool, those of no pool last", async () => {
  const lines = (await formatUsage(pools, [web, db, stray], true)).split("\n");
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

test("an address in another node's block is borrowed", async () => {
  const ownerless = block("10.0.0.32/29", [["lone", "node-1"]]);
  const { affinity: _, ...spec } = ownerless.spec;
  expect(await formatBorrowed([{ ...ownerless, spec }, web, db])).toBe(
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

test("who holds an address is said in full", () => {
  const ip = parseIp("10.0.0.9");
  expect(formatHolder(ip, allocationOf(db, ip))).toBe(
    [
      "IP 10.0.0.9 is in use",
      "Handle ID: k8s-pod-network.db-2",
      "Active Owner Attributes:",
      "  namespace: default",
      "  node: node-2",
      "  pod: db-2",
      "",
    ].join("\n"),
  );
  expect(formatHolder(parseIp("10.0.0.10"), undefined)).toBe("10.0.0.10 is not assigned\n");
  const bare = { ip, sequenceNumber: 7n, attribute: {} };
  expect(formatHolder(ip, bare)).toBe("IP 10.0.0.9 is in use\nHandle ID: <none>\nNo Active Owner attributes defined\n");
});

test("a tunnel's address says its type, and one that names no node is left out", async () => {
  const empty = newBlock(parseCidr("10.0.0.0/29"), { node, claimedAt: "", sequenceNumber: 7n });
  const attributes = { type: "ipipTunnelAddress", node: "node-2" as NodeName };
  const tunnel = assignFromBlock(empty, { handle: "t", count: 1, attributes }).block;
  const both = assignFromBlock(tunnel, { handle: "old", count: 1, attributes: {} }).block;
  const rows = (await formatBorrowed([both])).split("\n").filter((line) => line.includes("10.0.0."));
  expect(rows).toHaveLength(1);
  expect(rows[0]).toContain("| ipipTunnelAddress |");
});
