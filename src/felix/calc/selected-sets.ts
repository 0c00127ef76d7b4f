import { namespaceLabel, namespaceLabelPrefix, serviceAccountLabelPrefix } from "../../api/label-names.ts";
import type { Selector } from "../../api/selector/selector.ts";
import { selectorMatchesBy } from "../../api/selector/selector-matches.ts";
import { type Anchor, anchorOf } from "./anchor.ts";
import { AnchoredSets } from "./anchored-sets.ts";
import type { SelectedAddresses, SelectedPorts } from "./compiled-policy.ts";
import { CountedSet } from "./counted-set.ts";
import { type Labelled, labelOf } from "./endpoint-labels.ts";
import { MultiMap } from "./multi-map.ts";
import type { OwnerTable } from "./owner-table.ts";
import type { SetId } from "./plan.ts";
import { membersOf, type SetMember } from "./set-members.ts";
import type { OwnerKey, SetOwner } from "./set-owner.ts";

/**
 * The sets whose members a selector selects. Whoever changes is judged by those sets alone whose anchor its labels
 * met or meet; a new set judges those alone that its anchor names.
 */
export class SelectedSets {
  readonly #owners: OwnerTable;
  readonly #changed: (id: SetId) => void;
  readonly #sets = new Map<SetId, SelectedSet>();
  readonly #anchored = new AnchoredSets<SelectedSet>();
  /** By the inherited labels that the selector asks about. */
  readonly #mentioning = new MultiMap<string, SelectedSet>();

  constructor(owners: OwnerTable, changed: (id: SetId) => void) {
    this.#owners = owners;
    this.#changed = changed;
  }

  /** The set comes into use; `before` is as for CountedSet. */
  start(source: SelectedAddresses | SelectedPorts, before: ReadonlySet<SetMember> | undefined): void {
    const owners = this.#owners;
    const selector = limited(source);
    const anchor = anchorOf(selector, (required) => owners.cost(required));
    const set: SelectedSet = { source, selector, anchor, members: new CountedSet(before) };
    this.#sets.set(source.id, set);
    this.#anchored.add(anchor, set);
    for (const label of inheritedLabels(selector)) this.#mentioning.add(label, set);
    if (anchor === undefined) for (const key of owners.keys()) this.#judge(set, this.#subject(key));
    for (const required of anchor ?? []) {
      for (const key of owners.candidates(required)) this.#judge(set, this.#subject(key));
    }
  }

  /** The set is used no more. */
  stop(id: SetId): void {
    const set = this.#sets.get(id);
    if (set === undefined) return;
    this.#sets.delete(id);
    this.#anchored.delete(set.anchor, set);
    for (const label of inheritedLabels(set.selector)) this.#mentioning.delete(label, set);
  }

  /** Undefined for a set that is not in use here. */
  members(id: SetId): ReadonlySet<SetMember> | undefined {
    return this.#sets.get(id)?.members.members();
  }

  /** It was `before` and is now as the owners have it, or what tells its addresses changed. */
  ownerChanged(key: OwnerKey, before: SetOwner | undefined): void {
    const subject = this.#subject(key);
    // Whatever holds it has an anchor that its labels met: what those inherit has been told of, and judged, on its own.
    const sets = new Set<SelectedSet>();
    for (const labelled of [before && this.#owners.labelled(before), subject.labelled]) {
      if (labelled === undefined) continue;
      for (const set of this.#anchored.candidates((label) => labelOf(labelled, label))) sets.add(set);
    }
    for (const set of sets) this.#judge(set, subject);
  }

  /** They came to be, or ceased to be, of those that can be selected, or inherit from others than before. */
  parentsChanged(keys: Iterable<OwnerKey>): void {
    for (const key of keys) {
      const subject = this.#subject(key);
      for (const set of this.#sets.values()) this.#judge(set, subject);
    }
  }

  /** They are as before but for these labels, which they inherit. */
  labelsChanged(keys: Iterable<OwnerKey>, labels: readonly string[]): void {
    const sets = new Set(labels.flatMap((label) => [...this.#mentioning.get(label)]));
    if (sets.size === 0) return;
    for (const key of keys) {
      const subject = this.#subject(key);
      for (const set of sets) this.#judge(set, subject);
    }
  }

  #subject(key: OwnerKey): Subject {
    const owner = this.#owners.get(key);
    return { key, owner, labelled: owner && this.#owners.labelled(owner) };
  }

  #judge(set: SelectedSet, { key, owner, labelled }: Subject): void {
    const matches = labelled !== undefined && selectorMatchesBy(set.selector, (label) => labelOf(labelled, label));
    const members = matches && owner !== undefined ? membersOf(set.source, owner) : [];
    if (set.members.bring(key, members)) this.#changed(set.source.id);
  }
}

// --- internal ---

interface SelectedSet {
  readonly source: SelectedAddresses | SelectedPorts;
  /** The source's, limited to its namespace. */
  readonly selector: Selector;
  readonly anchor: Anchor | undefined;
  readonly members: CountedSet<OwnerKey, SetMember>;
}

/** One that is judged, perhaps by several sets. */
interface Subject {
  readonly key: OwnerKey;
  readonly owner: SetOwner | undefined;
  readonly labelled: Labelled | undefined;
}

function limited({ selector, namespace }: SelectedAddresses | SelectedPorts): Selector {
  if (namespace === undefined) return selector;
  return { kind: "&&", operands: [{ kind: "==", label: namespaceLabel, value: namespace }, selector] };
}

/** Each once. */
function inheritedLabels(selector: Selector): ReadonlySet<string> {
  return new Set(
    labelsIn(selector).filter(
      (label) => label.startsWith(namespaceLabelPrefix) || label.startsWith(serviceAccountLabelPrefix),
    ),
  );
}

function labelsIn(selector: Selector): readonly string[] {
  switch (selector.kind) {
    case "all":
    case "global":
      return [];
    case "not":
      return labelsIn(selector.operand);
    case "&&":
    case "||":
      return selector.operands.flatMap(labelsIn);
    default:
      return [selector.label];
  }
}
