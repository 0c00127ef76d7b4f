import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import type { Cidr } from "../net/cidr.ts";
import type { IpVersion } from "../net/ip.ts";
import { endCooldownsIn } from "./block-release.ts";
import type { AssignedAddress } from "./ipam.ts";
import { choicesOf, type NodeContext, type PoolChoices } from "./node-context.ts";
import { type Blocks, holdingsOf, type Settled, settle, settleRelease } from "./settle.ts";
import type { Refused, Unplaced } from "./settle-address.ts";
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
  readonly kind: "short";
  readonly task: AssignTask;
  readonly version: IpVersion;
  readonly choices: PoolChoices;
}

/** A task that finds no room, or not the address that it asks for, in the blocks at hand. */
export type StuckTask = ShortTask | ((Unplaced | Refused) & { readonly task: AssignTask });

/** What tasks that share one round of writes come to. */
export interface Batch {
  /** The blocks after every step. */
  readonly blocks: Blocks;
  readonly steps: readonly Step[];
  readonly stuck: readonly StuckTask[];
}

/** Settles tasks one after the other, each on the blocks as the ones before it leave them. */
export function settleBatch(
  tasks: readonly Task[],
  before: Blocks,
  recordOf: (handle: string) => IpamHandle | undefined,
  context: NodeContext,
): Batch {
  const cooldown = { nowMs: context.nowMs, cooldownSeconds: context.limits.cooldownSeconds };
  // What has rested long enough becomes free with the write of whoever takes something of the block.
  const blocks = new Map([...before].map(([cidr, block]) => [cidr, endCooldownsIn(block, cooldown)]));
  const steps: Step[] = [];
  const stuck: StuckTask[] = [];
  for (const task of tasks) {
    if (task.kind === "release") {
      steps.push(releaseStep(blocks, task, context));
      continue;
    }
    const step = assignStep(blocks, task, recordOf(task.handle), context);
    if ("kind" in step) stuck.push(step);
    else steps.push(step);
  }
  return { blocks, steps, stuck };
}

// --- internal ---

function assignStep(
  blocks: Map<Cidr, IpamBlock>,
  task: AssignTask,
  record: IpamHandle | undefined,
  context: NodeContext,
): Step | StuckTask {
  const before = holdingsOf(blocks, task.handle);
  task.heldBefore ??= before.length > 0;
  const { request, borrow } = task;
  const choices = choicesOf(request, context);
  const pools = { 4: choices[4].usable, 6: choices[6].usable };
  const settled = settle(blocks, { request, context, pools, borrow, record });
  if (settled.kind === "short") return { kind: "short", task, version: settled.versions[0] ?? 4, choices };
  if (settled.kind !== "settled") return { ...settled, task };
  for (const { ip } of settled.addresses) if (!before.some((one) => one.ip === ip)) task.taken.add(ip);
  return stepOf(blocks, task, settled);
}

function releaseStep(blocks: Map<Cidr, IpamBlock>, task: ReleaseTask, { nowMs, limits }: NodeContext): Step {
  const cause = { why: task.why, only: task.only, nowMs, cooldownSeconds: limits.cooldownSeconds };
  const { changed, ips } = settleRelease(blocks, task.handle, cause);
  for (const ip of ips) task.freed.add(ip);
  const addresses = holdingsOf(blocks, task.handle).filter(({ ip }) => ips.includes(ip));
  return stepOf(blocks, task, { changed, addresses });
}

/** Puts the changed blocks where the next task finds them. */
function stepOf(blocks: Map<Cidr, IpamBlock>, task: Task, { changed, addresses }: Omit<Settled, "kind">): Step {
  for (const [cidr, block] of changed) blocks.set(cidr, block);
  return { task, blocks: [...changed.keys()], addresses, holdings: holdingsOf(blocks, task.handle) };
}
