import { namespaceLabel } from "../../../api/label-names.ts";
import type { NamespacedName } from "../../../api/names.ts";
import { conjunction } from "../../../api/selector/conjunction.ts";
import { formatSelector } from "../../../api/selector/format-selector.ts";
import type { Selector } from "../../../api/selector/selector.ts";
import type { SelectedAddresses, SelectedPorts, ServiceMembers, SetSource } from "../compiled-policy.ts";
import type { SetId } from "../plan.ts";
import { portSetId, selectorSetId, serviceSetId } from "../set-id.ts";

/** Notes that a rule names the set, and returns its name. */
export type UseSet = (source: SetSource) => SetId;

/** `sets`: those that were used, by name. */
export function collectSets(): { readonly sets: ReadonlyMap<SetId, SetSource>; readonly use: UseSet } {
  const sets = new Map<SetId, SetSource>();
  return { sets, use: (source) => sets.set(source.id, source) && source.id };
}

/** What `selector` selects. Selectors of one canonical text are one set; for one selector it is the same object. */
export function selectedAddresses(selector: Selector): SelectedAddresses {
  let selected = selections.get(selector);
  if (selected === undefined) {
    const id = selectorSetId(formatSelector(selector));
    selected = { kind: "addresses", id, selector, namespace: requiredNamespace(selector) };
    selections.set(selector, selected);
  }
  return selected;
}

/** What both select. */
export function selectedByBoth(a: SelectedAddresses | undefined, b: Selector | undefined): SelectedAddresses {
  return a !== undefined && b === undefined ? a : selectedAddresses(conjunction([a?.selector, b]));
}

/** The ports called `portName` of what `selected` selects; without a protocol, of all protocols. */
export function selectedPorts(
  selected: SelectedAddresses,
  portName: string,
  protocol: number | undefined,
): SelectedPorts {
  const { selector, namespace } = selected;
  return { kind: "ports", id: portSetId(selected.id, portName, protocol), selector, namespace, portName, protocol };
}

/** The endpoints of a Service, with their ports or without. */
export function serviceMembers(kind: ServiceMembers["kind"], service: NamespacedName): ServiceMembers {
  return { kind, id: serviceSetId(kind, service), service };
}

// --- internal ---

/** A policy's own selector is asked about by each of its rules with a named port, and its text can be long. */
const selections = new WeakMap<Selector, SelectedAddresses>();

/** The namespace that all that `selector` matches is in, if it says so outright. */
function requiredNamespace(selector: Selector): string | undefined {
  if (selector.kind === "==") return selector.label === namespaceLabel ? selector.value : undefined;
  if (selector.kind !== "&&") return undefined;
  for (const operand of selector.operands) {
    const namespace = requiredNamespace(operand);
    if (namespace !== undefined) return namespace;
  }
  return undefined;
}
