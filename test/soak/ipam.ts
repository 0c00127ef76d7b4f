/**
 * Runs address management's model and its campaign on a real API server for as long as `MINUTES` says (default 10), on
 * ever new seeds. Prints a line a minute and a summary; ends non-zero at the first broken rule, whose seed it names.
 */
import fc from "fast-check";
import type { NodeName } from "../../src/api/names.ts";
import { campaign } from "../cluster/ipam-campaign.ts";
import { group, startIpamCluster } from "../cluster/ipam-cluster.ts";
import { histories } from "../scenario/ipam/operations.ts";
import { addFigures, type Figures, noFigures, runHistory } from "../scenario/ipam/run-history.ts";

const minutes = Number(process.env["MINUTES"] ?? "10");
if (!(minutes > 0)) throw new Error(`Cannot run for MINUTES=${process.env["MINUTES"]}: give a number above 0`);
const roundMs = 60_000;
const end = performance.now() + minutes * 60_000;

const total = { histories: 0, operations: 0, figures: noFigures, kills: 0, given: 0 };
await using cluster = await startIpamCluster();
for (let round = 1; performance.now() < end; round++) {
  const half = Math.min(roundMs, end - performance.now()) / 2;
  await model(half);
  await real(half);
  say(`round ${round}: ${summary()}`);
}
say(`soak: ${summary()}, violations 0`);

// --- internal ---

async function model(ms: number): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    const property = fc.asyncProperty(histories(80), async (history) => {
      const figures: Figures = await runHistory(history);
      total.figures = addFigures(total.figures, figures);
      total.histories++;
      total.operations += history.operations.length;
    });
    await fc.assert(property, { numRuns: 50 });
  }
}

async function real(ms: number): Promise<void> {
  await cluster.clear();
  for (const [name, cidr, blockSize] of [
    ["four", "10.0.0.0/26", 29] as const,
    ["six", "2001:db8::/122", 126] as const,
  ]) {
    const object = {
      apiVersion: "projectcalico.org/v3",
      kind: "IPPool",
      metadata: { name },
      spec: { cidr, blockSize },
    };
    await cluster.create(`${group}/ippools`, object);
  }
  const { client, relay, relayed: kubeconfig } = cluster;
  const nodes = ["node-1", "node-2", "node-3"].map((name) => name as NodeName);
  const stop = performance.now() + ms;
  const until = () => performance.now() >= stop;
  const { given, released, refused, kills } = await campaign({
    ...{ client, relay, kubeconfig, nodes, until },
    ...{ pods: 24, random: Math.random },
  });
  total.given += given;
  total.kills += kills;
  total.operations += given + released + refused;
}

function summary(): string {
  const { histories: count, operations, figures, kills, given } = total;
  return `histories ${count}, operations ${operations}, crashes ${figures.kills + kills}, addresses given ${figures.given + given}`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
