import type { Labels } from "../../api/objects.ts";
import { MultiMap } from "./multi-map.ts";

/** What something must have to be selected: the label, with one of the values if there are some given. */
export interface LabelRequirement {
  readonly label: string;
  /** Undefined: any. */
  readonly values: readonly string[] | undefined;
}

/** Whose labels say what. */
export class LabelIndex<K> {
  readonly #byLabel = new Map<string, Entry<K>>();

  /** The labels of `key` were `before` and are `now`; undefined: it was, or is, not there. */
  replace(key: K, before: Labels | undefined, now: Labels | undefined): void {
    if (before === now) return;
    for (const label in before)
      if (valueIn(now, label) !== before[label]) this.#delete(key, label, before[label] ?? "");
    for (const label in now) if (valueIn(before, label) !== now[label]) this.#add(key, label, now[label] ?? "");
  }

  /** Those that have what is required. One is named again for a value that is. */
  *with({ label, values }: LabelRequirement): Iterable<K> {
    const entry = this.#byLabel.get(label);
    if (entry === undefined) return;
    for (const value of values ?? entry.byValue.keys()) yield* entry.byValue.get(value);
  }

  /** How many `with` gives. */
  count({ label, values }: LabelRequirement): number {
    const entry = this.#byLabel.get(label);
    if (entry === undefined || values === undefined) return entry?.count ?? 0;
    return values.reduce((sum, value) => sum + entry.byValue.count(value), 0);
  }

  #add(key: K, label: string, value: string): void {
    const entry = this.#byLabel.get(label) ?? { byValue: new MultiMap<string, K>(), count: 0 };
    if (entry.count === 0) this.#byLabel.set(label, entry);
    entry.byValue.add(value, key);
    entry.count++;
  }

  #delete(key: K, label: string, value: string): void {
    const entry = this.#byLabel.get(label);
    if (entry === undefined) return;
    entry.byValue.delete(value, key);
    if (--entry.count === 0) this.#byLabel.delete(label);
  }
}

// --- internal ---

interface Entry<K> {
  readonly byValue: MultiMap<string, K>;
  count: number;
}

/** Own properties only: a label may be called `constructor`. */
function valueIn(labels: Labels | undefined, label: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, label) ? labels[label] : undefined;
}
