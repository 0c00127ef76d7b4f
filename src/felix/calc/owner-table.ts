import type { Labelled } from "../../api/endpoint-labels.ts";
import {
  inheritedName,
  namespaceLabel,
  namespaceLabelPrefix,
  orchestratorLabel,
  serviceAccountLabel,
  serviceAccountLabelPrefix,
} from "../../api/label-names.ts";
import { splitName } from "../../api/names.ts";
import { LabelIndex, type LabelRequirement } from "./label-index.ts";
import { MultiMap } from "./multi-map.ts";
import type { ParentTable } from "./parent-table.ts";
import { inheritsFrom, labelledOwner, namespaceOf, type OwnerKey, ownLabelsOf, type SetOwner } from "./set-owner.ts";

/** One of the owners, by whichever label it was found; it is the same object as long as the owner is there. */
export interface KnownOwner {
  readonly key: OwnerKey;
  /** As it is now; undefined once it is gone. */
  readonly owner: SetOwner | undefined;
}

/** Everything that sets could hold, and who of it may have a label. */
export class OwnerTable {
  readonly #parents: ParentTable;
  readonly #owners = new Map<OwnerKey, Entry>();
  readonly #own = new LabelIndex<Entry>();
  /** Those that are in the namespace. */
  readonly #inside = new MultiMap<string, Entry>();
  /** Host endpoints, which are in no namespace, by those whose labels they have. */
  readonly #heirs = new MultiMap<string, Entry>();
  readonly #byAccountName = new MultiMap<string, Entry>();

  constructor(parents: ParentTable) {
    this.#parents = parents;
  }

  /** Answers what stands for it, with what it was before. Undefined: it was not there, and is not. */
  set(
    key: OwnerKey,
    owner: SetOwner | undefined,
  ): { readonly known: KnownOwner; readonly before: SetOwner | undefined } | undefined {
    const entry = this.#owners.get(key) ?? { key, owner: undefined };
    const before = entry.owner;
    if (before === undefined && owner === undefined) return undefined;
    if (before === undefined) this.#owners.set(key, entry);
    if (owner === undefined) this.#owners.delete(key);
    entry.owner = owner;
    this.#own.replace(entry, before && ownLabelsOf(before), owner && ownLabelsOf(owner));
    // Most changes of a pod are changes of its status.
    const isAsListed =
      before?.kind === "pod" && owner?.kind === "pod" && before.object.serviceAccount === owner.object.serviceAccount;
    if (before !== undefined && !isAsListed) this.#unlist(entry, before);
    if (owner !== undefined && !isAsListed) this.#list(entry, owner);
    return { known: entry, before };
  }

  /** The owner to selectors; undefined when it cannot be selected (yet). */
  labelled(owner: SetOwner): Labelled | undefined {
    return labelledOwner(owner, this.#parents);
  }

  all(): Iterable<KnownOwner> {
    return this.#owners.values();
  }

  /** Those that have the labels of the namespace. */
  *heirsOf(namespace: string): Iterable<KnownOwner> {
    yield* this.#inside.get(namespace);
    yield* this.#heirs.get(namespace);
  }

  /** The pods that are in the namespace and have a service account of the name. */
  *withAccount(namespace: string, name: string): Iterable<KnownOwner> {
    for (const entry of this.#inside.get(namespace)) {
      if (entry.owner?.kind === "pod" && entry.owner.object.serviceAccount === name) yield entry;
    }
  }

  /** Everyone who has what is required, some more, and some twice: who is named is still to be judged. */
  candidates({ label, values }: LabelRequirement): Iterable<KnownOwner> {
    if (label.startsWith(namespaceLabelPrefix)) {
      return this.#heirsOfAll(this.#namespaces({ label: label.slice(namespaceLabelPrefix.length), values }));
    }
    if (label.startsWith(serviceAccountLabelPrefix)) {
      return this.#ofAccounts({ label: label.slice(serviceAccountLabelPrefix.length), values });
    }
    switch (label) {
      case namespaceLabel:
        return values === undefined ? this.all() : valuesOf(this.#inside, values);
      case orchestratorLabel:
        return this.all();
      case serviceAccountLabel:
        return values === undefined ? this.all() : valuesOf(this.#byAccountName, values);
      default:
        return this.#own.with({ label, values });
    }
  }

  /** About how many those are; quick for any. */
  cost({ label, values }: LabelRequirement): number {
    const all = this.#owners.size;
    const perNamespace = all / Math.max(1, this.#parents.namespaceCount);
    if (label.startsWith(namespaceLabelPrefix)) {
      const required = { label: label.slice(namespaceLabelPrefix.length), values };
      if (required.label === inheritedName) return values === undefined ? all : countAll(this.#inside, values);
      return this.#parents.countNamespacesWith(required) * perNamespace;
    }
    if (label.startsWith(serviceAccountLabelPrefix)) {
      const required = { label: label.slice(serviceAccountLabelPrefix.length), values };
      if (required.label === inheritedName) return values === undefined ? all : countAll(this.#byAccountName, values);
      return this.#parents.countServiceAccountsWith(required) * perNamespace;
    }
    switch (label) {
      case namespaceLabel:
        return values === undefined ? all : countAll(this.#inside, values);
      case orchestratorLabel:
        return all;
      case serviceAccountLabel:
        return values === undefined ? all : countAll(this.#byAccountName, values);
      default:
        return this.#own.count({ label, values });
    }
  }

  #namespaces(required: LabelRequirement): Iterable<string> | undefined {
    return required.label === inheritedName ? required.values : this.#parents.namespacesWith(required);
  }

  /** Undefined: of every namespace. */
  *#heirsOfAll(namespaces: Iterable<string> | undefined): Iterable<KnownOwner> {
    if (namespaces === undefined) yield* this.all();
    for (const namespace of namespaces ?? []) {
      yield* this.#inside.get(namespace);
      yield* this.#heirs.get(namespace);
    }
  }

  *#ofAccounts(required: LabelRequirement): Iterable<KnownOwner> {
    if (required.label === inheritedName) {
      yield* required.values === undefined ? this.all() : valuesOf(this.#byAccountName, required.values);
      return;
    }
    for (const account of this.#parents.serviceAccountsWith(required)) yield* this.withAccount(...splitName(account));
  }

  #list(entry: Entry, owner: SetOwner): void {
    const namespace = namespaceOf(owner);
    if (namespace !== undefined) this.#inside.add(namespace, entry);
    else for (const inherited of inheritsFrom(owner)) this.#heirs.add(inherited, entry);
    if (owner.kind === "pod") this.#byAccountName.add(owner.object.serviceAccount, entry);
  }

  #unlist(entry: Entry, owner: SetOwner): void {
    const namespace = namespaceOf(owner);
    if (namespace !== undefined) this.#inside.delete(namespace, entry);
    else for (const inherited of inheritsFrom(owner)) this.#heirs.delete(inherited, entry);
    if (owner.kind === "pod") this.#byAccountName.delete(owner.object.serviceAccount, entry);
  }
}

// --- internal ---

interface Entry extends KnownOwner {
  owner: SetOwner | undefined;
}

function* valuesOf(map: MultiMap<string, Entry>, values: readonly string[]): Iterable<KnownOwner> {
  for (const value of values) yield* map.get(value);
}

function countAll(map: MultiMap<string, Entry>, values: readonly string[]): number {
  return values.reduce((sum, value) => sum + map.count(value), 0);
}
