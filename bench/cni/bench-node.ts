/** A lab's node, with network namespaces of pods on it, for programs to be executed on. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { LabLayout, NodeLayout } from "../../lab/layout.ts";
import { type Daemon, daemonProcesses, enterNode, inNode, startNode, stopNode } from "../../lab/node.ts";
import { type Executed, type Execution, runExecutions } from "../run-executions.ts";

/** Disposing of it powers the node off. */
export interface BenchNode extends AsyncDisposable {
  /** The same path on the node and on the machine. */
  readonly folder: string;
  /** Executes tasks on the node, so many at once. Rejects when one ends non-zero, or `signal` aborts. */
  execute(tasks: readonly (readonly Execution[])[], concurrency: number, signal: AbortSignal): Promise<Executed>;
  /** What a program prints that runs on the node. Rejects when it ends non-zero. */
  run(argv: readonly string[], stdin?: string): Promise<string>;
  /** The pid of a daemon, on the machine. Throws when it does not run. */
  pidOf(daemon: string): number;
}

/** Where the network namespace of the pod of this index is, on its node. */
export function podNetns(index: number): string {
  return `/run/netns/${podNetnsName(index)}`;
}

/** Its name for ip(8). */
export function podNetnsName(index: number): string {
  return `pod-${index}`;
}

/** Starts the node, which ends with this process, and makes `pods` network namespaces. Rejects, and nothing is left running. */
export async function startBenchNode(
  layout: LabLayout,
  node: NodeLayout,
  daemons: readonly Daemon[],
  pods: number,
): Promise<BenchNode> {
  await using undo = new AsyncDisposableStack();
  const outputFolder = join(node.folder, "executions");
  await mkdir(outputFolder, { recursive: true });
  undo.defer(() => stopNode(layout, node));
  await startNode(layout, node, daemons, "owner");
  const run = (argv: readonly string[], stdin?: string) => inNode(layout, node, argv, stdin);
  const names = Array.from({ length: pods }, (_, index) => `netns add ${podNetnsName(index)}\n`);
  await run(["ip", "-batch", "-"], names.join(""));
  const kept = undo.move();
  return {
    folder: node.folder,
    run,
    execute: (tasks, concurrency, signal) =>
      runExecutions({ tasks, concurrency, outputFolder }, { signal, enter: enterNode(layout, node) }),
    pidOf: (daemon) => oldestOf(layout, node, daemon),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

// --- internal ---

/** What a daemon executes carries its mark too. */
function oldestOf(layout: LabLayout, node: NodeLayout, daemon: string): number {
  const processes = daemonProcesses(layout, node, daemon);
  const [first] = processes.toSorted((a, b) => Number(a.startTicks) - Number(b.startTicks));
  if (first === undefined) throw new Error(`Cannot find ${daemon} on ${node.name}: it does not run`);
  return first.pid;
}
