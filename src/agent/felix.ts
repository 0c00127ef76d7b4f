import type { Change } from "../api/snapshot.ts";
import type { NodeCalculator } from "../felix/calc/node-calculator.ts";
import type { NodePlan } from "../felix/calc/plan.ts";
import type { Dataplane } from "../felix/dataplane/dataplane.ts";
import { printTable } from "../felix/render/iptables.ts";
import type { RenderOptions } from "../felix/render/options.ts";
import { render } from "../felix/render/render.ts";
import type { Clock } from "../net/clock.ts";
import { Loop } from "../reconcile/loop.ts";
import type { Logger } from "./logger.ts";

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
  readonly #begun = Promise.withResolvers<void>();
  #hasBegun = false;
  /** What the last pass that succeeded has applied. */
  #inKernel: NodePlan | undefined;

  constructor(parts: FelixParts) {
    this.#parts = parts;
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

  /** No pass begins any more. The kernel keeps what it has. */
  stop(): void {
    this.#loop.stop();
  }

  async #pass(): Promise<void> {
    await this.#begun.promise;
    const { calculator, dataplane, renderOptions, clock, logger } = this.#parts;
    const startedAt = clock.monotonicNow();
    const plan = calculator.plan();
    // Whatever says the same as before is the same object: most changes in a cluster do not touch this node.
    if (plan === this.#inKernel) return;
    this.#inKernel = undefined;
    const { sets, tables, routes } = render(plan, renderOptions);
    await dataplane.apply({ sets, routes, tables: [...tables.values()].map(printTable) });
    this.#inKernel = plan;
    const { endpoints, policies } = plan;
    logger.info(
      { ms: clock.monotonicNow() - startedAt, endpoints: endpoints.size, policies: policies.size, sets: sets.size },
      "the kernel holds the plan",
    );
  }
}
