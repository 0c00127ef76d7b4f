/** Several values by key, each once. A key whose last value went is not there any more. */
export class MultiMap<K, V> {
  readonly #values = new Map<K, Set<V>>();

  has(key: K): boolean {
    return this.#values.has(key);
  }

  keys(): Iterable<K> {
    return this.#values.keys();
  }

  /** In the order in which they were added; none when the key is not there. */
  get(key: K): Iterable<V> {
    return this.#values.get(key) ?? [];
  }

  /** True when the key was not there before. */
  add(key: K, value: V): boolean {
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, new Set([value]));
    else values.add(value);
    return values === undefined;
  }

  /** True when the key went with its last value. A value that is not there is no error. */
  delete(key: K, value: V): boolean {
    const values = this.#values.get(key);
    values?.delete(value);
    return values?.size === 0 && this.#values.delete(key);
  }
}
