/** Sets of texts of which a changed copy costs little, however large they are, and which know what was changed. */

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

/** What one set has that another has not, and the other way round. */
export interface SetDelta<T extends string> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
}

/**
 * What comes and goes when `before` becomes `after`. Where `changedSet` has made the one from the other, not too many changes
 * ago, it costs as much as those changes; else both are gone through. Nothing holds on to `before` for this.
 */
export function setDelta<T extends string>(before: ReadonlySet<T>, after: ReadonlySet<T>): SetDelta<T> {
  if (before === after) return { added: [], removed: [] };
  const known = before instanceof PartedSet && after instanceof PartedSet ? after.changesSince(before) : undefined;
  const added: T[] = [];
  const removed: T[] = [];
  if (known === undefined) {
    for (const member of after) if (!before.has(member)) added.push(member);
    // As many as there were, and all of them there: nothing else can be.
    if (after.size - added.length < before.size) {
      for (const member of before) if (!after.has(member)) removed.push(member);
    }
  } else {
    for (const [member, isIn] of known) {
      if (before.has(member) !== isIn) (isIn ? added : removed).push(member as T);
    }
  }
  return { added, removed };
}

/** The same object for a large set and all that `changedSet` has made of it; undefined for small ones. A key for what is remembered of them. */
export function lineageOf(set: ReadonlySet<string>): object | undefined {
  return set instanceof PartedSet ? set.lineage : undefined;
}

// --- internal ---

/** Members of a part on average, when it is made. */
const partSize = 64;
/** So many steps back a set knows what it was made from, if they changed no more than this share of it in all. */
const mostSteps = 32;
const mostChanged = 1 / 8;

interface Lineage {
  made: number;
}

/** The set numbered `from` became the next one by these. */
interface Step<T> {
  readonly from: number;
  readonly changes: ReadonlyMap<T, boolean>;
}

/** What a set remembers of how it was made; the numbers are a lineage's own. */
interface Descent<T> {
  readonly lineage: Lineage;
  readonly steps: readonly Step<T>[];
}

/** Each member is in the part that its hash names. */
class PartedSet<T extends string> implements ReadonlySet<T> {
  readonly size: number;
  readonly lineage: Lineage;
  readonly #number: number;
  /** Oldest first. They name older sets by number and do not hold them. */
  readonly #steps: readonly Step<T>[];
  /** As many as a power of two. */
  readonly #parts: readonly ReadonlySet<T>[];

  private constructor(parts: readonly ReadonlySet<T>[], size: number, { lineage, steps }: Descent<T>) {
    this.#parts = parts;
    this.size = size;
    this.lineage = lineage;
    this.#number = lineage.made++;
    this.#steps = steps;
  }

  static of<T extends string>(
    members: ReadonlySet<T>,
    descent: Descent<T> = { lineage: { made: 0 }, steps: [] },
  ): PartedSet<T> {
    const parts = Array.from({ length: 2 ** Math.ceil(Math.log2(members.size / partSize + 1)) }, () => new Set<T>());
    for (const member of members) parts[partOf(member, parts.length)]?.add(member);
    return new PartedSet(parts, members.size, descent);
  }

  with(changes: ReadonlyMap<T, boolean>): ReadonlySet<T> {
    if (changes.size === 0) return this;
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
    const descent = { lineage: this.lineage, steps: lastSteps(this.#steps, this.#number, changes, size) };
    const changed = new PartedSet(parts, size, descent);
    return size > parts.length * partSize * 4 ? PartedSet.of(changed, descent) : changed;
  }

  /** Each member that may differ, and whether it is in this set; undefined when that is not known any more. */
  changesSince(before: PartedSet<string>): ReadonlyMap<T, boolean> | undefined {
    if (before.lineage !== this.lineage) return undefined;
    const first = this.#steps.findIndex(({ from }) => from === before.#number);
    if (first < 0) return undefined;
    const [only, ...more] = this.#steps.slice(first);
    if (only === undefined || more.length === 0) return only?.changes;
    return new Map([only, ...more].flatMap(({ changes }) => [...changes]));
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

/** With one more; the oldest go, so that what is remembered stays small beside the set. */
function lastSteps<T extends string>(
  steps: readonly Step<T>[],
  from: number,
  changes: ReadonlyMap<T, boolean>,
  size: number,
): readonly Step<T>[] {
  // Whoever called may go on using its own.
  const all = [...steps, { from, changes: new Map(changes) }].slice(-mostSteps);
  let room = size * mostChanged;
  const firstKept = all.findLastIndex((step) => {
    room -= step.changes.size;
    return room < 0;
  });
  return all.slice(firstKept + 1);
}

/** FNV-1a over the code units, folded to the lowest bits. */
function partOf(member: string, parts: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < member.length; index++) hash = Math.imul(hash ^ member.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) & (parts - 1);
}
