/** How long a time is, in the two largest units that it has: `45s`, `3h5m`, `12d`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const index = units.findIndex(([, size]) => seconds >= size);
  const [name, size] = units[index] ?? ["s", 1];
  const [lesserName, lesserSize] = units[index + 1] ?? ["", 1];
  const rest = Math.floor((seconds % size) / lesserSize);
  return `${Math.floor(seconds / size)}${name}${lesserName !== "" && rest > 0 ? `${rest}${lesserName}` : ""}`;
}

// --- internal ---

const units: readonly (readonly [name: string, seconds: number])[] = [
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
];
