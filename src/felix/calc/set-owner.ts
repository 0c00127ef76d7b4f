import { type Labelled, labelledHostEndpoint, labelledNetworkSet, labelledPod } from "../../api/endpoint-labels.ts";
import type { HostEndpoint } from "../../api/host-endpoint.ts";
import { type NamespacedName, namespacedName } from "../../api/names.ts";
import type { GlobalNetworkSet, NetworkSet } from "../../api/network-set.ts";
import type { Labels, Pod } from "../../api/objects.ts";
import type { Ip } from "../../net/ip.ts";
import { namespacesOfProfiles } from "./host-endpoint-table.ts";
import type { ParentTable } from "./parent-table.ts";
import type { PodAddresses } from "./pod-addresses.ts";

/** One of the cluster's objects that selectors select, and that bring sets their members. */
export type SetOwner =
  | PodOwner
  | { readonly kind: "hostEndpoint"; readonly object: HostEndpoint }
  | { readonly kind: "networkSet"; readonly object: NetworkSet; readonly namespace: string }
  | { readonly kind: "globalNetworkSet"; readonly object: GlobalNetworkSet };

/** A pod by its own name, which has one slash and no colon; the others behind their kind. */
export type OwnerKey = NamespacedName | `${Exclude<SetOwner["kind"], "pod">}:${string}`;

/** A pod, and by which addresses it is known, until it or what tells them changes. */
export class PodOwner {
  readonly kind = "pod";
  readonly object: Pod;
  readonly #read: PodAddresses;
  #addresses: readonly Ip[] | undefined;

  private constructor(object: Pod, read: PodAddresses) {
    this.object = object;
    this.#read = read;
  }

  /** Undefined when the pod is no peer: it has no node yet, has finished, or is on its node's own network. */
  static of(pod: Pod | undefined, addresses: PodAddresses): PodOwner | undefined {
    if (pod === undefined || pod.node === undefined || pod.finished || pod.hostNetwork) return undefined;
    return new PodOwner(pod, addresses);
  }

  /** Worked out when first asked for: most pods are in no set. None twice. */
  addresses(): readonly Ip[] {
    this.#addresses ??= this.#read.of(namespacedName(this.object.namespace, this.object.name));
    return this.#addresses;
  }
}

/** The labels that are its own. */
export function ownLabelsOf(owner: SetOwner): Labels {
  return owner.kind === "pod" ? owner.object.labels : owner.object.metadata.labels;
}

/** The namespace that it is in. */
export function namespaceOf(owner: SetOwner): string | undefined {
  if (owner.kind === "pod") return owner.object.namespace;
  return owner.kind === "networkSet" ? owner.namespace : undefined;
}

/** The namespaces whose labels it has, as far as they are known; each once. */
export function inheritsFrom(owner: SetOwner): readonly string[] {
  switch (owner.kind) {
    case "pod":
      return [owner.object.namespace];
    case "networkSet":
      return [owner.namespace];
    case "globalNetworkSet":
      return [];
    case "hostEndpoint":
      return namespacesOfProfiles(owner.object);
  }
}

/** To selectors; undefined when the namespace that it is in is not known, and with it what a selector would find. */
export function labelledOwner(owner: SetOwner, parents: ParentTable): Labelled | undefined {
  switch (owner.kind) {
    case "pod": {
      const { namespace: name, serviceAccount } = owner.object;
      const namespace = parents.namespace(name);
      return namespace && labelledPod(owner.object, namespace, () => parents.serviceAccount(name, serviceAccount));
    }
    case "networkSet": {
      const namespace = parents.namespace(owner.namespace);
      return namespace && labelledNetworkSet(owner.object, namespace);
    }
    case "globalNetworkSet":
      return labelledNetworkSet(owner.object, undefined);
    case "hostEndpoint": {
      const known = inheritsFrom(owner).flatMap((name) => parents.namespace(name) ?? []);
      return labelledHostEndpoint(owner.object, known);
    }
  }
}
