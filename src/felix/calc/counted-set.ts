import { changedSet } from "../../net/changed-set.ts";

/** A set whose members several owners can bring, and which are in it until the last of those has taken them back. */
export class CountedSet<Owner, Member extends string> {
  /** What each owner brought; an only member stands by itself, as most do. */
  readonly #brought = new Map<Owner, Member | readonly Member[]>();
  /** How many owners besides one brought the member. */
  readonly #more = new Map<Member, number>();
  /** Where the set differs from the one last given out. */
  readonly #changes = new Map<Member, boolean>();
  #members: ReadonlySet<Member>;
  /** While nobody has seen the members, they are written here at once. */
  #unseen: Set<Member> | undefined;

  /** With what a set was before that is to be the same if it has the same members. */
  constructor(before?: ReadonlySet<Member>) {
    this.#unseen = before === undefined ? new Set() : undefined;
    this.#members = before ?? new Set();
    for (const member of before ?? []) this.#changes.set(member, false);
  }

  /** The owner now brings these, each named once, instead of what it brought before; true when those are others. */
  bring(owner: Owner, members: readonly Member[]): boolean {
    const before = listOf(this.#brought.get(owner));
    if (members.length === before.length && members.every((member, index) => member === before[index])) return false;
    for (const member of members) this.#add(member);
    for (const member of before) this.#remove(member);
    const [only] = members;
    if (only === undefined) this.#brought.delete(owner);
    else this.#brought.set(owner, members.length === 1 ? only : members);
    return true;
  }

  /** The same object as long as the members are the same; never written to again. */
  members(): ReadonlySet<Member> {
    if (this.#unseen !== undefined) this.#members = changedSet(this.#unseen, this.#changes);
    this.#unseen = undefined;
    if (this.#changes.size > 0) this.#members = changedSet(this.#members, this.#changes);
    this.#changes.clear();
    return this.#members;
  }

  #isIn(member: Member): boolean {
    if (this.#unseen !== undefined) return this.#unseen.has(member);
    return this.#changes.get(member) ?? this.#members.has(member);
  }

  #add(member: Member): void {
    if (this.#isIn(member)) this.#more.set(member, (this.#more.get(member) ?? 0) + 1);
    else this.#change(member, true);
  }

  #remove(member: Member): void {
    const more = this.#more.get(member) ?? 0;
    if (more > 1) this.#more.set(member, more - 1);
    else if (more === 1) this.#more.delete(member);
    else this.#change(member, false);
  }

  #change(member: Member, isIn: boolean): void {
    if (this.#unseen !== undefined) {
      if (isIn) this.#unseen.add(member);
      else this.#unseen.delete(member);
      return;
    }
    if (this.#members.has(member) === isIn) this.#changes.delete(member);
    else this.#changes.set(member, isIn);
  }
}

// --- internal ---

function listOf<Member extends string>(brought: Member | readonly Member[] | undefined): readonly Member[] {
  if (brought === undefined) return [];
  return typeof brought === "string" ? [brought] : brought;
}
