import { hasRecord } from "../../api/ipam-block.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import { holdingsOf } from "./candidates.ts";

/** A handle whose record says something else than the blocks. */
interface HandleFault {
  readonly handle: string;
  /** Both sides as text: another when one of them has changed. */
  readonly state: string;
}

/**
 * The handles whose records are surplus, missing or wrong. The blocks are the truth. What Windows, or a node for pods to come,
 * keeps has no record.
 */
export function handleFaults(view: Pick<Snapshot, "ipamBlock" | "ipamHandle">): readonly HandleFault[] {
  const truth = new Map<string, Map<string, number>>();
  for (const { handle, block } of holdingsOf(view.ipamBlock.values())) {
    if (handle === undefined || !hasRecord(handle)) continue;
    const counts = truth.get(handle) ?? new Map<string, number>();
    truth.set(handle, counts.set(block, (counts.get(block) ?? 0) + 1));
  }
  const records = new Map(
    [...view.ipamHandle.values()]
      .filter(({ spec }) => !spec.deleted)
      .map(({ spec }) => [spec.handleID, Object.entries(spec.block)]),
  );
  return [...new Set([...truth.keys(), ...records.keys()])].flatMap((handle) => {
    const [said, found] = [textOf(records.get(handle)), textOf(truth.get(handle))];
    return said === found ? [] : [{ handle, state: `${said} ${found}` }];
  });
}

// --- internal ---

/** Undefined, no record, is not the same as one of no blocks: that one is surplus too. */
function textOf(counts: Iterable<readonly [string, number]> | undefined): string {
  if (counts === undefined) return "none";
  return JSON.stringify([...counts].toSorted(([a], [b]) => compareText(a, b)));
}
