import type { AssignedAddress } from "./ipam.ts";
import type { Outcome } from "./outcomes.ts";
import type { RecordKeeper } from "./record-keeper.ts";
import type { AssignTask } from "./task.ts";

/** Makes the record of a task's handle say that it holds these, and notes with the task what that means for its undoing. */
export async function putRecord(
  records: RecordKeeper,
  task: AssignTask,
  holdings: readonly AssignedAddress[],
): Promise<Outcome> {
  const isKnown = records.get(task.handle) !== undefined;
  if (records.isRight(task.handle, holdings)) return "stored";
  task.wrote = true;
  // Until the store has answered, nobody knows what stands there.
  task.recordUnknown = true;
  const outcome = await records.write(task.handle, holdings);
  if (outcome === "stored") task.recordUnknown = false;
  // The handle had a record already, so what it names is not this task's to take back.
  else if (!isKnown) task.heldBefore = true;
  return outcome;
}
