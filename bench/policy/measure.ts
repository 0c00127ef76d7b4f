/**
 * One size of cluster in a process of its own: `measure.ts '{"pods":…,"changes":…}'`, with `--expose-gc`; prints the figures
 * as JSON. What is measured is NodeCalculator alone: objects that have been read, a plan that nobody renders.
 */
import type { Change } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import type { NodePlan } from "../../src/felix/calc/plan.ts";
import { BenchCluster, thisNode } from "./cluster.ts";
import { globalPolicyChanges, namespacePolicyChange } from "./policies.ts";
import { Random } from "./random.ts";
import { editTrial, flipTrial, floorTrial, podAddTrial, relabelTrial, type Trial } from "./trials.ts";

/** What to measure. */
export interface MeasureRequest {
  readonly pods: number;
  /** Changes of each kind. */
  readonly changes: number;
}

/** What was found. */
export interface Measured {
  readonly firstS: number;
  /** What the process held at most until the first plan was there, the cluster's objects included. */
  readonly peakRssMb: number;
  /** What the heap held of objects before there was a calculator. */
  readonly inputMb: number;
  readonly localPolicies: number;
  readonly localSets: number;
  readonly localMembers: number;
  /** Milliseconds of each change of the kind, in order. */
  readonly changesMs: Readonly<
    Record<"floor" | "edit" | "pod_add" | "label_flip" | "namespace_relabel", readonly number[]>
  >;
}

function measure({ pods, changes: count }: MeasureRequest): Measured {
  const random = new Random(pods);
  const cluster = new BenchCluster({ pods, namespaces: pods / 10 }, random);
  const objects = [...cluster.changes(), ...globalPolicyChanges(random), ...namespacePolicies(cluster, pods, random)];
  // As from the API: every text of every object is one of its own.
  const changes = objects.map((change) => reread(change));
  objects.length = 0;
  globalThis.gc?.();
  const inputMb = process.memoryUsage().heapUsed / 1e6;
  const calculator = new NodeCalculator(thisNode);
  const started = performance.now();
  calculator.apply(changes);
  const plan = calculator.plan();
  const firstS = (performance.now() - started) / 1000;
  const peakRssMb = Math.max(process.memoryUsage.rss(), process.resourceUsage().maxRSS * 1024) / 1e6;
  const context = { calculator, cluster, random };
  return {
    firstS,
    peakRssMb,
    inputMb,
    ...sizes(plan),
    changesMs: {
      floor: timed(floorTrial(), count),
      edit: timed(editTrial(context), count),
      pod_add: timed(podAddTrial(context), count),
      label_flip: timed(flipTrial(context), count),
      namespace_relabel: timed(relabelTrial(context), count / 10),
    },
  };
}

function* namespacePolicies(cluster: BenchCluster, pods: number, random: Random): Iterable<Change> {
  const count = (pods * 3) / 4;
  for (let index = 0; index < count; index++) {
    const namespace = cluster.namespaces[index % cluster.namespaces.length];
    if (namespace) yield namespacePolicyChange(Math.floor(index / cluster.namespaces.length), namespace, random);
  }
}

function reread(change: Change): Change {
  // Blocks have numbers that JSON has not.
  return change.kind === "ipamBlock" ? structuredClone(change) : (JSON.parse(JSON.stringify(change)) as Change);
}

function sizes(plan: NodePlan) {
  const localMembers = [...plan.sets.values()].reduce((sum, { members }) => sum + members.size, 0);
  return { localPolicies: plan.policies.size, localSets: plan.sets.size, localMembers };
}

/** The first hundredth is not counted: the code is still being compiled. */
function timed(trial: Trial, count: number): readonly number[] {
  const found: number[] = [];
  for (let round = 0; round < count * 1.01; round++) {
    const run = trial(round);
    const started = performance.now();
    run();
    found.push(performance.now() - started);
  }
  return found.slice(Math.ceil(found.length - count));
}

process.stdout.write(JSON.stringify(measure(JSON.parse(process.argv[2] ?? "{}") as MeasureRequest)));
