/** The least change that turns one keyed state into another. */
export interface Delta<K, V> {
  readonly upserts: ReadonlyMap<K, V>;
  readonly removals: ReadonlySet<K>;
}

/** What to write and what to remove so that `actual` becomes `desired`. */
export function diff<K, V>(
  desired: ReadonlyMap<K, V>,
  actual: ReadonlyMap<K, V>,
  equal: (a: V, b: V) => boolean,
): Delta<K, V> {
  const upserts = new Map<K, V>();
  const removals = new Set<K>();
  for (const [key, value] of desired) {
    const current = actual.get(key);
    if (current === undefined || !equal(value, current)) upserts.set(key, value);
  }
  for (const key of actual.keys()) if (!desired.has(key)) removals.add(key);
  return { upserts, removals };
}

/** True when there is nothing to write and nothing to remove. */
export function isEmpty<K, V>(delta: Delta<K, V>): boolean {
  return delta.upserts.size === 0 && delta.removals.size === 0;
}
