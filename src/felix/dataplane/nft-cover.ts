/**
 * Which networks of a set cover the others. An interval set of nf_tables takes no range that overlaps another, and networks
 * overlap only when one contains the other: the kernel gets those that no other contains.
 */

/** One network: the number of bits that its addresses share, as a character, and those bits, one character for each 8 of them. */
export type NetKey = string & { readonly __brand: "NetKey" };

/** What changes of the networks that no other contains. */
export interface CoverDelta {
  readonly added: readonly NetKey[];
  readonly removed: readonly NetKey[];
}

/** The first `length` bits of an address, given as one character a byte. */
export function netKey(address: string, length: number): NetKey {
  return maskedKey(address, 0, length);
}

/** The first and the last address of the network, one character a byte, of `size` bytes. */
export function addressRange(key: NetKey, size: 4 | 16): { readonly first: string; readonly last: string } {
  const length = key.charCodeAt(0);
  if (length === size * 8) return { first: key.slice(1), last: key.slice(1) };
  const whole = key.slice(1, 1 + (length >> 3));
  const rest = length & 7;
  const part = rest === 0 ? 0 : key.charCodeAt(1 + (length >> 3));
  const open = size - whole.length - 1;
  return {
    first: `${whole}${String.fromCharCode(part)}${"\0".repeat(open)}`,
    last: `${whole}${String.fromCharCode(part | (0xff >> rest))}${"\xff".repeat(open)}`,
  };
}

/** The networks of one set. */
export class NetCover {
  /** Those that no other contains, each with those that it contains. */
  readonly #tops = new Map<NetKey, Set<NetKey> | undefined>();
  /** How many tops there are of each length. */
  readonly #counts = new Map<number, number>();

  /** Those that no other contains. */
  get tops(): Iterable<NetKey> {
    return this.#tops.keys();
  }

  /** How many networks no other contains. */
  get size(): number {
    return this.#tops.size;
  }

  /**
   * Takes networks out and in; one that is there already, or is not, changes nothing. The cost follows the change, but for a
   * network that comes and is shorter than others, which looks once at all of them.
   */
  change({ added, removed }: CoverDelta): CoverDelta {
    const before = new Map<NetKey, boolean>();
    const orphans = this.#takeOut(removed, before);
    const fresh = new Set<NetKey>();
    // A network comes after those that may contain it.
    for (const key of [...orphans, ...added].sort((a, b) => lengthOf(a) - lengthOf(b))) {
      if (this.#tops.has(key)) continue;
      const top = this.#topOf(key);
      if (top !== undefined) this.#cover(top, [key]);
      else {
        this.#put(key, undefined, before);
        // What came to light again was under one network with its like: it contains no other top.
        if (!orphans.has(key)) fresh.add(key);
      }
    }
    this.#coverBy(fresh, before);
    const changed = [...before].filter(([key, was]) => this.#tops.has(key) !== was);
    return {
      added: changed.filter(([, was]) => !was).map(([key]) => key),
      removed: changed.filter(([, was]) => was).map(([key]) => key),
    };
  }

  /** Answers those that were under a network that has gone. */
  #takeOut(removed: readonly NetKey[], before: Map<NetKey, boolean>): Set<NetKey> {
    const orphans = new Set<NetKey>();
    for (const key of removed) {
      if (this.#tops.has(key)) {
        for (const covered of this.#tops.get(key) ?? []) orphans.add(covered);
        this.#drop(key, before);
      } else if (!orphans.delete(key)) {
        const top = this.#topOf(key);
        if (top !== undefined) this.#tops.get(top)?.delete(key);
      }
    }
    return orphans;
  }

  /** Puts the other tops that are within one of `fresh` under it, in one look at all of them. */
  #coverBy(fresh: ReadonlySet<NetKey>, before: Map<NetKey, boolean>): void {
    const lengths = [...new Set([...fresh].map(lengthOf))];
    const shortest = Math.min(...lengths);
    if (![...this.#counts.keys()].some((length) => length > shortest)) return;
    for (const [key, covered] of this.#tops) {
      const length = lengthOf(key);
      const shorter = lengths.find((one) => one < length && fresh.has(maskedKey(key, 1, one)));
      if (shorter === undefined) continue;
      this.#drop(key, before);
      this.#cover(maskedKey(key, 1, shorter), [key, ...(covered ?? [])]);
    }
  }

  #topOf(key: NetKey): NetKey | undefined {
    const length = lengthOf(key);
    for (const shorter of this.#counts.keys()) {
      if (shorter >= length) continue;
      const candidate = maskedKey(key, 1, shorter);
      if (this.#tops.has(candidate)) return candidate;
    }
    return undefined;
  }

  #cover(top: NetKey, keys: readonly NetKey[]): void {
    const covered = this.#tops.get(top);
    if (covered === undefined) this.#tops.set(top, new Set(keys));
    else for (const key of keys) covered.add(key);
  }

  #put(key: NetKey, covered: Set<NetKey> | undefined, before: Map<NetKey, boolean>): void {
    if (!before.has(key)) before.set(key, false);
    this.#tops.set(key, covered);
    const length = lengthOf(key);
    this.#counts.set(length, (this.#counts.get(length) ?? 0) + 1);
  }

  #drop(key: NetKey, before: Map<NetKey, boolean>): void {
    if (!before.has(key)) before.set(key, true);
    this.#tops.delete(key);
    const length = lengthOf(key);
    const left = (this.#counts.get(length) ?? 0) - 1;
    if (left === 0) this.#counts.delete(length);
    else this.#counts.set(length, left);
  }
}

// --- internal ---

function lengthOf(key: NetKey): number {
  return key.charCodeAt(0);
}

/** The first `length` bits of what stands in `bytes` from `start`. */
function maskedKey(bytes: string, start: number, length: number): NetKey {
  const end = start + (length >> 3);
  const rest = length & 7;
  const whole = String.fromCharCode(length) + bytes.slice(start, end);
  if (rest === 0) return whole as NetKey;
  return (whole + String.fromCharCode(bytes.charCodeAt(end) & (0xff00 >> rest) & 0xff)) as NetKey;
}
