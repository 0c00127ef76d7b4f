import type { Change, KindName, Snapshot } from "../api/snapshot.ts";
import { emptySnapshot } from "../api/snapshot.ts";

/** Holds the newest of everything, as changes tell it. The snapshot is one live view: whoever reads it reads the present. */
export class SnapshotStore {
  readonly snapshot: Snapshot = emptySnapshot();
  readonly #lists = new Map<KindName, readonly unknown[]>();

  /** Every object of a kind: the same array until one of them changes, so that what follows from all can be kept beside it. */
  list<K extends KindName>(kind: K): readonly ValueOf<Snapshot[K]>[] {
    const known = this.#lists.get(kind) ?? [...this.snapshot[kind].values()];
    this.#lists.set(kind, known);
    return known as readonly ValueOf<Snapshot[K]>[];
  }

  /** Takes the changes in and answers which kinds they touched. */
  apply(changes: readonly Change[]): ReadonlySet<KindName> {
    for (const { kind, key, value } of changes) {
      const objects = this.snapshot[kind] as Map<string, unknown>;
      if (value === undefined) objects.delete(key);
      else objects.set(key, value);
      this.#lists.delete(kind);
    }
    return new Set(changes.map(({ kind }) => kind));
  }
}

// --- internal ---

type ValueOf<M> = M extends ReadonlyMap<string, infer V> ? V : never;
