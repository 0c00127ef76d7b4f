/** The next key, as numbers in network order; undefined behind the last of all. */
export function keyBehind(key: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(key);
  for (let index = next.length - 1; index >= 0; index--) {
    const byte = next[index] ?? 0;
    next[index] = byte + 1;
    if (byte < 0xff) return next;
  }
  return undefined;
}

/** The key before; of the first of all, the last. */
export function keyBefore(key: Uint8Array): Uint8Array {
  const previous = Uint8Array.from(key);
  for (let index = previous.length - 1; index >= 0; index--) {
    const byte = previous[index] ?? 0;
    previous[index] = byte - 1;
    if (byte > 0) return previous;
  }
  return previous;
}
