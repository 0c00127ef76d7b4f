import { compareText } from "../../net/compare-text.ts";
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
    let next: Map<K, V> | undefined;
    let grown = false;
    for (const [key, value] of this.#pending) {
      const before = this.#all.get(key);
      if (same(before, value)) continue;
      next ??= new Map(this.#all);
      grown ||= before === undefined;
      if (value === undefined) next.delete(key);
      else next.set(key, value);
    }
    this.#pending.clear();
    if (next !== undefined) this.#all = grown ? new Map([...next].sort(([a], [b]) => compareText(a, b))) : next;
    return this.#all;
  }
}
