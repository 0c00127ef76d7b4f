import { builtInTiers } from "../../api/built-in-tiers.ts";
import type { Tier } from "../../api/tier.ts";
import { compareText } from "../../net/compare-text.ts";

/** What a tier is, wherever that is written. */
interface TierFacts {
  /** Infinity: after all that have one. */
  readonly order: number;
  readonly defaultAction: "Deny" | "Pass";
}

/** The order of the tiers, and what becomes of a packet that a tier's policies did not decide. */
export class TierTable {
  readonly #tiers = new Map<string, TierFacts>(builtInTiers);

  /** False when nothing changed. */
  set(name: string, tier: Tier | undefined): boolean {
    if (builtInTiers.has(name)) return false;
    const before = this.#tiers.get(name);
    if (tier === undefined) return this.#tiers.delete(name);
    const { order = Number.POSITIVE_INFINITY, defaultAction } = tier.spec;
    this.#tiers.set(name, { order, defaultAction });
    return before?.order !== order || before.defaultAction !== defaultAction;
  }

  /** Below zero when tier `a` comes before `b`: by order, then name; those that do not exist come after all that do. */
  compare(a: string, b: string): number {
    if (a === b) return 0;
    const [left, right] = [this.#tiers.get(a), this.#tiers.get(b)];
    if (left === undefined || right === undefined) {
      if (left === right) return compareText(a, b);
      return left === undefined ? 1 : -1;
    }
    return left.order === right.order ? compareText(a, b) : left.order - right.order;
  }

  /** Of a tier that does not exist: `deny`. */
  endAction(name: string): "deny" | "pass" {
    return this.#tiers.get(name)?.defaultAction === "Pass" ? "pass" : "deny";
  }
}
