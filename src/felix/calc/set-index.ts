import type { HostEndpoint } from "../../api/host-endpoint.ts";
import { inheritedName, namespaceLabelPrefix, serviceAccountLabelPrefix } from "../../api/label-names.ts";
import type { NamespacedName } from "../../api/names.ts";
import { splitName } from "../../api/names.ts";
import type { GlobalNetworkSet, NetworkSet } from "../../api/network-set.ts";
import type { EndpointSlice, Namespace, ServiceAccount } from "../../api/objects.ts";
import type { SetSource } from "./compiled-policy.ts";
import { mergedMap } from "./merged-map.ts";
import { OwnerTable } from "./owner-table.ts";
import type { SetId, SetPlan } from "./plan.ts";
import type { PodAddresses } from "./pod-addresses.ts";
import type { PodTable } from "./pod-table.ts";
import { SelectedSets } from "./selected-sets.ts";
import { ServiceSets } from "./service-sets.ts";
import type { SetMember } from "./set-members.ts";
import { type OwnerKey, PodOwner, type SetOwner } from "./set-owner.ts";

/**
 * The members of the sets in use.
 *
 *   pods, host endpoints, network sets ─▶ OwnerTable ─▶ SelectedSets ─┐
 *                                    EndpointSlices ─▶ ServiceSets ───┴─▶ plans
 *
 * A change is judged when it is told, by the sets that it can concern; plans are made when they are asked for.
 */
export class SetIndex {
  readonly #pods: PodTable;
  readonly #addresses: PodAddresses;
  readonly #owners: OwnerTable;
  readonly #selected: SelectedSets;
  readonly #services: ServiceSets;
  readonly #inUse = new Map<SetId, { readonly source: SetSource; users: number }>();
  readonly #changed = new Set<SetId>();
  #plans: ReadonlyMap<SetId, SetPlan> = new Map();

  constructor(pods: PodTable, addresses: PodAddresses) {
    this.#pods = pods;
    this.#addresses = addresses;
    this.#owners = new OwnerTable(pods.parents);
    const changed = (id: SetId) => this.#changed.add(id);
    this.#selected = new SelectedSets(this.#owners, changed);
    this.#services = new ServiceSets(changed);
  }

  /** Counts one more user of the set. */
  use(source: SetSource): void {
    const known = this.#inUse.get(source.id);
    if (known !== undefined) {
      known.users++;
      return;
    }
    this.#inUse.set(source.id, { source, users: 1 });
    this.#changed.add(source.id);
    const before: ReadonlySet<SetMember> | undefined = this.#plans.get(source.id)?.members;
    if (source.kind === "addresses" || source.kind === "ports") this.#selected.start(source, before);
    else this.#services.start(source, before);
  }

  /** Counts one user less; the set goes with the last. */
  release({ id }: SetSource): void {
    const set = this.#inUse.get(id);
    if (set === undefined || --set.users > 0) return;
    this.#inUse.delete(id);
    this.#changed.add(id);
    this.#selected.stop(id);
    this.#services.stop(id);
  }

  /** The pod, or what tells its addresses, came, changed or went; PodTable has it already. */
  podChanged(key: NamespacedName): void {
    this.#setOwner(key, PodOwner.of(this.#pods.get(key), this.#addresses));
  }

  /** The namespace was `before` and is now as PodTable has it; its pods need not be named. */
  namespaceChanged(name: string, before: Namespace | undefined): void {
    const now = this.#pods.namespace(name);
    const heirs = this.#owners.heirsOf(name);
    // A pod of an unknown namespace is in no set at all.
    if ((before === undefined) !== (now === undefined)) this.#selected.parentsChanged(heirs);
    else this.#selected.labelsChanged(heirs, changedLabels(namespaceLabelPrefix, before, now));
  }

  /** The service account was `before` and is now as PodTable has it; its pods need not be named. */
  serviceAccountChanged(key: NamespacedName, before: ServiceAccount | undefined): void {
    const [namespace, name] = splitName(key);
    const now = this.#pods.parents.serviceAccount(namespace, name);
    const labels = changedLabels(serviceAccountLabelPrefix, before, now);
    this.#selected.labelsChanged(this.#owners.withAccount(namespace, name), labels);
  }

  setHostEndpoint(name: string, object: HostEndpoint | undefined): void {
    this.#setOwner(`hostEndpoint:${name}`, object && { kind: "hostEndpoint", object });
  }

  setNetworkSet(key: NamespacedName, object: NetworkSet | undefined): void {
    const [namespace] = splitName(key);
    this.#setOwner(`networkSet:${key}`, object && { kind: "networkSet", object, namespace });
  }

  setGlobalNetworkSet(name: string, object: GlobalNetworkSet | undefined): void {
    this.#setOwner(`globalNetworkSet:${name}`, object && { kind: "globalNetworkSet", object });
  }

  setEndpointSlice(key: NamespacedName, slice: EndpointSlice | undefined): void {
    this.#services.setSlice(key, slice);
  }

  /** Every set in use, by name; what did not change is the same object as before. */
  plans(): ReadonlyMap<SetId, SetPlan> {
    const renewed = [...this.#changed].map((id) => [id, this.#renewed(id)] as const);
    this.#changed.clear();
    const differing = renewed.filter(([id, plan]) => this.#plans.get(id) !== plan);
    if (differing.length > 0) this.#plans = mergedMap(this.#plans, new Map(differing));
    return this.#plans;
  }

  #setOwner(key: OwnerKey, owner: SetOwner | undefined): void {
    const changed = this.#owners.set(key, owner);
    if (changed !== undefined) this.#selected.ownerChanged(changed.known, changed.before);
  }

  /** Undefined when the set is used no more. */
  #renewed(id: SetId): SetPlan | undefined {
    const set = this.#inUse.get(id);
    const members = this.#selected.members(id) ?? this.#services.members(id);
    if (set === undefined || members === undefined) return undefined;
    const known = this.#plans.get(id);
    return known?.members === members ? known : planOf(set.source, members);
  }
}

// --- internal ---

/** A set of either kind gets members of that kind alone. */
function planOf({ id, kind }: SetSource, members: ReadonlySet<SetMember>): SetPlan {
  return { kind: kind === "ports" || kind === "service-ports" ? "ports" : "addresses", id, members } as SetPlan;
}

/** The labels, behind the prefix, that whoever inherits from it has otherwise than before. */
function changedLabels(
  prefix: string,
  before: Namespace | ServiceAccount | undefined,
  now: Namespace | ServiceAccount | undefined,
): readonly string[] {
  const names = Object.keys({ ...before?.labels, ...now?.labels });
  const changed = names.filter((name) => valueIn(before, name) !== valueIn(now, name));
  if ((before === undefined) !== (now === undefined)) changed.push(inheritedName);
  return changed.map((name) => prefix + name);
}

function valueIn(parent: Namespace | ServiceAccount | undefined, name: string): string | undefined {
  return parent !== undefined && Object.hasOwn(parent.labels, name) ? parent.labels[name] : undefined;
}
