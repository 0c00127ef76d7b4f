import type { NamespacedName } from "../../api/names.ts";
import { namespacedName } from "../../api/names.ts";
import { compareText } from "../../net/compare-text.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import { MultiMap } from "./multi-map.ts";
import type { PolicyId, PolicyPlan } from "./plan.ts";
import type { PolicyTable } from "./policy-table.ts";
import { same } from "./same.ts";
import type { SetIndex } from "./set-index.ts";

/** The policies that some local endpoint uses, and through them the sets in use. */
export class ActivePolicies {
  readonly #policies: PolicyTable;
  readonly #sets: SetIndex;
  readonly #users = new MultiMap<NamespacedName, string>();
  readonly #active = new Map<NamespacedName, CompiledPolicy>();
  readonly #changed = new Set<NamespacedName>();
  #plans: ReadonlyMap<PolicyId, PolicyPlan> = new Map();

  constructor(policies: PolicyTable, sets: SetIndex) {
    this.#policies = policies;
    this.#sets = sets;
  }

  /** The policy itself came, changed or went. */
  policyChanged(key: NamespacedName): void {
    this.#changed.add(key);
  }

  /** The endpoint of this interface used `before` and uses `now`. */
  endpointChanged(hostInterface: string, before: readonly CompiledPolicy[], now: readonly CompiledPolicy[]): void {
    const keysNow = new Set(now.map(keyOf));
    for (const key of before.map(keyOf)) {
      if (!keysNow.has(key) && this.#users.delete(key, hostInterface)) this.#changed.add(key);
    }
    for (const key of keysNow) if (this.#users.add(key, hostInterface)) this.#changed.add(key);
  }

  /** Every policy in use; what did not change is the same object as before. Counts the use of the sets as it goes. */
  plans(): ReadonlyMap<PolicyId, PolicyPlan> {
    let changed = false;
    for (const key of this.#changed) changed = this.#renew(key) || changed;
    this.#changed.clear();
    if (changed) this.#plans = this.#collect();
    return this.#plans;
  }

  #renew(key: NamespacedName): boolean {
    const before = this.#active.get(key);
    const now = this.#users.has(key) ? this.#policies.get(key) : undefined;
    if (before === now) return false;
    // Used first and released after, so that a set in both stays as it is.
    for (const source of now?.sets.values() ?? []) this.#sets.use(source);
    for (const source of before?.sets.values() ?? []) this.#sets.release(source);
    if (now === undefined) this.#active.delete(key);
    else if (before && same(before.plan, now.plan)) {
      this.#active.set(key, { ...now, plan: before.plan });
      return false;
    } else this.#active.set(key, now);
    return true;
  }

  #collect(): ReadonlyMap<PolicyId, PolicyPlan> {
    const plans = [...this.#active.values()].map(({ plan }): [PolicyId, PolicyPlan] => [plan.id, plan]);
    return new Map(plans.sort(([a], [b]) => compareText(a, b)));
  }
}

// --- internal ---

function keyOf(policy: CompiledPolicy): NamespacedName {
  return namespacedName(policy.namespace, policy.name);
}
