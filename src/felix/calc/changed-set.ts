/** Sets of texts of which a changed copy costs little, however large they are. */

/**
 * What `before` becomes when each key of `changes` is in it (true) or not (false); `before` stays as it is, and without
 * changes may be the answer. Up to `plainSize` members it is a plain set, else one in parts, of which only those that change
 * are copied.
 */
export function changedSet<T extends string>(
  before: ReadonlySet<T>,
  changes: ReadonlyMap<T, boolean>,
  plainSize = 1024,
): ReadonlySet<T> {
  if (before instanceof PartedSet && before.size > plainSize / 2) return before.with(changes);
  if (changes.size === 0) return before.size > plainSize ? PartedSet.of(before) : before;
  const after = new Set(before);
  for (const [member, isIn] of changes) {
    if (isIn) after.add(member);
    else after.delete(member);
  }
  return after.size > plainSize ? PartedSet.of(after) : after;
}

// --- internal ---

/** Members of a part on average, when it is made. */
const partSize = 64;

/** Each member is in the part that its hash names. */
class PartedSet<T extends string> implements ReadonlySet<T> {
  readonly size: number;
  /** As many as a power of two. */
  readonly #parts: readonly ReadonlySet<T>[];

  private constructor(parts: readonly ReadonlySet<T>[], size: number) {
    this.#parts = parts;
    this.size = size;
  }

  static of<T extends string>(members: ReadonlySet<T>): PartedSet<T> {
    const parts = Array.from({ length: 2 ** Math.ceil(Math.log2(members.size / partSize + 1)) }, () => new Set<T>());
    for (const member of members) parts[partOf(member, parts.length)]?.add(member);
    return new PartedSet(parts, members.size);
  }

  with(changes: ReadonlyMap<T, boolean>): ReadonlySet<T> {
    const parts = [...this.#parts];
    const own = new Map<number, Set<T>>();
    for (const [member, isIn] of changes) {
      const index = partOf(member, parts.length);
      const part = own.get(index) ?? new Set(parts[index]);
      own.set(index, part);
      parts[index] = part;
      if (isIn) part.add(member);
      else part.delete(member);
    }
    let size = this.size;
    for (const [index, part] of own) size += part.size - (this.#parts[index]?.size ?? 0);
    const changed = new PartedSet(parts, size);
    return size > parts.length * partSize * 4 ? PartedSet.of(changed) : changed;
  }

  has(member: T): boolean {
    return this.#parts[partOf(member, this.#parts.length)]?.has(member) ?? false;
  }

  forEach(callback: (value: T, same: T, set: ReadonlySet<T>) => void, thisArg?: unknown): void {
    for (const member of this) callback.call(thisArg, member, member, this);
  }

  *[Symbol.iterator](): SetIterator<T> {
    for (const part of this.#parts) yield* part;
  }

  *entries(): SetIterator<[T, T]> {
    for (const member of this) yield [member, member];
  }

  keys(): SetIterator<T> {
    return this[Symbol.iterator]();
  }

  values(): SetIterator<T> {
    return this[Symbol.iterator]();
  }

  union<U>(other: ReadonlySetLike<U>): Set<T | U> {
    return new Set(this).union(other);
  }

  intersection<U>(other: ReadonlySetLike<U>): Set<T & U> {
    return new Set(this).intersection(other);
  }

  difference<U>(other: ReadonlySetLike<U>): Set<T> {
    return new Set(this).difference(other);
  }

  symmetricDifference<U>(other: ReadonlySetLike<U>): Set<T | U> {
    return new Set(this).symmetricDifference(other);
  }

  isSubsetOf(other: ReadonlySetLike<unknown>): boolean {
    return new Set(this).isSubsetOf(other);
  }

  isSupersetOf(other: ReadonlySetLike<unknown>): boolean {
    return new Set<unknown>(this).isSupersetOf(other);
  }

  isDisjointFrom(other: ReadonlySetLike<unknown>): boolean {
    return new Set<unknown>(this).isDisjointFrom(other);
  }
}

/** FNV-1a over the code units, folded to the lowest bits. */
function partOf(member: string, parts: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < member.length; index++) hash = Math.imul(hash ^ member.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) & (parts - 1);
}
