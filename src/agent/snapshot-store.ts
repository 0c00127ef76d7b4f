import type { Change, KindName, Snapshot } from "../api/snapshot.ts";
import { emptySnapshot } from "../api/snapshot.ts";

/** Holds the newest of everything, as changes tell it. The snapshot is one live view: whoever reads it reads the present. */
export class SnapshotStore {
  readonly snapshot: Snapshot = emptySnapshot();

  /** Takes the changes in and answers which kinds they touched. */
  apply(changes: readonly Change[]): ReadonlySet<KindName> {
    for (const { kind, key, value } of changes) {
      const objects = this.snapshot[kind] as Map<string, unknown>;
      if (value === undefined) objects.delete(key);
      else objects.set(key, value);
    }
    return new Set(changes.map(({ kind }) => kind));
  }
}
