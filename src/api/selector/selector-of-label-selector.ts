import type { LabelRequirement, LabelSelector } from "../objects.ts";
import type { Selector } from "./selector.ts";

/**
 * The selector that means what `labelSelector` means; an empty one selects everything. `prefix` is put before each
 * label, for labels that stand under another name, as a namespace's do.
 */
export function selectorOfLabelSelector(labelSelector: LabelSelector, prefix = ""): Selector {
  const equal = Object.entries(labelSelector.matchLabels).map(
    ([label, value]): Selector => ({ kind: "==", label: prefix + label, value }),
  );
  const required = labelSelector.matchExpressions.map((requirement) => selectorOfRequirement(requirement, prefix));
  const operands = [...equal, ...required];
  const [first = { kind: "all" } as const, ...rest] = operands;
  return rest.length === 0 ? first : { kind: "&&", operands };
}

// --- internal ---

function selectorOfRequirement({ key, operator, values }: LabelRequirement, prefix: string): Selector {
  const label = prefix + key;
  switch (operator) {
    case "In":
      return { kind: "in", label, values };
    case "NotIn":
      return { kind: "not in", label, values };
    case "Exists":
      return { kind: "has", label };
    case "DoesNotExist":
      return { kind: "not", operand: { kind: "has", label } };
  }
}
