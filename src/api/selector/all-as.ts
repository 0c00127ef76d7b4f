import { mapTerms } from "./map-terms.ts";
import type { Selector } from "./selector.ts";

/** `selector` with `has(label)` in place of each `all()`. */
export function allAs(label: string, selector: Selector): Selector {
  return mapTerms(selector, (term) => (term.kind === "all" ? { kind: "has", label } : term));
}
