/** Sequences of snapshots, and the ways in which a node can learn of them. */
import type { Change, KindName, Snapshot } from "../../src/api/snapshot.ts";

/** The changes that lead from one snapshot to the next. */
export function changesBetween(before: Snapshot, after: Snapshot): readonly Change[] {
  return (Object.keys(after) as KindName[]).flatMap((kind) => {
    const [old, now] = [before[kind] as ReadonlyMap<string, object>, after[kind] as ReadonlyMap<string, object>];
    const removed = [...old.keys()].filter((key) => !now.has(key)).map((key) => ({ kind, key, value: undefined }));
    const written = [...now]
      .filter(([key, value]) => old.get(key) !== value)
      .map(([key, value]) => ({ kind, key, value }));
    return [...removed, ...written] as Change[];
  });
}

/** The snapshot with one change made. */
export function withChange(snapshot: Snapshot, { kind, key, value }: Change): Snapshot {
  const objects = new Map<string, object>(snapshot[kind]);
  if (value === undefined) objects.delete(key);
  else objects.set(key, value);
  return { ...snapshot, [kind]: objects };
}

/** How the changes between two states arrive: a list of batches, with a plan asked for after each. */
export const deliveries: Readonly<Record<string, (changes: readonly Change[]) => readonly (readonly Change[])[]>> = {
  "in one batch": (changes) => [changes],
  "one by one": (changes) => changes.map((change) => [change]),
  "one by one, backwards": (changes) => changes.toReversed().map((change) => [change]),
  "in two halves": (changes) => [changes.slice(changes.length / 2), changes.slice(0, changes.length / 2)],
  "each twice": (changes) => changes.map((change) => [change, change]),
  "all twice, with nothing between": (changes) => [changes, [], changes],
};
