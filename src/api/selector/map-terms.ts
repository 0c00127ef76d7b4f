import type { Junction, Selector } from "./selector.ts";

/** A selector that is made of no other. */
export type Term = Exclude<Selector, { readonly kind: "not" | Junction }>;

/** `selector` with `replace(term)` in place of each of its terms, at every depth. */
export function mapTerms(selector: Selector, replace: (term: Term) => Selector): Selector {
  switch (selector.kind) {
    case "not":
      return { kind: "not", operand: mapTerms(selector.operand, replace) };
    case "&&":
    case "||":
      return { kind: selector.kind, operands: selector.operands.map((operand) => mapTerms(operand, replace)) };
    default:
      return replace(selector);
  }
}
