import { type Labelled, labelOf } from "../../api/endpoint-labels.ts";
import { namespaceLabel, namespaceLabelPrefix, serviceAccountLabelPrefix } from "../../api/label-names.ts";
import type { Selector } from "../../api/selector/selector.ts";
import { selectorMatchesBy } from "../../api/selector/selector-matches.ts";
import { type Anchor, anchorOf } from "./anchor.ts";
import { AnchoredSets } from "./anchored-sets.ts";
import type { SelectedAddresses, SelectedPorts } from "./compiled-policy.ts";
import { CountedSet } from "./counted-set.ts";
import { MultiMap } from "./multi-map.ts";
import type { KnownOwner, OwnerTable } from "./owner-table.ts";
import type { SetId } from "./plan.ts";
import { membersOf, type SetMember } from "./set-members.ts";
import type { SetOwner } from "./set-owner.ts";

/**
 * The sets whose members a selector selects. Whoever changes is judged by those sets alone whose anchor its labels
 * met or meet; a new set judges those alone that its anchor names.
 */
export class SelectedSets {
  readonly #owners: OwnerTable;
  readonly #changed: (id: SetId) => void;
  readonly #sets = new Map<SetId, SelectedSet>();
  readonly #selections = new Map<Selector, Selection>();
  readonly #anchored = new AnchoredSets<Selection>();
  /** By the inherited labels that the selector asks about. */
  readonly #mentioning = new MultiMap<string, Selection>();

  constructor(owners: OwnerTable, changed: (id: SetId) => void) {
    this.#owners = owners;
    this.#changed = changed;
  }

  /** The set comes into use; `before` is as for CountedSet. */
  start(source: SelectedAddresses | SelectedPorts, before: ReadonlySet<SetMember> | undefined): void {
    const owners = this.#owners;
    const selection = this.#selectionOf(source);
    const set: SelectedSet = { source, selection, members: new CountedSet(before) };
    this.#sets.set(source.id, set);
    selection.sets.add(set);
    const { anchor } = selection;
    if (anchor === undefined) this.#fill(set, owners.all());
    for (const required of anchor ?? []) this.#fill(set, owners.candidates(required));
  }

  /** The set is used no more. */
  stop(id: SetId): void {
    const set = this.#sets.get(id);
    if (set === undefined) return;
    this.#sets.delete(id);
    const { selection } = set;
    selection.sets.delete(set);
    if (selection.sets.size > 0) return;
    if (this.#selections.get(set.source.selector) === selection) this.#selections.delete(set.source.selector);
    this.#anchored.delete(selection.anchor, selection);
    for (const label of inheritedLabels(selection.selector)) this.#mentioning.delete(label, selection);
  }

  /** Undefined for a set that is not in use here. */
  members(id: SetId): ReadonlySet<SetMember> | undefined {
    return this.#sets.get(id)?.members.members();
  }

  /** It was `before` and is now as it says, or what tells its addresses changed. */
  ownerChanged(known: KnownOwner, before: SetOwner | undefined): void {
    const labelled = this.#labelled(known);
    // Whatever holds it has an anchor that its labels met: what those inherit has been told of, and judged, on its own.
    const selections = new Set<Selection>();
    for (const one of [before && this.#owners.labelled(before), labelled]) {
      if (one === undefined) continue;
      for (const selection of this.#anchored.candidates((label) => labelOf(one, label))) selections.add(selection);
    }
    for (const selection of selections) this.#judge(selection, known, labelled);
  }

  /** They came to be, or ceased to be, of those that can be selected, or inherit from others than before. */
  parentsChanged(owners: Iterable<KnownOwner>): void {
    const selections = new Set([...this.#sets.values()].map(({ selection }) => selection));
    for (const known of owners) {
      const labelled = this.#labelled(known);
      for (const selection of selections) this.#judge(selection, known, labelled);
    }
  }

  /** They are as before but for these labels, which they inherit. */
  labelsChanged(owners: Iterable<KnownOwner>, labels: readonly string[]): void {
    const selections = new Set(labels.flatMap((label) => [...this.#mentioning.get(label)]));
    if (selections.size === 0) return;
    for (const known of owners) {
      const labelled = this.#labelled(known);
      for (const selection of selections) this.#judge(selection, known, labelled);
    }
  }

  #labelled({ owner }: KnownOwner): Labelled | undefined {
    return owner && this.#owners.labelled(owner);
  }

  #selectionOf(source: SelectedAddresses | SelectedPorts): Selection {
    const known = this.#selections.get(source.selector);
    if (known !== undefined && known.namespace === source.namespace) return known;
    const selector = limited(source);
    const anchor = anchorOf(selector, (required) => this.#owners.cost(required));
    const selection: Selection = { namespace: source.namespace, selector, anchor, sets: new Set() };
    this.#selections.set(source.selector, selection);
    this.#anchored.add(anchor, selection);
    for (const label of inheritedLabels(selector)) this.#mentioning.add(label, selection);
    return selection;
  }

  /** The set is new: whoever of these it selects brings it its members. Most of what a change costs is spent here. */
  #fill({ source, selection: { selector }, members }: SelectedSet, candidates: Iterable<KnownOwner>): void {
    let labelled: Labelled | undefined;
    const lookUp = (label: string) => labelled && labelOf(labelled, label);
    for (const known of candidates) {
      labelled = this.#labelled(known);
      if (labelled === undefined || known.owner === undefined) continue;
      if (selectorMatchesBy(selector, lookUp)) members.bring(known, membersOf(source, known.owner));
    }
  }

  #judge({ selector, sets }: Judged, known: KnownOwner, labelled: Labelled | undefined): void {
    const { owner } = known;
    const matches = labelled !== undefined && selectorMatchesBy(selector, (label) => labelOf(labelled, label));
    for (const { source, members } of sets) {
      const brought = matches && owner !== undefined ? membersOf(source, owner) : [];
      if (members.bring(known, brought)) this.#changed(source.id);
    }
  }
}

// --- internal ---

interface SelectedSet {
  readonly source: SelectedAddresses | SelectedPorts;
  readonly selection: Selection;
  readonly members: CountedSet<KnownOwner, SetMember>;
}

interface Judged {
  /** The source's, limited to its namespace. */
  readonly selector: Selector;
  readonly sets: Iterable<SelectedSet>;
}

/** Sets of one selector, such as those of many named ports, which are judged as one. */
interface Selection extends Judged {
  readonly namespace: string | undefined;
  readonly anchor: Anchor | undefined;
  readonly sets: Set<SelectedSet>;
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
