import { compareText } from "../../net/compare-text.ts";

/**
 * `before`, which is in the order of its keys and stays as it is, with these parts put in, exchanged or (undefined) taken
 * out, in the order of the keys.
 */
export function mergedMap<K extends string, V extends object>(
  before: ReadonlyMap<K, V>,
  changes: ReadonlyMap<K, V | undefined>,
): ReadonlyMap<K, V> {
  const coming = [...changes].filter((change): change is [K, V] => change[1] !== undefined && !before.has(change[0]));
  coming.sort(([a], [b]) => compareText(a, b));
  const merged = new Map<K, V>();
  let next = 0;
  for (const [key, value] of before) {
    for (let one = coming[next]; one !== undefined && compareText(one[0], key) < 0; one = coming[++next]) {
      merged.set(...one);
    }
    const now = changes.has(key) ? changes.get(key) : value;
    if (now !== undefined) merged.set(key, now);
  }
  for (const one of coming.slice(next)) merged.set(...one);
  return merged;
}
