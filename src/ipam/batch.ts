import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import type { Cidr } from "../net/cidr.ts";
import type { Ip, IpVersion } from "../net/ip.ts";
import { allocationOf, changedBlock } from "./block.ts";
import { endCooldownsIn } from "./block-release.ts";
import type { AssignedAddress } from "./ipam.ts";
import { choicesOf, contextFor, type NodeContext, type PoolChoices } from "./node-context.ts";
import {
  type Blocks,
  type BlockView,
  holdingsOf,
  type Settled,
  type SettleOptions,
  settle,
  settleRelease,
} from "./settle.ts";
import type { Refused, Unplaced } from "./settle-address.ts";
import type { AssignTask, ReleaseTask, Task } from "./task.ts";

/** What one task needs written, and what its handle holds and is answered once that is stored. */
export interface Step {
  readonly task: AssignTask | ReleaseTask;
  readonly blocks: readonly Cidr[];
  readonly addresses: readonly AssignedAddress[];
  readonly holdings: readonly AssignedAddress[];
  /** The addresses that it takes for an assign, with their sequence numbers. */
  readonly taken: readonly (AssignedAddress & { readonly sequenceNumber: bigint | undefined })[];
}

/** A task that finds too few addresses of this family in the blocks at hand. */
export interface ShortTask {
  readonly kind: "short";
  readonly task: AssignTask;
  readonly version: IpVersion;
  readonly choices: PoolChoices;
}

/** A task whose handle has addresses already, in these blocks, as memory has it: nobody has asked the store meanwhile. */
interface UnprovenTask {
  readonly kind: "unproven";
  readonly task: AssignTask;
  readonly blocks: readonly Cidr[];
}

/** A task that finds no room, or not the address that it asks for, in the blocks at hand, or more than is known for sure. */
export type StuckTask = ShortTask | UnprovenTask | ((Unplaced | Refused) & { readonly task: AssignTask });

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
  { blocks: before, closed }: BlockView,
  recordOf: (handle: string) => IpamHandle | undefined,
  context: NodeContext,
): Batch {
  const cooldown = { nowMs: context.nowMs, cooldownSeconds: context.limits.cooldownSeconds };
  // What has rested long enough becomes free with the write of whoever takes something of the block.
  const blocks = new Map([...before].map(([cidr, block]) => [cidr, endCooldownsIn(block, cooldown)]));
  const proven = new Map(blocks);
  const steps: Step[] = [];
  const stuck: StuckTask[] = [];
  for (const task of tasks) {
    if (task.kind === "tend") continue;
    if (task.kind === "release") {
      steps.push(releaseStep(blocks, task, context));
      continue;
    }
    const step = assignStep(blocks, task, { record: recordOf(task.handle), context, closed });
    if ("kind" in step) stuck.push(isTentative(step, blocks, proven) ? { kind: "unproven", task, blocks: [] } : step);
    else steps.push(step);
  }
  return { blocks, steps, stuck };
}

// --- internal ---

/** Refused for what another task of the batch has taken, and may not get. */
function isTentative(step: StuckTask, blocks: Blocks, proven: Blocks): boolean {
  return step.kind === "refused" && step.block !== undefined && blocks.get(step.block) !== proven.get(step.block);
}

function assignStep(
  blocks: Map<Cidr, IpamBlock>,
  task: AssignTask,
  { record, context: common, closed }: Pick<SettleOptions, "record" | "context" | "closed">,
): Step | StuckTask {
  const context = contextFor(task.request, common);
  const before = holdingsOf(blocks, task.handle);
  task.heldBefore ??= before.length > 0;
  const { request, borrow } = task;
  const choices = choicesOf(request, context);
  const pools = { 4: choices[4].usable, 6: choices[6].usable };
  const settled = settle(blocks, { request, context, closed, pools, borrow, record });
  if (settled.kind === "short") return { kind: "short", task, version: settled.versions[0] ?? 4, choices };
  if (settled.kind !== "settled") return { ...settled, task };
  // What is written is proven by the write's revision; the rest, somebody else may have freed.
  const unproven = settled.addresses.map(({ block }) => block).filter((cidr) => !settled.changed.has(cidr));
  const unread = unproven.filter((cidr) => !task.verified.has(cidr));
  if (unread.length > 0) return { kind: "unproven", task, blocks: unread };
  const taken = settled.addresses.filter(({ ip }) => !before.some((one) => one.ip === ip));
  const step = stepOf(blocks, task, settled);
  const numbered = taken.map((one) => ({ ...one, sequenceNumber: sequenceNumberOf(blocks.get(one.block), one.ip) }));
  return { ...step, taken: numbered };
}

function releaseStep(blocks: Map<Cidr, IpamBlock>, task: ReleaseTask, { nowMs, limits }: NodeContext): Step {
  const cause = { why: task.why, only: task.only, nowMs, cooldownSeconds: limits.cooldownSeconds };
  const { changed, ips } = settleRelease(blocks, task.handle, cause);
  for (const ip of ips) task.freed.add(ip);
  const addresses = holdingsOf(blocks, task.handle).filter(({ ip }) => ips.includes(ip));
  const fenced = [...task.fence].flatMap((cidr) => blocks.get(cidr) ?? []).map((block) => changedBlock(block, {}));
  const fence = fenced.map((block) => [block.spec.cidr, block] as const);
  return stepOf(blocks, task, { changed: new Map([...fence, ...changed]), addresses });
}

/** Puts the changed blocks where the next task finds them. */
function stepOf(blocks: Map<Cidr, IpamBlock>, task: Step["task"], { changed, addresses }: Omit<Settled, "kind">): Step {
  for (const [cidr, block] of changed) blocks.set(cidr, block);
  return { task, blocks: [...changed.keys()], addresses, holdings: holdingsOf(blocks, task.handle), taken: [] };
}

function sequenceNumberOf(block: IpamBlock | undefined, ip: Ip): bigint | undefined {
  return block && allocationOf(block, ip)?.sequenceNumber;
}
