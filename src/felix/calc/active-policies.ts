import type { CompiledPolicy } from "./compiled-policy.ts";
import { MultiMap } from "./multi-map.ts";
import type { PolicyId, PolicyPlan } from "./plan.ts";
import { PlanMap } from "./plan-map.ts";
import type { PolicyRef, PolicyTable } from "./policy-table.ts";
import type { SetIndex } from "./set-index.ts";

/** The policies that some local endpoint uses, and through them the sets in use. */
export class ActivePolicies {
  readonly #policies: PolicyTable;
  readonly #sets: SetIndex;
  readonly #users = new MultiMap<PolicyRef, string>();
  readonly #used = new Map<string, ReadonlySet<PolicyRef>>();
  readonly #active = new Map<PolicyRef, CompiledPolicy>();
  readonly #changed = new Set<PolicyRef>();
  readonly #plans = new PlanMap<PolicyId, PolicyPlan>();

  constructor(policies: PolicyTable, sets: SetIndex) {
    this.#policies = policies;
    this.#sets = sets;
  }

  /** The policy itself came, changed or went. */
  policyChanged(ref: PolicyRef): void {
    if (this.#active.has(ref)) this.#changed.add(ref);
  }

  /** From now on the endpoint of that name uses these, and no others. */
  endpointUses(name: string, now: ReadonlySet<PolicyRef>): void {
    const before = this.#used.get(name) ?? new Set();
    for (const ref of before) if (!now.has(ref) && this.#users.delete(ref, name)) this.#changed.add(ref);
    for (const ref of now) if (!before.has(ref) && this.#users.add(ref, name)) this.#changed.add(ref);
    if (now.size === 0) this.#used.delete(name);
    else this.#used.set(name, now);
  }

  /** Every policy in use; what did not change is the same object as before. Counts the use of the sets as it goes. */
  plans(): ReadonlyMap<PolicyId, PolicyPlan> {
    for (const ref of this.#changed) this.#renew(ref);
    this.#changed.clear();
    return this.#plans.all();
  }

  #renew(ref: PolicyRef): void {
    const before = this.#active.get(ref);
    const now = this.#users.has(ref) ? this.#policies.get(ref) : undefined;
    if (before === now) return;
    // Used first and released after, so that a set in both stays as it is.
    for (const source of now?.sets.values() ?? []) this.#sets.use(source);
    for (const source of before?.sets.values() ?? []) this.#sets.release(source);
    if (now !== undefined) {
      this.#active.set(ref, now);
      this.#plans.set(now.plan.id, now.plan);
    } else if (before !== undefined) {
      this.#active.delete(ref);
      this.#plans.set(before.plan.id, undefined);
    }
  }
}
