import type { IpPool } from "../../api/ip-pool.ts";
import type { Cidr } from "../../net/cidr.ts";
import { compareText } from "../../net/compare-text.ts";
import type { NodePlan } from "./plan.ts";
import { same } from "./same.ts";

/** The pools' networks, and those of them that are masqueraded. */
export class PoolPlans {
  readonly #pools = new Map<string, IpPool>();
  #changed = false;
  #plan: Pick<NodePlan, "pools" | "masqueradedPools"> = { pools: [], masqueradedPools: [] };

  set(name: string, pool: IpPool | undefined): void {
    if (pool === undefined) this.#pools.delete(name);
    else this.#pools.set(name, pool);
    this.#changed = true;
  }

  /** Each network once, in the order of their texts; what says the same as before is the same object. */
  plan(): Pick<NodePlan, "pools" | "masqueradedPools"> {
    if (!this.#changed) return this.#plan;
    this.#changed = false;
    const specs = [...this.#pools.values()].map(({ spec }) => spec);
    const pools = sortedOnce(specs.map(({ cidr }) => cidr));
    const masqueradedPools = sortedOnce(specs.filter(({ natOutgoing }) => natOutgoing).map(({ cidr }) => cidr));
    const before = this.#plan;
    this.#plan = {
      pools: same(pools, before.pools) ? before.pools : pools,
      masqueradedPools: same(masqueradedPools, before.masqueradedPools) ? before.masqueradedPools : masqueradedPools,
    };
    return this.#plan;
  }
}

// --- internal ---

function sortedOnce(cidrs: readonly Cidr[]): readonly Cidr[] {
  return [...new Set(cidrs)].sort(compareText);
}
