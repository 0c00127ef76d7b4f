import {
  inheritedName,
  namespaceLabel,
  namespaceLabelPrefix,
  orchestratorLabel,
  serviceAccountLabel,
  serviceAccountLabelPrefix,
} from "../../api/label-names.ts";
import { splitName } from "../../api/names.ts";
import type { Labelled } from "./endpoint-labels.ts";
import { LabelIndex, type LabelRequirement } from "./label-index.ts";
import { MultiMap } from "./multi-map.ts";
import type { ParentTable } from "./parent-table.ts";
import { inheritsFrom, labelledOwner, namespaceOf, type OwnerKey, ownLabelsOf, type SetOwner } from "./set-owner.ts";

/** Everything that sets could hold, and who of it may have a label. */
export class OwnerTable {
  readonly #parents: ParentTable;
  readonly #owners = new Map<OwnerKey, SetOwner>();
  readonly #own = new LabelIndex<OwnerKey>();
  /** Those that are in the namespace. */
  readonly #inside = new MultiMap<string, OwnerKey>();
  /** Host endpoints, which are in no namespace, by those whose labels they have. */
  readonly #heirs = new MultiMap<string, OwnerKey>();
  readonly #byAccountName = new MultiMap<string, OwnerKey>();

  constructor(parents: ParentTable) {
    this.#parents = parents;
  }

  set(key: OwnerKey, owner: SetOwner | undefined): void {
    const before = this.#owners.get(key);
    if (owner === undefined) this.#owners.delete(key);
    else this.#owners.set(key, owner);
    this.#own.replace(key, before && ownLabelsOf(before), owner && ownLabelsOf(owner));
    // Most changes of a pod are changes of its status.
    if (before?.kind === "pod" && owner?.kind === "pod") {
      if (before.object.serviceAccount === owner.object.serviceAccount) return;
    }
    if (before !== undefined) this.#unlist(key, before);
    if (owner !== undefined) this.#list(key, owner);
  }

  get(key: OwnerKey): SetOwner | undefined {
    return this.#owners.get(key);
  }

  /** The owner to selectors; undefined when it cannot be selected (yet). */
  labelled(owner: SetOwner): Labelled | undefined {
    return labelledOwner(owner, this.#parents);
  }

  /** Everyone. */
  keys(): Iterable<OwnerKey> {
    return this.#owners.keys();
  }

  /** Those that have the labels of the namespace. */
  *heirsOf(namespace: string): Iterable<OwnerKey> {
    yield* this.#inside.get(namespace);
    yield* this.#heirs.get(namespace);
  }

  /** The pods that are in the namespace and have a service account of the name. */
  *withAccount(namespace: string, name: string): Iterable<OwnerKey> {
    for (const key of this.#inside.get(namespace)) {
      const owner = this.#owners.get(key);
      if (owner?.kind === "pod" && owner.object.serviceAccount === name) yield key;
    }
  }

  /** Everyone who has what is required, some more, and some twice: who is named is still to be judged. */
  candidates({ label, values }: LabelRequirement): Iterable<OwnerKey> {
    if (label.startsWith(namespaceLabelPrefix)) {
      return this.#heirsOfAll(this.#namespaces({ label: label.slice(namespaceLabelPrefix.length), values }));
    }
    if (label.startsWith(serviceAccountLabelPrefix)) {
      return this.#ofAccounts({ label: label.slice(serviceAccountLabelPrefix.length), values });
    }
    switch (label) {
      case namespaceLabel:
        return values === undefined ? this.keys() : valuesOf(this.#inside, values);
      case orchestratorLabel:
        return this.keys();
      case serviceAccountLabel:
        return values === undefined ? this.keys() : valuesOf(this.#byAccountName, values);
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
  *#heirsOfAll(namespaces: Iterable<string> | undefined): Iterable<OwnerKey> {
    if (namespaces === undefined) yield* this.keys();
    for (const namespace of namespaces ?? []) yield* this.heirsOf(namespace);
  }

  *#ofAccounts(required: LabelRequirement): Iterable<OwnerKey> {
    if (required.label === inheritedName) {
      yield* required.values === undefined ? this.keys() : valuesOf(this.#byAccountName, required.values);
      return;
    }
    for (const account of this.#parents.serviceAccountsWith(required)) yield* this.withAccount(...splitName(account));
  }

  #list(key: OwnerKey, owner: SetOwner): void {
    const namespace = namespaceOf(owner);
    if (namespace !== undefined) this.#inside.add(namespace, key);
    else for (const inherited of inheritsFrom(owner)) this.#heirs.add(inherited, key);
    if (owner.kind === "pod") this.#byAccountName.add(owner.object.serviceAccount, key);
  }

  #unlist(key: OwnerKey, owner: SetOwner): void {
    const namespace = namespaceOf(owner);
    if (namespace !== undefined) this.#inside.delete(namespace, key);
    else for (const inherited of inheritsFrom(owner)) this.#heirs.delete(inherited, key);
    if (owner.kind === "pod") this.#byAccountName.delete(owner.object.serviceAccount, key);
  }
}

// --- internal ---

function* valuesOf(map: MultiMap<string, OwnerKey>, values: readonly string[]): Iterable<OwnerKey> {
  for (const value of values) yield* map.get(value);
}

function countAll(map: MultiMap<string, OwnerKey>, values: readonly string[]): number {
  return values.reduce((sum, value) => sum + map.count(value), 0);
}
