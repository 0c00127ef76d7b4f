import { mergedMap } from "./merged-map.ts";
import { same } from "./same.ts";

/** Parts of a plan by key. A map that it gave out is never written to again. */
export class PlanMap<K extends string, V extends object> {
  readonly #pending = new Map<K, V | undefined>();
  #all: ReadonlyMap<K, V> = new Map();

  /** From the next `all` on; undefined takes the part out. */
  set(key: K, value: V | undefined): void {
    this.#pending.set(key, value);
  }

  /** Every part in the order of the keys; what says the same as before is the same object, the map itself included. */
  all(): ReadonlyMap<K, V> {
    const changes = new Map([...this.#pending].filter(([key, value]) => !same(this.#all.get(key), value)));
    this.#pending.clear();
    if (changes.size > 0) this.#all = mergedMap(this.#all, changes);
    return this.#all;
  }
}
