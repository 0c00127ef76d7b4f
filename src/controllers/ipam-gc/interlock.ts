/** Garbage collection stops itself before it frees implausibly many addresses at once, until a person approves. */
import { type HeldAddress, type HeldRelease, heldReleaseId } from "../../api/held-release.ts";
import { type Candidate, countedOf } from "./candidates.ts";

/**
 * A pass may free `always` addresses, or `share` of all that are given out when that is more, but never more than `never`.
 * A node that is lost with all of its pods stays below in a large cluster; a cache gone wrong does not.
 */
export interface Limits {
  readonly share: number;
  readonly always: number;
  readonly never: number;
}

export const defaultLimits: Limits = { share: 0.1, always: 10, never: 500 };

/** What a pass wants, and what is held back from earlier passes. */
export interface InterlockInput {
  /** What the pass would free. */
  readonly wanted: readonly Candidate[];
  /** Every other candidate of which nothing says that it is alive: not yet ripe, or not decided. */
  readonly undecided: readonly Candidate[];
  /** How many addresses are given out, as `countedOf` counts. */
  readonly total: number;
  /** How many were freed lately, as `countedOf` counts, without an approval: many small passes must not do what one may not. */
  readonly freedLately: number;
  readonly held: Pick<HeldRelease, "id" | "addresses"> | undefined;
  /** The id that a person approved. */
  readonly approved: string | undefined;
  readonly limits: Limits;
}

/** What the pass may do. */
export interface Ruling {
  readonly free: readonly Candidate[];
  /** How many of `free` were approved. */
  readonly approvedCount: number;
  /** What is held from now on; undefined: nothing is. */
  readonly held: { readonly id: string; readonly addresses: readonly HeldAddress[] } | undefined;
  /** `used` and `outdated`: the approval has had its effect, or names something else than what is held. */
  readonly approval: "none" | "waiting" | "used" | "outdated";
}

/**
 * While something is held, nothing is freed without approval; and an approval covers what was held, and nothing that came
 * later. The id stays as long as nothing comes to what is held.
 */
export function rule(input: InterlockInput): Ruling {
  const { wanted, undecided, held, approved } = input;
  const heldKeys = new Set(held?.addresses.map(addressKey));
  const isHeld = (one: Candidate) => heldKeys.has(addressKey(one));
  const covered = coveredBy(approved, input, isHeld);
  const stillHeld = [...wanted, ...undecided].filter(isHeld);
  if (covered.length > 0) {
    const rest = new Set(wanted).difference(new Set(covered));
    return { ...judgeFresh([...rest], input, covered), approval: "used" };
  }
  if (approved !== undefined && approved === held?.id && stillHeld.length > 0) {
    // What was approved is not yet ripe, or its nodes do not answer.
    const fresh = judgeFresh(
      wanted.filter((one) => !isHeld(one)),
      input,
      [],
    );
    if (fresh.held === undefined) return { ...fresh, held, approval: "waiting" };
  }
  const approval = approved === undefined ? "none" : "outdated";
  const all = [...new Set([...stillHeld, ...wanted])];
  if (held === undefined || !exceeds(countedOf(all).size, input)) return { ...judgeFresh(wanted, input, []), approval };
  const same = wanted.every(isHeld);
  return { free: [], approvedCount: 0, held: same ? held : holdOf(all), approval };
}

/** What stands of a candidate in a list for people. */
export function heldAddressOf({ ip, handle, pod, node, reason }: Candidate): HeldAddress {
  return { ip, ...(handle === undefined ? {} : { handle }), ...(pod === undefined ? {} : { pod }), node, reason };
}

// --- internal ---

function coveredBy(
  approved: string | undefined,
  { wanted, held }: InterlockInput,
  isHeld: (one: Candidate) => boolean,
): readonly Candidate[] {
  if (approved === undefined || wanted.length === 0) return [];
  // The list that survives a restart may be cut short; the id is of all of it.
  if (heldReleaseId(wanted) === approved) return wanted;
  return approved === held?.id ? wanted.filter(isHeld) : [];
}

function judgeFresh(
  wanted: readonly Candidate[],
  input: InterlockInput,
  covered: readonly Candidate[],
): Pick<Ruling, "free" | "approvedCount" | "held"> {
  const tooMany = wanted.length > 0 && exceeds(countedOf(wanted).size + input.freedLately, input);
  return {
    free: tooMany ? covered : [...covered, ...wanted],
    approvedCount: covered.length,
    held: tooMany ? holdOf(wanted) : undefined,
  };
}

function exceeds(count: number, { total, freedLately, limits }: InterlockInput): boolean {
  // What was freed lately was given out then.
  const share = limits.share * (total + freedLately);
  return count > limits.never || count > Math.max(limits.always, share);
}

function holdOf(candidates: readonly Candidate[]): NonNullable<Ruling["held"]> {
  const addresses = candidates.map(heldAddressOf);
  return { id: heldReleaseId(addresses), addresses };
}

function addressKey({ ip, handle }: Pick<HeldAddress, "ip" | "handle">): string {
  return JSON.stringify([ip, handle ?? null]);
}
