/** What was computed of late, by a text that tells everything it was computed from. */
export class Memo<T> {
  readonly #limit: number;
  readonly #known = new Map<string, T>();

  /** At `limit` results all are forgotten. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The same value for equal keys while it is remembered. `compute` must be pure. */
  of(key: string, compute: () => T): T {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= this.#limit) this.#known.clear();
    const value = compute();
    this.#known.set(key, value);
    return value;
  }
}
