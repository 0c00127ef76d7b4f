import type { Table } from "../render/desired-state.ts";
import type { Drift, DriftPart, Rules, RulesDriver } from "./dataplane.ts";

/** A backend whose rules are to go once another's are in force. */
export interface RetiredRules {
  /** Removes what is ours, but for the sets that are `kept`. Answers the sets that are still in use, for which it is called again. */
  removeOwn(kept?: Rules["sets"]): Promise<readonly string[]>;
}

export interface ReplacingOptions {
  /** The others' sets have the names of these, as with the two variants of iptables. */
  readonly sharesSets: boolean;
  /** Something of the others could not be removed, and is tried again. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * The rules of one backend, in place of what others still hold of ours: theirs go, with everything else that is no longer used,
 * after these are in force. So a packet always meets the rules of one of them, and for a moment those of both.
 */
export class ReplacingRules implements RulesDriver {
  readonly #current: RulesDriver;
  readonly #retired: Set<RetiredRules>;
  readonly #options: ReplacingOptions;

  constructor(current: RulesDriver, retired: readonly RetiredRules[], options: ReplacingOptions) {
    this.#current = current;
    this.#retired = new Set(retired);
    this.#options = options;
  }

  apply(state: Rules): Promise<void> {
    return this.#current.apply(state);
  }

  async prune(state: Rules): Promise<readonly string[]> {
    const used = [...(await this.#current.prune(state))];
    for (const one of [...this.#retired]) {
      const left = await this.#remove(one, state);
      used.push(...left);
      if (left.length === 0) this.#retired.delete(one);
    }
    return used;
  }

  /** What cannot be removed now must not keep the rules in force from changing. */
  async #remove(one: RetiredRules, { sets }: Rules): Promise<readonly string[]> {
    const { sharesSets, onFailure } = this.#options;
    try {
      return await one.removeOwn(sharesSets ? sets : undefined);
    } catch (error) {
      onFailure(error);
      return ["another backend's rules"];
    }
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
