/** Several values by key, each once. A key whose last value went is not there any more. */
export class MultiMap<K, V> {
  /** A key's only value stands there by itself: most have one, and a set for each would be the larger part. */
  readonly #values = new Map<K, V | Many<V>>();

  has(key: K): boolean {
    return this.#values.has(key);
  }

  /** How many keys there are. */
  get size(): number {
    return this.#values.size;
  }

  keys(): Iterable<K> {
    return this.#values.keys();
  }

  /** In the order in which they were added; none when the key is not there. */
  get(key: K): Iterable<V> {
    const values = this.#values.get(key);
    if (values instanceof Many) return values;
    return values === undefined ? [] : [values];
  }

  /** How many values the key has. */
  count(key: K): number {
    const values = this.#values.get(key);
    if (values instanceof Many) return values.size;
    return values === undefined ? 0 : 1;
  }

  /** True when the key was not there before. `undefined` is no value. */
  add(key: K, value: V): boolean {
    const values = this.#values.get(key);
    if (values instanceof Many) values.add(value);
    else if (values === undefined) this.#values.set(key, value);
    else if (values !== value) this.#values.set(key, new Many([values, value]));
    return values === undefined;
  }

  /** True when the key went with its last value. A value that is not there is no error. */
  delete(key: K, value: V): boolean {
    const values = this.#values.get(key);
    if (values instanceof Many) {
      values.delete(value);
      return values.size === 0 && this.#values.delete(key);
    }
    return values !== undefined && values === value && this.#values.delete(key);
  }
}

// --- internal ---

/** A class of its own, so that no value is taken for one. */
class Many<V> extends Set<V> {}
