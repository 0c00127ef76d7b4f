import { type NamespacedName, splitName } from "../../api/names.ts";
import { selectorMatches } from "../../api/selector/selector-matches.ts";
import { compareText } from "../../net/compare-text.ts";
import type { Ip } from "../../net/ip.ts";
import type { SetSource } from "./compiled-policy.ts";
import { MultiMap } from "./multi-map.ts";
import type { AddressSetPlan, SetId } from "./plan.ts";
import type { PodAddresses } from "./pod-addresses.ts";
import type { PodTable } from "./pod-table.ts";

/**
 * The members of the sets in use. A set's first use reads every pod that it could hold; after that a pod's change is
 * compared with the sets that could hold that pod.
 */
export class SetIndex {
  readonly #pods: PodTable;
  readonly #addresses: PodAddresses;
  readonly #sets = new Map<SetId, ActiveSet>();
  /** Set names by the namespace they are limited to; undefined: not limited. */
  readonly #byNamespace = new MultiMap<string | undefined, SetId>();
  readonly #changedPods = new Set<NamespacedName>();
  readonly #changedSets = new Set<SetId>();
  #plans: ReadonlyMap<SetId, AddressSetPlan> = new Map();

  constructor(pods: PodTable, addresses: PodAddresses) {
    this.#pods = pods;
    this.#addresses = addresses;
  }

  /** Counts one more user of the set. */
  use(source: SetSource): void {
    const known = this.#sets.get(source.id);
    if (known !== undefined) {
      known.users++;
      return;
    }
    const set: ActiveSet = { source, users: 1, members: new Map(), counts: new Map(), plan: undefined };
    this.#sets.set(source.id, set);
    this.#byNamespace.add(source.namespace, source.id);
    this.#changedSets.add(source.id);
    const candidates = source.namespace === undefined ? this.#pods.keys() : this.#pods.keysIn(source.namespace);
    for (const key of candidates) this.#judge(set, key);
  }

  /** Counts one user less; the set goes with the last. */
  release(source: SetSource): void {
    const set = this.#sets.get(source.id);
    if (set === undefined || --set.users > 0) return;
    this.#sets.delete(source.id);
    this.#changedSets.add(source.id);
    this.#byNamespace.delete(source.namespace, source.id);
  }

  /** The pod, its namespace, or what tells its addresses, came, changed or went. */
  podChanged(key: NamespacedName): void {
    this.#changedPods.add(key);
  }

  /** Every set in use, by name; what did not change is the same object as before. */
  plans(): ReadonlyMap<SetId, AddressSetPlan> {
    for (const key of this.#changedPods) {
      const [namespace] = splitName(key);
      for (const id of this.#byNamespace.get(namespace)) this.#judgeIn(id, key);
      for (const id of this.#byNamespace.get(undefined)) this.#judgeIn(id, key);
    }
    this.#changedPods.clear();
    let changed = false;
    for (const id of this.#changedSets) changed = this.#renew(id) || changed;
    this.#changedSets.clear();
    if (changed) this.#plans = this.#collect();
    return this.#plans;
  }

  /** Brings one set's plan up to date; true when the plan as a whole is another. */
  #renew(id: SetId): boolean {
    const set = this.#sets.get(id);
    if (set === undefined) return this.#plans.has(id);
    if (set.plan !== undefined && sameMembers(set.plan.members, set.counts)) return false;
    const known = this.#plans.get(id);
    // Released and used again between two plans.
    set.plan = known && sameMembers(known.members, set.counts) ? known : { id, members: new Set(set.counts.keys()) };
    return set.plan !== known;
  }

  #collect(): ReadonlyMap<SetId, AddressSetPlan> {
    const plans = new Map<SetId, AddressSetPlan>();
    for (const id of [...this.#sets.keys()].sort(compareText)) {
      const plan = this.#sets.get(id)?.plan;
      if (plan !== undefined) plans.set(id, plan);
    }
    return plans;
  }

  #judgeIn(id: SetId, key: NamespacedName): void {
    const set = this.#sets.get(id);
    if (set !== undefined && this.#judge(set, key)) this.#changedSets.add(id);
  }

  /** Puts the pod's present addresses in the set, or takes its former ones out; true when they are others than before. */
  #judge(set: ActiveSet, key: NamespacedName): boolean {
    const labels = this.#pods.peerLabels(key);
    const matches = labels !== undefined && selectorMatches(set.source.selector, labels);
    const now = matches ? this.#addresses.of(key) : [];
    const before = set.members.get(key) ?? [];
    if (now.length === before.length && now.every((ip, index) => ip === before[index])) return false;
    for (const ip of now) set.counts.set(ip, (set.counts.get(ip) ?? 0) + 1);
    for (const ip of before) {
      const left = (set.counts.get(ip) ?? 0) - 1;
      if (left > 0) set.counts.set(ip, left);
      else set.counts.delete(ip);
    }
    if (now.length > 0) set.members.set(key, now);
    else set.members.delete(key);
    return true;
  }
}

// --- internal ---

interface ActiveSet {
  readonly source: SetSource;
  users: number;
  /** The addresses that each matching pod brought. */
  readonly members: Map<NamespacedName, readonly Ip[]>;
  /** How many pods brought the address: a new pod can have an address before the old one's end is known. */
  readonly counts: Map<Ip, number>;
  plan: AddressSetPlan | undefined;
}

function sameMembers(members: ReadonlySet<Ip>, counts: ReadonlyMap<Ip, number>): boolean {
  if (members.size !== counts.size) return false;
  for (const ip of counts.keys()) if (!members.has(ip)) return false;
  return true;
}
