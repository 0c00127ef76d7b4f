import type { NodePlan } from "../calc/plan.ts";
import { type Dispatch, workloadDispatch } from "./dispatch-chains.ts";
import { endpointChains } from "./endpoint-chains.ts";
import { Latest } from "./latest.ts";
import type { RenderOptions } from "./options.ts";
import type { Chains, JudgingChain, Maps } from "./table-chains.ts";

/** What workloads have in filter; both families have the same. */
export interface WorkloadParts {
  readonly judging: readonly JudgingChain[];
  /** What leads to them. */
  readonly chains: Chains;
  readonly maps: Maps;
}

/** The workloads' own chains of one plan after the other, with the same options. What stays the same is the same object. */
export class WorkloadChains {
  readonly #options: RenderOptions;
  readonly #dispatch = new Latest<Dispatch>();
  #last: WorkloadParts = { judging: [], chains: new Map(), maps: new Map() };
  /** What the last ones were made of. */
  #found: readonly Dispatch[] = [];

  constructor(options: RenderOptions) {
    this.#options = options;
  }

  /** Those of the plan. */
  next({ endpoints, policies }: NodePlan): WorkloadParts {
    const options = this.#options;
    const names = [...endpoints.keys()];
    const of = names.join(" ");
    const found = (["egress", "ingress"] as const).map((direction) =>
      this.#dispatch.get(direction, of, (earlier) => workloadDispatch(direction, names, { options }, earlier)),
    );
    const judging: JudgingChain[] = [];
    for (const one of endpoints.values()) judging.push(...endpointChains(one, policies, options));
    const isSame = sameItems(found, this.#found);
    const { chains, maps } = isSame
      ? this.#last
      : {
          chains: new Map(found.flatMap((one) => [...one.chains])),
          maps: new Map(found.flatMap((one) => [...one.maps])),
        };
    this.#found = found;
    this.#last = { judging: sameItems(judging, this.#last.judging) ? this.#last.judging : judging, chains, maps };
    return this.#last;
  }
}

// --- internal ---

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
