import { expect, test } from "vitest";
import { grownCounts, grownHeap, leftOf, reportText } from "./churn/churn-report.ts";
import type { ChurnSample } from "./churn/felix-churn.ts";
import { runChurn } from "./churn/run-churn.ts";

const changes = 2400;
/** One at the end of each backend's turn in each quarter. */
const sampleEvery = 200;

test("thousands of changes, every backend in turn, leave no descriptor, child, timer or entry behind, and the kernel as it should be", async () => {
  const report = await runChurn({ changes, sampleEvery, seed: 20261122 }, () => undefined);
  process.stdout.write(`${reportText(report).join("\n")}\n`);
  const { samples, grown, newcomers, left, figures, mutations, repaired } = report;
  const turns = new Set(samples.map(({ quarter, backend }) => `${quarter} ${backend}`));
  expect(turns.size).toBe(12);
  expect(grownCounts(samples)).toEqual([]);
  expect(grown).toEqual([]);
  expect(leftOf(left)).toEqual([]);
  expect(newcomers).toEqual({ nftables: [], "iptables-nft": [], "iptables-legacy": [] });
  expect(Object.values(figures).map((one) => one.changes > changes / 6)).toEqual([true, true, true]);
  expect(mutations).toBeGreaterThan(1);
  expect(Object.keys(repaired)).not.toEqual([]);
});

test("what grows between the second quarter and the last is told, and what only goes up and down is not", () => {
  const sample = (quarter: number, held: Partial<ChurnSample>): ChurnSample => ({
    ...{ quarter, changes: quarter, backend: "nftables", heapMb: 100, rssMb: 200, fds: 30, children: 0, timers: 1 },
    ...held,
  });
  const flat = [sample(0, { heapMb: 50 }), sample(1, {}), sample(2, { fds: 99, heapMb: 150 }), sample(3, {})];
  expect([...grownHeap(flat), ...grownCounts(flat)]).toEqual([]);
  expect(grownHeap([...flat, sample(3, { heapMb: 140 })])).toEqual(["the heap has grown from 100.0 to 120.0 MB"]);
  expect(grownCounts([sample(1, {}), sample(3, { fds: 36, children: 2, timers: 3 })])).toEqual([]);
  const grown = [sample(1, {}), sample(3, { fds: 37, children: 3, timers: 4 })];
  expect(grownCounts(grown)).toEqual([
    "fds with nftables have grown from 30 to 37",
    "children with nftables have grown from 0 to 3",
    "timers with nftables have grown from 1 to 4",
  ]);
});
