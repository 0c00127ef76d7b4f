import type { Selector } from "../../api/selector/selector.ts";
import type { LabelRequirement } from "./label-index.ts";

/** Whatever the selector matches has what one of these asks for. */
export type Anchor = readonly LabelRequirement[];

/**
 * Of the things that `selector` asks for, those that fewest have, by `cost`; undefined when it asks for none that could
 * be looked up. It can match more than that, never something else.
 */
export function anchorOf(selector: Selector, cost: (required: LabelRequirement) => number): Anchor | undefined {
  return priced(selector, cost)?.anchor;
}

// --- internal ---

interface Priced {
  readonly anchor: Anchor;
  readonly cost: number;
}

function priced(selector: Selector, cost: (required: LabelRequirement) => number): Priced | undefined {
  switch (selector.kind) {
    case "all":
    case "global":
    case "not":
    case "!=":
    case "not in":
      return undefined;
    case "==":
      return single({ label: selector.label, values: [selector.value] }, cost);
    case "in":
      return single({ label: selector.label, values: selector.values }, cost);
    case "has":
    case "contains":
    case "starts with":
    case "ends with":
      return single({ label: selector.label, values: undefined }, cost);
    case "&&":
      return cheapest(selector.operands.map((operand) => priced(operand, cost)));
    case "||":
      return united(selector.operands.map((operand) => priced(operand, cost)));
  }
}

function single(required: LabelRequirement, cost: (required: LabelRequirement) => number): Priced {
  return { anchor: [required], cost: cost(required) };
}

function cheapest(all: readonly (Priced | undefined)[]): Priced | undefined {
  let best: Priced | undefined;
  for (const one of all) if (one !== undefined && (best === undefined || one.cost < best.cost)) best = one;
  return best;
}

/** One operand without an anchor leaves the whole without. */
function united(all: readonly (Priced | undefined)[]): Priced | undefined {
  const known = all.filter((one) => one !== undefined);
  if (known.length < all.length) return undefined;
  return { anchor: known.flatMap(({ anchor }) => anchor), cost: known.reduce((sum, { cost }) => sum + cost, 0) };
}
