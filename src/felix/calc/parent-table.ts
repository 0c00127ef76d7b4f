import { type NamespacedName, namespacedName } from "../../api/names.ts";
import type { Namespace, ServiceAccount } from "../../api/objects.ts";
import { LabelIndex, type LabelRequirement } from "./label-index.ts";

/** What endpoints inherit labels from: the cluster's namespaces and service accounts, by name and by their own labels. */
export class ParentTable {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #accounts = new Map<NamespacedName, ServiceAccount>();
  readonly #namespaceLabels = new LabelIndex<string>();
  readonly #accountLabels = new LabelIndex<NamespacedName>();

  setNamespace(name: string, namespace: Namespace | undefined): void {
    this.#namespaceLabels.replace(name, this.#namespaces.get(name)?.labels, namespace?.labels);
    if (namespace === undefined) this.#namespaces.delete(name);
    else this.#namespaces.set(name, namespace);
  }

  setServiceAccount(key: NamespacedName, account: ServiceAccount | undefined): void {
    this.#accountLabels.replace(key, this.#accounts.get(key)?.labels, account?.labels);
    if (account === undefined) this.#accounts.delete(key);
    else this.#accounts.set(key, account);
  }

  namespace(name: string): Namespace | undefined {
    return this.#namespaces.get(name);
  }

  serviceAccount(namespace: string, name: string): ServiceAccount | undefined {
    return this.#accounts.get(namespacedName(namespace, name));
  }

  get namespaceCount(): number {
    return this.#namespaces.size;
  }

  /** By their own labels, without any prefix. */
  namespacesWith(requirement: LabelRequirement): Iterable<string> {
    return this.#namespaceLabels.with(requirement);
  }

  countNamespacesWith(requirement: LabelRequirement): number {
    return this.#namespaceLabels.count(requirement);
  }

  /** By their own labels, without any prefix. */
  serviceAccountsWith(requirement: LabelRequirement): Iterable<NamespacedName> {
    return this.#accountLabels.with(requirement);
  }

  countServiceAccountsWith(requirement: LabelRequirement): number {
    return this.#accountLabels.count(requirement);
  }
}
