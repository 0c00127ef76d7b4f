/** What becomes of the writes of a step, and what a task has to answer for. */
import type { Step } from "./batch.ts";
import { sameRecord } from "./block.ts";
import type { AllocationTest } from "./block-release.ts";
import type { AssignTask } from "./task.ts";

/** What became of a compare-and-swap. */
export type Outcome = "stored" | "conflict";

/** Notes what may stand now, of what a try has taken: all but what another writer was before. One outcome for each block. */
export function noteTaken(task: AssignTask, step: Step, outcomes: readonly PromiseSettledResult<Outcome>[]): void {
  for (const [index, cidr] of step.blocks.entries()) {
    if (outcomes[index]?.status === "rejected") task.doubtful.add(cidr);
  }
  for (const { ip, block, sequenceNumber } of step.taken) {
    const isLost = isConflict(outcomes[step.blocks.indexOf(block)]);
    if (!isLost && sequenceNumber !== undefined) task.taken.set(ip, sequenceNumber);
  }
}

/** Another writer was first, and the write has done nothing. */
export function isConflict(outcome: PromiseSettledResult<Outcome> | undefined): boolean {
  return outcome?.status === "fulfilled" && outcome.value === "conflict";
}

/** Whether something may stand that a failed task has written. A record that was there before it is not its own. */
export function hasToUndo({ wrote, heldBefore, taken, doubtful }: AssignTask): boolean {
  return wrote && (heldBefore !== true || taken.size > 0 || doubtful.size > 0);
}

/**
 * Whether an allocation is a task's own, by its number and by what was kept beside it: another process of the node may have
 * given the handle the same address from the same state of the block.
 */
export function wasTakenBy({ taken, request }: AssignTask): AllocationTest {
  return ({ ip, sequenceNumber, attribute: { secondary = {} } }) =>
    sequenceNumber !== undefined && taken.get(ip) === sequenceNumber && sameRecord(secondary, request.attributes);
}
