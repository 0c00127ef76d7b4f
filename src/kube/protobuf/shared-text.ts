/**
 * What the UTF-8 in `bytes` from `start` to `end` says. A short text that came lately is the same string again: labels, namespaces
 * and protocols recur in thousands of objects, and each would keep a copy for as long as it lives.
 */
export function sharedText(bytes: Buffer, start: number, end: number): string {
  if (end - start > longest) return bytes.toString("utf8", start, end);
  let hash = offsetBasis;
  let all = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    all |= byte;
    hash = Math.imul(hash ^ byte, prime);
  }
  // Beyond ASCII a byte is no character, and could not be compared with one.
  if (all > mostAscii) return bytes.toString("utf8", start, end);
  const slot = (hash ^ (hash >>> 16)) & (slots - 1);
  const known = recent[slot] ?? "";
  if (isSame(known, bytes, start, end)) return known;
  const text = bytes.toString("latin1", start, end);
  recent[slot] = text;
  return text;
}

// --- internal ---

/** Longer texts are hardly ever the same: uids, annotations. */
const longest = 32;
const slots = 4096;
const mostAscii = 0x7f;

/** One text for each hash, the latest: nothing grows. */
const recent: string[] = new Array<string>(slots).fill("");

/** FNV-1a, 32 bits. */
const offsetBasis = 0x811c9dc5 | 0;
const prime = 0x01000193;

function isSame(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let at = start; at < end; at++) if (text.charCodeAt(at - start) !== bytes[at]) return false;
  return true;
}
