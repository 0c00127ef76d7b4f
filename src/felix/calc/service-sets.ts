import type { NamespacedName } from "../../api/names.ts";
import type { EndpointSlice } from "../../api/objects.ts";
import type { ServiceMembers } from "./compiled-policy.ts";
import { CountedSet } from "./counted-set.ts";
import { EndpointSliceTable } from "./endpoint-slice-table.ts";
import { MultiMap } from "./multi-map.ts";
import type { SetId } from "./plan.ts";
import { type SetMember, sliceMembers } from "./set-members.ts";

/** The sets whose members are a Service's endpoints. A slice that changes is looked at by the sets of its Service alone. */
export class ServiceSets {
  readonly #slices = new EndpointSliceTable();
  readonly #sets = new Map<SetId, ServiceSet>();
  readonly #byService = new MultiMap<NamespacedName, ServiceSet>();
  readonly #changed: (id: SetId) => void;

  constructor(changed: (id: SetId) => void) {
    this.#changed = changed;
  }

  /** The set comes into use; `before` is as for CountedSet. */
  start(source: ServiceMembers, before: ReadonlySet<SetMember> | undefined): void {
    const set: ServiceSet = { source, members: new CountedSet(before) };
    this.#sets.set(source.id, set);
    this.#byService.add(source.service, set);
    for (const key of this.#slices.keysOf(source.service)) this.#read(set, key);
  }

  /** The set is used no more. */
  stop(id: SetId): void {
    const set = this.#sets.get(id);
    if (set === undefined) return;
    this.#sets.delete(id);
    this.#byService.delete(set.source.service, set);
  }

  /** Undefined for a set that is not in use here. */
  members(id: SetId): ReadonlySet<SetMember> | undefined {
    return this.#sets.get(id)?.members.members();
  }

  setSlice(key: NamespacedName, slice: EndpointSlice | undefined): void {
    for (const service of this.#slices.set(key, slice)) {
      for (const set of this.#byService.get(service)) this.#read(set, key);
    }
  }

  #read(set: ServiceSet, key: NamespacedName): void {
    const slice = this.#slices.of(set.source.service, key);
    if (set.members.bring(key, slice === undefined ? [] : sliceMembers(set.source, slice)))
      this.#changed(set.source.id);
  }
}

// --- internal ---

interface ServiceSet {
  readonly source: ServiceMembers;
  readonly members: CountedSet<NamespacedName, SetMember>;
}
