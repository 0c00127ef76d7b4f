/** What a selector says, as a tree. Build one with `parseSelector` or `selectorOfLabelSelector`. */
export type Selector =
  | { readonly kind: "all" }
  /** Meant for `namespaceSelector`, where it stands for "no namespace"; over labels it selects everything, as upstream's does. */
  | { readonly kind: "global" }
  | { readonly kind: "has"; readonly label: string }
  | { readonly kind: Comparison; readonly label: string; readonly value: string }
  | { readonly kind: Membership; readonly label: string; readonly values: readonly string[] }
  | { readonly kind: "not"; readonly operand: Selector }
  | { readonly kind: Junction; readonly operands: readonly Selector[] };

/** How a label's value is compared with one text. */
export type Comparison = "==" | "!=" | "contains" | "starts with" | "ends with";
/** How a label's value is compared with a set. */
export type Membership = "in" | "not in";
/** How selectors are joined. */
export type Junction = "&&" | "||";
