/**
 * The keys whose values are not the same object in both maps: those that came, changed or went. Costs a look at every value and
 * nothing for those that are the same.
 */
export function changedKeys<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): readonly K[] {
  if (before === after) return [];
  const changed: K[] = [];
  let kept = 0;
  for (const [key, value] of after) {
    const earlier = before.get(key);
    if (earlier !== undefined) kept++;
    if (earlier !== value) changed.push(key);
  }
  if (kept < before.size) for (const key of before.keys()) if (!after.has(key)) changed.push(key);
  return changed;
}
