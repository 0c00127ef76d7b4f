import type { PoliciesAnswer } from "../api/node-query.ts";
import type { Change } from "../api/snapshot.ts";
import type { NodeCalculator } from "../felix/calc/node-calculator.ts";
import type { NodePlan } from "../felix/calc/plan.ts";
import { withinBudget } from "../felix/calc/plan-budget.ts";
import type { Dataplane } from "../felix/dataplane/dataplane.ts";
import type { DesiredState } from "../felix/render/desired-state.ts";
import type { RenderOptions } from "../felix/render/options.ts";
import { render } from "../felix/render/render.ts";
import type { Clock } from "../net/clock.ts";
import { Loop } from "../reconcile/loop.ts";
import type { Logger } from "./logger.ts";
import { policiesInForce } from "./policies-in-force.ts";
import { policyFaults } from "./policy-faults.ts";
import { PolicyReport } from "./policy-report.ts";
import { QosReport } from "./qos-report.ts";

export interface FelixParts {
  readonly calculator: NodeCalculator;
  readonly dataplane: Dataplane;
  readonly renderOptions: RenderOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Turns changes into kernel state, one pass at a time. Nothing is written before `begin`: until everything has been listed
 * once, what an earlier agent left in the kernel is better than what half a list says.
 */
export class Felix {
  readonly #parts: FelixParts;
  readonly #loop: Loop;
  readonly #qosReport: QosReport;
  readonly #policyReport: PolicyReport;
  readonly #begun = Promise.withResolvers<void>();
  #hasBegun = false;
  /** What the last pass that succeeded has applied. */
  #inKernel: NodePlan | undefined;
  /** The last that the kernel has acknowledged; it stands while the next one is applied. */
  #held: NodePlan | undefined;
  /** What `inKernel` came to; it stands while the next one is applied. */
  #applied: DesiredState | undefined;
  /** Whether nothing is left in the kernel that `applied` does not use. */
  #isTidy = true;
  /** What the kernel has acknowledged last; undefined while the next one is applied. */
  #inForce: DesiredState | undefined;

  constructor(parts: FelixParts) {
    this.#parts = parts;
    this.#qosReport = new QosReport(parts.logger);
    this.#policyReport = new PolicyReport(parts.logger);
    this.#loop = new Loop({
      pass: () => this.#pass(),
      sleep: (ms) => parts.clock.sleep(ms),
      onFailure: (error, attempt) => parts.logger.error({ err: error, attempt }, "cannot bring the kernel to the plan"),
      firstRetryMs: 50,
      maxRetryMs: 10_000,
    });
  }

  /** The first full list is in: passes may run. Resolves when the kernel holds the plan for the first time. */
  begin(): Promise<void> {
    this.#hasBegun = true;
    this.#begun.resolve();
    return this.#loop.request();
  }

  /** Whether passes run. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /**
   * Takes changes in. Resolves once the kernel holds them: of an endpoint that comes its chains and then its routes, of
   * one that goes neither. A pass that fails is logged and repeated; it rejects only when stopped first.
   */
  apply(changes: readonly Change[]): Promise<void> {
    this.#parts.calculator.apply(changes);
    return this.#loop.request();
  }

  /**
   * What of an endpoint's policy the kernel does not hold as it was last printed, one sentence each. A pass that is under way
   * is waited for, some seconds. Rejects when the kernel cannot be asked.
   */
  async policyFaults(hostInterface: string): Promise<readonly string[]> {
    const { dataplane, clock } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const state = this.#inForce;
      const faults = state && (await policyFaults(state.tables.values(), hostInterface, dataplane));
      // A pass that came meanwhile is the reason for what was found.
      if (faults !== undefined && (faults.length === 0 || state === this.#inForce)) return faults;
      if (attempt === maxAttempts) return faults ?? ["the kernel does not hold the rules of this node yet"];
      await clock.sleep(attemptMs);
    }
  }

  /** The policies that the kernel has acknowledged last. Undefined before the first pass. */
  policiesInForce(): Pick<PoliciesAnswer, "pending" | "policies"> | undefined {
    if (this.#held === undefined) return undefined;
    return { pending: this.#held !== this.#inKernel, policies: policiesInForce(this.#held) };
  }

  /** How many policies of the last plan are not enforced as written: they have `problems`. */
  get closedPolicies(): number {
    return this.#policyReport.count;
  }

  /** What is not used any more goes in a pass of its own, for which nobody waits. */
  async #tidy(): Promise<void> {
    if (this.#isTidy || this.#applied === undefined) return;
    this.#isTidy = await this.#parts.dataplane.tidy(this.#applied);
    if (!this.#isTidy) void this.#parts.clock.sleep(tidyAgainMs).then(() => this.#requestPass());
  }

  #requestPass(): void {
    // It rejects only when the loop is stopped, and then there is nothing to do.
    this.#loop.request().catch(() => undefined);
  }

  /** No pass begins any more. The kernel keeps what it has. */
  stop(): void {
    this.#loop.stop();
  }

  async #pass(): Promise<void> {
    await this.#begun.promise;
    const { calculator, dataplane, renderOptions, clock, logger } = this.#parts;
    const startedAt = clock.monotonicNow();
    const plan = withinBudget(calculator.plan());
    // Whatever says the same as before is the same object: most changes in a cluster do not touch this node.
    if (plan === this.#inKernel) {
      await this.#tidy();
      return;
    }
    this.#inKernel = undefined;
    this.#inForce = undefined;
    this.#qosReport.look(plan.endpoints);
    this.#policyReport.look(plan.policies);
    const state = render(plan, renderOptions);
    await dataplane.apply(state);
    this.#applied = state;
    this.#isTidy = false;
    this.#requestPass();
    this.#inKernel = plan;
    this.#held = plan;
    this.#inForce = state;
    const { endpoints, policies } = plan;
    logger.info(
      {
        ms: clock.monotonicNow() - startedAt,
        endpoints: endpoints.size,
        policies: policies.size,
        sets: state.sets.size,
      },
      "the kernel holds the plan",
    );
  }
}

// --- internal ---

/** How long a pass is waited for: 5 s. */
const maxAttempts = 50;
const attemptMs = 100;

/** About as long as the kernel takes to free rules that it has forgotten. */
const tidyAgainMs = 50;
