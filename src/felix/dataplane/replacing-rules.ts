import type { Table } from "../render/desired-state.ts";
import type { Drift, DriftPart, Rules, RulesDriver } from "./dataplane.ts";

/** A backend whose rules are to go once another's are in force. */
export interface RetiredRules {
  /** Removes what is ours, but for the sets that are `kept`. Answers the sets that are still in use, for which it is called again. */
  removeOwn(kept?: Rules["sets"]): Promise<readonly string[]>;
}

/**
 * The rules of one backend, in place of what others still hold of ours: theirs go, with everything else that is no longer used,
 * after these are in force. So a packet always meets the rules of one of them, and for a moment those of both.
 */
export class ReplacingRules implements RulesDriver {
  readonly #current: RulesDriver;
  readonly #retired: Set<RetiredRules>;
  readonly #sharesSets: boolean;

  /** `sharesSets`: the others' sets have the names of these, as with the two variants of iptables. */
  constructor(current: RulesDriver, retired: readonly RetiredRules[], sharesSets: boolean) {
    this.#current = current;
    this.#retired = new Set(retired);
    this.#sharesSets = sharesSets;
  }

  apply(state: Rules): Promise<void> {
    return this.#current.apply(state);
  }

  async prune(state: Rules): Promise<readonly string[]> {
    const used = [...(await this.#current.prune(state))];
    for (const one of [...this.#retired]) {
      const left = await one.removeOwn(this.#sharesSets ? state.sets : undefined);
      used.push(...left);
      if (left.length === 0) this.#retired.delete(one);
    }
    return used;
  }

  faultsOf(table: Table, chains: readonly string[]): Promise<readonly string[]> {
    return this.#current.faultsOf(table, chains);
  }

  drift(state: Rules, parts?: ReadonlySet<DriftPart>): Promise<readonly Drift[]> {
    return this.#current.drift(state, parts);
  }

  forget(): void {
    this.#current.forget();
  }
}
