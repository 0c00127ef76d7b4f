import { mapTerms } from "./map-terms.ts";
import type { Selector } from "./selector.ts";

/** `selector` over labels that stand under another name: `prefix` comes before each label. */
export function prefixLabels(selector: Selector, prefix: string): Selector {
  return mapTerms(selector, (term) => ("label" in term ? { ...term, label: prefix + term.label } : term));
}
