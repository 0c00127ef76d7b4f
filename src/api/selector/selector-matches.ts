import type { Labels } from "../objects.ts";
import type { Comparison, Membership, Selector } from "./selector.ts";

/** Whether `labels` satisfy `selector`. A label that is absent satisfies `!=`, `not in` and `!has`, and no other test. */
export function selectorMatches(selector: Selector, labels: Labels): boolean {
  switch (selector.kind) {
    case "all":
    case "global":
      return true;
    case "has":
      return Object.hasOwn(labels, selector.label);
    case "not":
      return !selectorMatches(selector.operand, labels);
    case "&&":
      return selector.operands.every((operand) => selectorMatches(operand, labels));
    case "||":
      return selector.operands.some((operand) => selectorMatches(operand, labels));
    case "in":
    case "not in":
      return memberMatches(selector.kind, labelValue(labels, selector.label), selector.values);
    default:
      return comparisonMatches(selector.kind, labelValue(labels, selector.label), selector.value);
  }
}

// --- internal ---

function memberMatches(kind: Membership, actual: string | undefined, values: readonly string[]): boolean {
  const listed = actual !== undefined && values.includes(actual);
  return kind === "in" ? listed : !listed;
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

/** Own properties only: a label may be called `constructor`. */
function labelValue(labels: Labels, label: string): string | undefined {
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}
