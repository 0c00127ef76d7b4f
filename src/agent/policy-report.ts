import type { NodePlan, PolicyId } from "../felix/calc/plan.ts";
import { isClosed } from "../felix/calc/plan-budget.ts";
import type { Logger } from "./logger.ts";

/** Tells once what of the policies in use is not enforced as written: again only when it, or the policy, is another. */
export class PolicyReport {
  readonly #logger: Logger;
  readonly #told = new Map<PolicyId, string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** How many policies of the last plan are not enforced as written. */
  get count(): number {
    return this.#told.size;
  }

  /** Takes the policies of a plan. */
  look(policies: NodePlan["policies"]): void {
    for (const id of this.#told.keys()) if (!policies.get(id)?.problems.length) this.#told.delete(id);
    for (const [id, policy] of policies) {
      const { problems, revision } = policy;
      if (problems.length === 0) continue;
      const text = JSON.stringify([revision, problems]);
      if (this.#told.get(id) === text) continue;
      this.#told.set(id, text);
      const facts = { policy: id, ...revision, problems };
      if (isClosed(policy)) this.#logger.error(facts, "a policy is too large for this node, and is closed");
      else this.#logger.warn(facts, "a policy is not enforced as written");
    }
  }
}
