/** Which labels a selector selects: Calico's selector language and Kubernetes' label selectors, evaluated as documented. */
import type { LabelRequirement, LabelSelector, Labels } from "../../src/api/objects.ts";
import { parseSelector } from "../../src/api/selector/parse-selector.ts";
import type { Selector } from "../../src/api/selector/selector.ts";

/** Calico's selector language; `all()` and `global()` hold for everything unless `meanings` says otherwise. */
export function selects(selector: string | Selector, labels: Labels, meanings: Meanings = {}): boolean {
  return holds(typeof selector === "string" ? parseSelector(selector) : selector, labels, meanings);
}

/** metav1.LabelSelector: every requirement must hold, and an empty one selects everything. */
export function labelSelectorSelects({ matchLabels, matchExpressions }: LabelSelector, labels: Labels): boolean {
  const equal = Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
  return equal && matchExpressions.every((requirement) => requirementHolds(requirement, labels[requirement.key]));
}

// --- internal ---

/** What `all()` and `global()` stand for. */
interface Meanings {
  readonly all?: boolean;
  readonly global?: boolean;
}

function requirementHolds({ operator, values }: LabelRequirement, value: string | undefined): boolean {
  switch (operator) {
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
  }
}

function holds(selector: Selector, labels: Labels, meanings: Meanings): boolean {
  const value = "label" in selector ? labels[selector.label] : undefined;
  switch (selector.kind) {
    case "all":
      return meanings.all ?? true;
    case "global":
      return meanings.global ?? true;
    case "not":
      return !holds(selector.operand, labels, meanings);
    case "&&":
      return !selector.operands.some((operand) => !holds(operand, labels, meanings));
    case "||":
      return selector.operands.some((operand) => holds(operand, labels, meanings));
    case "has":
      return value !== undefined;
    case "==":
      return value === selector.value;
    case "!=":
      return value !== selector.value;
    case "in":
      return value !== undefined && selector.values.includes(value);
    case "not in":
      return value === undefined || !selector.values.includes(value);
    case "contains":
      return value !== undefined && value.indexOf(selector.value) >= 0;
    case "starts with":
      return value !== undefined && value.slice(0, selector.value.length) === selector.value;
    case "ends with":
      return value?.endsWith(selector.value) ?? false;
  }
}
