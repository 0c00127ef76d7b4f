import type { Labels } from "../objects.ts";
import type { Comparison, Membership, Selector } from "./selector.ts";

/** Whether `labels` satisfy `selector`. A label that is absent satisfies `!=`, `not in` and `!has`, and no other test. */
export function selectorMatches(selector: Selector, labels: Labels): boolean {
  return selectorMatchesBy(selector, (label) => (Object.hasOwn(labels, label) ? labels[label] : undefined));
}

/** The same for labels that are looked up one by one; `labelOf` answers undefined for one that is absent. */
export function selectorMatchesBy(selector: Selector, labelOf: (label: string) => string | undefined): boolean {
  switch (selector.kind) {
    case "all":
    case "global":
      return true;
    case "has":
      return labelOf(selector.label) !== undefined;
    case "not":
      return !selectorMatchesBy(selector.operand, labelOf);
    case "&&":
      for (const operand of selector.operands) if (!selectorMatchesBy(operand, labelOf)) return false;
      return true;
    case "||":
      for (const operand of selector.operands) if (selectorMatchesBy(operand, labelOf)) return true;
      return false;
    case "in":
    case "not in":
      return memberMatches(selector.kind, labelOf(selector.label), selector.values);
    default:
      return comparisonMatches(selector.kind, labelOf(selector.label), selector.value);
  }
}

// --- internal ---

function memberMatches(kind: Membership, actual: string | undefined, values: readonly string[]): boolean {
  const listed = actual !== undefined && isAmong(actual, values);
  return kind === "in" ? listed : !listed;
}

/** As many as are looked through; of more the API server takes hundreds of thousands. */
const fewValues = 16;
const lookups = new WeakMap<readonly string[], ReadonlySet<string>>();

function isAmong(actual: string, values: readonly string[]): boolean {
  if (values.length <= fewValues) return values.includes(actual);
  let lookup = lookups.get(values);
  if (lookup === undefined) {
    lookup = new Set(values);
    lookups.set(values, lookup);
  }
  return lookup.has(actual);
}

function comparisonMatches(kind: Comparison, actual: string | undefined, value: string): boolean {
  switch (kind) {
    case "==":
      return actual === value;
    case "!=":
      return actual !== value;
    case "contains":
      return actual?.includes(value) ?? false;
    case "starts with":
      return actual?.startsWith(value) ?? false;
    case "ends with":
      return actual?.endsWith(value) ?? false;
  }
}
