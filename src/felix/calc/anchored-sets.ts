import type { Anchor } from "./anchor.ts";
import { MultiMap } from "./multi-map.ts";

/** Values, each behind an anchor, found by the labels of what it may be about. */
export class AnchoredSets<T> {
  readonly #byLabel = new Map<string, { readonly any: Set<T>; readonly byValue: MultiMap<string, T> }>();
  /** Those without an anchor may be about everything. */
  readonly #others = new Set<T>();

  add(anchor: Anchor | undefined, value: T): void {
    if (anchor === undefined) this.#others.add(value);
    for (const { label, values } of anchor ?? []) {
      const entry = this.#byLabel.get(label) ?? { any: new Set(), byValue: new MultiMap() };
      this.#byLabel.set(label, entry);
      if (values === undefined) entry.any.add(value);
      for (const one of values ?? []) entry.byValue.add(one, value);
    }
  }

  /** Takes away what was added with that anchor. */
  delete(anchor: Anchor | undefined, value: T): void {
    if (anchor === undefined) this.#others.delete(value);
    for (const { label, values } of anchor ?? []) {
      const entry = this.#byLabel.get(label);
      if (entry === undefined) continue;
      if (values === undefined) entry.any.delete(value);
      for (const one of values ?? []) entry.byValue.delete(one, value);
      if (entry.any.size === 0 && entry.byValue.size === 0) this.#byLabel.delete(label);
    }
  }

  /** Those that may be about something with such labels; some twice. Costs as many look-ups as anchors have labels. */
  *candidates(labelOf: (label: string) => string | undefined): Iterable<T> {
    yield* this.#others;
    for (const [label, { any, byValue }] of this.#byLabel) {
      const value = labelOf(label);
      if (value === undefined) continue;
      yield* any;
      yield* byValue.get(value);
    }
  }
}
