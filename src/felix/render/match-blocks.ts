/** What iptables cannot say in one rule is worked out beforehand in mark bits. */
import type { Match, Rule } from "./desired-state.ts";
import { type Marks, markClear, setMark } from "./marks.ts";

/** One part of what a rule matches: some matches in the rule itself, or a block before it. `never`: no packet can match. */
export type Condition = { readonly matches: readonly Match[] } | Block | "never";

/** `any`: one of the alternatives must hold; otherwise none of them may. */
export interface Block {
  readonly alternatives: readonly (readonly Match[])[];
  readonly any: boolean;
}

/** The rules that leave the `allBlocks` bit set when every block holds. There is at least one. */
export function prepareBlocks(blocks: readonly Block[], { allBlocks, thisBlock }: Marks): readonly Rule[] {
  // The first one of alternatives writes its result where it belongs; so it stands before those that only take away.
  const [first, ...others] = blocks.toSorted((a, b) => Number(b.any) - Number(a.any));
  const rules: Rule[] = [setMark([], first?.any === false ? allBlocks : 0, allBlocks | thisBlock)];
  const isFirst = (block: Block) => block === first;
  for (const block of first === undefined ? [] : [first, ...others]) {
    const { any, alternatives } = block;
    if (!any) {
      for (const matches of alternatives) rules.push(setMark(matches, 0, allBlocks));
    } else if (isFirst(block)) {
      for (const matches of alternatives) rules.push(setMark(matches, allBlocks, allBlocks));
    } else {
      rules.push(setMark([], 0, thisBlock));
      for (const matches of alternatives) rules.push(setMark(matches, thisBlock, thisBlock));
      rules.push(setMark([markClear(thisBlock)], 0, allBlocks));
    }
  }
  return rules;
}
