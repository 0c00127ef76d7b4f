/**
 * How fast addresses are given, and at what price to the API server, on a real one (docs/benchmarks.md):
 *
 *     one node     N executions of calico-ipam at once ─▶ one agent ─▶ API server      alloc_per_s_N
 *                  the same on a node that has no block yet                            fresh_alloc_per_s_N
 *                  N calls of an allocator at once ───────────────▶ API server         allocator_per_s_N
 *                  N creates of a handle at once ─────────────────▶ API server         raw_create_per_s_N, a floor
 *                  N executions that ask no agent                                      bare_executions_per_s_N, a floor
 *     many nodes   all at once in one small pool                                       retries_per_alloc_N_nodes
 *
 * A round measures these beside one another, so that their ratios hold on a machine that has other work too.
 */
import type { Node } from "../src/api/objects.ts";
import type { Bench, BenchOptions } from "./bench.ts";
import { crowdRound, crowdSizes } from "./ipam/crowd.ts";
import { startExecutions } from "./ipam/executions.ts";
import { growthExponent, type Retries } from "./ipam/growth.ts";
import { nodeAllocator } from "./ipam/node-allocator.ts";
import { freshNodeRound, gatewayRound, type Level, type OneNode, oneNodeRound } from "./ipam/one-node.ts";
import { type Rig, startRig } from "./ipam/rig.ts";
import type { Figures } from "./report.ts";
import { medianOf } from "./statistics.ts";

export const ipamBench: Bench = {
  targets: {
    alloc_per_s_50: { min: 300 },
    api_writes_per_pod_50: { max: 1.2 },
    fresh_api_writes_per_pod_50: { max: 1.2 },
    // Retries in all, by nodes: 1 is linear, 2 is each node against each other. The rest is for chance: the smallest crowd
    // sees a handful, and two more or fewer of them move the exponent by 0.2.
    retries_growth_exponent: { max: 1.25 },
  },
  comparison: {
    alloc_per_s_1: "upstream on such a machine: 12",
    alloc_per_s_50: "upstream on such a machine: 16",
    alloc_per_s_25_nodes: "upstream on such a machine with 20 nodes: 12",
  },
  run,
};

// --- internal ---

interface Effort {
  readonly rounds: number;
  readonly levels: readonly Level[];
}

const quickEffort: Effort = {
  rounds: 2,
  levels: [
    { concurrency: 1, count: 20 },
    { concurrency: 10, count: 100 },
    { concurrency: 50, count: 300 },
  ],
};

/** Below the 1280 addresses that a node's 20 blocks have. */
const fullEffort: Effort = {
  rounds: 5,
  levels: [
    { concurrency: 1, count: 100 },
    { concurrency: 10, count: 200 },
    { concurrency: 50, count: 600 },
  ],
};

const gatewayLevel: Level = { concurrency: 50, count: 150 };

async function run(options: BenchOptions): Promise<Figures> {
  const effort = options.quick ? quickEffort : fullEffort;
  options.progress("starting an API server");
  await using rig = await startRig(options.signal);
  return { ...(await oneNode(rig, effort, options)), ...(await manyNodes(rig, effort, options)) };
}

async function oneNode(rig: Rig, { rounds, levels }: Effort, { progress, signal }: BenchOptions): Promise<Figures> {
  const pool = await rig.startOver("10.10.0.0/16", 26);
  const [node, executedOn] = [await rig.addNode("alone"), await rig.addNode("executed")];
  await using executions = await startExecutions(rig, executedOn.name);
  const parts = { rig, node, executions, signal, allocator: nodeAllocator(rig.client, node, pool) };
  const found: Figures[] = [];
  // The first round opens connections and claims the first blocks.
  for (let round = 0; round <= rounds; round++) {
    progress(round === 0 ? "one node: warming up" : `one node: round ${round} of ${rounds}`);
    for (const level of levels) {
      const figures = await oneNodeRound(parts, level);
      if (round > 0) found.push(figures);
    }
    const gateways = await gatewayRound(parts, gatewayLevel);
    if (round > 0) found.push(gateways, await freshNode(parts, levels, round));
  }
  return medianOf(found);
}

/** The largest level on a node that was not there before, with an agent of its own. */
async function freshNode({ rig, signal }: OneNode, levels: readonly Level[], round: number): Promise<Figures> {
  const level = levels.at(-1);
  if (level === undefined) return {};
  const node = await rig.addNode(`fresh-${round}`);
  await using executions = await startExecutions(rig, node.name);
  return await freshNodeRound({ rig, executions, signal }, level, node.name);
}

async function manyNodes(rig: Rig, { rounds }: Effort, { progress, signal }: BenchOptions): Promise<Figures> {
  const most = Math.max(...crowdSizes.map(({ nodes }) => nodes));
  const nodes: Node[] = [];
  for (let index = 1; index <= most; index++) nodes.push(await rig.addNode(`node-${index}`));
  const found: Figures[] = [];
  const retries: Retries[] = [];
  for (let round = 1; round <= rounds; round++) {
    progress(`many nodes: round ${round} of ${rounds}`);
    for (const { nodes: count, cidr } of crowdSizes) {
      signal.throwIfAborted();
      const { figures, lostRaces } = await crowdRound(rig, { nodes: nodes.slice(0, count), cidr });
      found.push(figures);
      retries.push({ nodes: count, retries: lostRaces });
    }
  }
  return { ...medianOf(found), retries_growth_exponent: growthExponent(retries) };
}
