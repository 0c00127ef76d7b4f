import type { Match, Rule } from "./desired-state.ts";

/** Packet mark bits, one bit each, that no other software on the node uses. */
export interface Marks {
  /** Policy has allowed the packet. */
  readonly accept: number;
  /** A rule has passed the packet on to the next tier. */
  readonly pass: number;
  /** Within one rule: every block of alternatives so far has matched. */
  readonly allBlocks: number;
  /** Within one rule: the present block has matched. */
  readonly thisBlock: number;
}

/**
 * The bits that we use of those that are ours, the lowest first, in upstream's order; its third one, for dropped packets, is
 * left free. Throws when `mask` has fewer than 8 bits in 32, which upstream refuses too.
 */
export function marksFromMask(mask: number): Marks {
  const bits = Array.from({ length: 32 }, (_, index) => 2 ** index).filter((bit) => Math.floor(mask / bit) % 2 === 1);
  const [accept, pass, , allBlocks, thisBlock] = bits;
  const fits = Number.isInteger(mask) && mask > 0 && mask < 2 ** 32 && bits.length >= 8;
  if (!fits || accept === undefined || pass === undefined || allBlocks === undefined || thisBlock === undefined) {
    throw new Error(
      `Cannot take packet marks from the mask ${mask}: it must have at least 8 bits, of 32, that are set`,
    );
  }
  return { accept, pass, allBlocks, thisBlock };
}

/** Every bit that we write. */
export function allMarks({ accept, pass, allBlocks, thisBlock }: Marks): number {
  return accept | pass | allBlocks | thisBlock;
}

/** Holds when the bit is set. */
export function markSet(bit: number): Match {
  return { kind: "mark", value: bit, mask: bit, negated: false };
}

/** Holds when none of the bits is set. */
export function markClear(bits: number): Match {
  return { kind: "mark", value: 0, mask: bits, negated: false };
}

/** Holds when some of the bits is set. */
export function anyMarkSet(bits: number): Match {
  return { kind: "mark", value: 0, mask: bits, negated: true };
}

/** The rule that writes `value` to the bits of `mask`. */
export function setMark(matches: readonly Match[], value: number, mask: number): Rule {
  return { matches, action: { kind: "set-mark", value, mask } };
}
