import { type Cidr, cidrContainsIp, cidrsOverlap } from "../net/cidr.ts";
import type { ShortTask, StuckTask } from "./batch.ts";
import type { NodeBlocks } from "./node-blocks.ts";
import { contextFor, type NodeContext } from "./node-context.ts";
import { exhaustedError, noPoolError } from "./pool-errors.ts";
import { overlapRefusal, type Unplaced } from "./settle-address.ts";
import type { IpamStore } from "./store.ts";
import type { AssignTask } from "./task.ts";

/** Whether a task that was stuck may now be tried again; or why it cannot be served. */
export type Room = "found" | "contended" | Error;

/** What a search for room works with. */
export interface RoomOptions {
  readonly store: IpamStore;
  readonly blocks: NodeBlocks;
  readonly context: NodeContext;
}

/** Brings the blocks into memory that a task needs, claiming what there is to claim. Rejects as the store does. */
export async function makeRoom(stuck: StuckTask, options: RoomOptions): Promise<Room> {
  switch (stuck.kind) {
    case "short":
      return roomFor(stuck, options);
    case "unplaced":
      return placeFor(stuck, options);
    case "unproven":
      for (const cidr of stuck.blocks) verify(stuck.task, cidr, options);
      return "found";
    case "refused":
      // The block may have changed since it was read.
      if (stuck.block === undefined || stuck.task.verified.has(stuck.block)) return stuck.error;
      verify(stuck.task, stuck.block, options);
      return "found";
  }
}

// --- internal ---

function verify(task: AssignTask, cidr: Cidr, { blocks }: RoomOptions): void {
  task.verified.add(cidr);
  blocks.doubt(cidr);
}

async function roomFor(
  { task, version, choices }: ShortTask,
  { store, blocks, ...options }: RoomOptions,
): Promise<Room> {
  const context = contextFor(task.request, options.context);
  const { usable, refused } = choices[version];
  const { node, limits, reservations } = context;
  if (usable.length === 0) return noPoolError(task.request, { node, version, refused });
  if (!task.reloaded) {
    task.reloaded = true;
    await blocks.compare(await store.blocks.list());
    return "found";
  }
  const maxBlocks = Math.min(limits.maxBlocks, task.request.maxBlocks ?? limits.maxBlocks);
  // Nobody is told that there is no room on the word of a list that may be old.
  for (const fresh of [false, true]) {
    const listed = await store.blocks.list({ fresh });
    if (limits.autoAllocateBlocks && blocks.countIn(usable) < maxBlocks) {
      const claimed = await blocks.claim(usable, listed, context);
      if (claimed !== "none") return claimed === "claimed" ? "found" : "contended";
    }
    if (limits.strictAffinity) continue;
    task.borrow = true;
    if ((await blocks.borrow(usable, listed, context)) === "found") return "found";
  }
  // Another process of this node is just making sure of one.
  if (blocks.doubtClosed(usable)) return "contended";
  return exhaustedError(task.request, {
    ...{ ...limits, maxBlocks, node, version, pools: usable, ownBlocks: blocks.countIn(usable) },
    reservations: [...new Set(usable.flatMap(({ spec }) => reservations.namesIn(spec.cidr)))],
  });
}

async function placeFor(
  { task, ...unplaced }: Unplaced & { readonly task: AssignTask },
  { store, blocks, context }: RoomOptions,
): Promise<Room> {
  const listed = (await store.blocks.list({ fresh: true })).map(({ value }) => value);
  const near = listed.filter(({ spec }) => cidrsOverlap(spec.cidr, unplaced.block));
  const holding = near.find(({ spec }) => cidrContainsIp(spec.cidr, unplaced.ip));
  const blocking = near.find(({ spec }) => spec.cidr !== unplaced.block);
  if (holding === undefined && blocking !== undefined) {
    return overlapRefusal(unplaced, blocking.spec.cidr, { request: task.request, context });
  }
  const cidr: Cidr = holding?.spec.cidr ?? unplaced.block;
  const isFree = holding === undefined || holding.spec.affinity === undefined;
  if (isFree && (await blocks.claimOne(cidr, context.nowMs))) return "found";
  // Somebody's, or somebody was first.
  blocks.doubt(cidr);
  return "found";
}
