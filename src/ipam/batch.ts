import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import type { Cidr } from "../net/cidr.ts";
import type { IpVersion } from "../net/ip.ts";
import type { AssignedAddress } from "./ipam.ts";
import { choicesOf, type NodeContext, type PoolChoices } from "./node-context.ts";
import { type Blocks, holdingsOf, type Settled, settle, settleRelease } from "./settle.ts";
import type { AssignTask, ReleaseTask, Task } from "./task.ts";

/** What one task needs written, and what its handle holds and is answered once that is stored. */
export interface Step {
  readonly task: Task;
  readonly blocks: readonly Cidr[];
  readonly addresses: readonly AssignedAddress[];
  readonly holdings: readonly AssignedAddress[];
}

/** A task that finds too few addresses of this family in the blocks at hand. */
export interface ShortTask {
  readonly task: AssignTask;
  readonly version: IpVersion;
  readonly choices: PoolChoices;
}

/** What tasks that share one round of writes come to. */
export interface Batch {
  /** The blocks after every step. */
  readonly blocks: Blocks;
  readonly steps: readonly Step[];
  readonly short: readonly ShortTask[];
}

/** Settles tasks one after the other, each on the blocks as the ones before it leave them. */
export function settleBatch(
  tasks: readonly Task[],
  before: Blocks,
  recordOf: (handle: string) => IpamHandle | undefined,
  context: NodeContext,
): Batch {
  const blocks = new Map(before);
  const steps: Step[] = [];
  const short: ShortTask[] = [];
  for (const task of tasks) {
    if (task.kind === "release") {
      steps.push(releaseStep(blocks, task));
      continue;
    }
    const step = assignStep(blocks, task, recordOf(task.handle), context);
    if ("choices" in step) short.push(step);
    else steps.push(step);
  }
  return { blocks, steps, short };
}

// --- internal ---

function assignStep(
  blocks: Map<Cidr, IpamBlock>,
  task: AssignTask,
  record: IpamHandle | undefined,
  context: NodeContext,
): Step | ShortTask {
  task.heldBefore ??= holdingsOf(blocks, task.handle).length > 0;
  const { request, borrow } = task;
  const choices = choicesOf(request, context);
  const pools = { 4: choices[4].usable, 6: choices[6].usable };
  const settled = settle(blocks, { request, node: context.node, pools, borrow, record });
  if (settled.kind === "short") return { task, version: settled.versions[0] ?? 4, choices };
  return stepOf(blocks, task, settled);
}

function releaseStep(blocks: Map<Cidr, IpamBlock>, task: ReleaseTask): Step {
  const { changed, ips } = settleRelease(blocks, task.handle);
  for (const ip of ips) task.freed.add(ip);
  return stepOf(blocks, task, { changed, addresses: [] });
}

/** Puts the changed blocks where the next task finds them. */
function stepOf(blocks: Map<Cidr, IpamBlock>, task: Task, { changed, addresses }: Omit<Settled, "kind">): Step {
  for (const [cidr, block] of changed) blocks.set(cidr, block);
  return { task, blocks: [...changed.keys()], addresses, holdings: holdingsOf(blocks, task.handle) };
}
