import { conjunction } from "./conjunction.ts";
import { formatSelector } from "./format-selector.ts";
import type { Selector } from "./selector.ts";

/**
 * What any of `operands` selects; nothing when there are none. What all of them ask for is asked for once, so that it shows
 * in which namespace all of it is, and by what it can be looked up.
 */
export function disjunction(operands: readonly Selector[]): Selector {
  const asked = operands.map((operand) => new Map(conjuncts(operand).map((one) => [formatSelector(one), one])));
  const [first = new Map<string, Selector>(), ...others] = asked;
  const common = new Map([...first].filter(([text]) => others.every((one) => one.has(text))));
  const rests = asked.map((one) => [...one].flatMap(([text, selector]) => (common.has(text) ? [] : [selector])));
  return conjunction([...common.values(), { kind: "||", operands: rests.map(conjunction) }]);
}

// --- internal ---

/** Selectors that must all hold, for `selector` to. */
function conjuncts(selector: Selector): readonly Selector[] {
  if (selector.kind === "all") return [];
  return selector.kind === "&&" ? selector.operands.flatMap(conjuncts) : [selector];
}
