import type { PoliciesAnswer } from "../api/node-query.ts";
import type { Change } from "../api/snapshot.ts";
import type { NodeCalculator } from "../felix/calc/node-calculator.ts";
import type { NodePlan } from "../felix/calc/plan.ts";
import { withinBudget } from "../felix/calc/plan-budget.ts";
import type { Dataplane, Drift, DriftPart } from "../felix/dataplane/dataplane.ts";
import type { Prover } from "../felix/dataplane/sentinel.ts";
import type { DesiredState } from "../felix/render/desired-state.ts";
import type { RenderOptions } from "../felix/render/options.ts";
import { render } from "../felix/render/render.ts";
import type { Clock } from "../net/clock.ts";
import { Loop } from "../reconcile/loop.ts";
import { DriftProof } from "./drift-proof.ts";
import type { Logger } from "./logger.ts";
import type { PassObserver } from "./pass-observer.ts";
import { PassReport } from "./pass-report.ts";
import { policiesInForce } from "./policies-in-force.ts";
import { policyFaults } from "./policy-faults.ts";
import { PolicyReport } from "./policy-report.ts";
import { QosReport } from "./qos-report.ts";
import { TidyTimes } from "./tidy-times.ts";

/** How the plan goes into the kernel. */
export interface FelixTarget {
  readonly dataplane: Dataplane;
  readonly renderOptions: RenderOptions;
}

/** Without a target it can take changes in, but not begin. */
export interface FelixParts extends Partial<FelixTarget> {
  readonly calculator: NodeCalculator;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: a line in the log for each pass. */
  readonly observer?: PassObserver;
  /** Told, before the next plan goes into the kernel, of the endpoints of the last one and of the next one. */
  readonly beforeApply?: (before: NodePlan | undefined, next: NodePlan) => Promise<void>;
  /** How many pods of this node will be applied as soon as their interfaces are made. */
  readonly podsToCome: () => number;
}

/**
 * Turns changes into kernel state, one pass at a time. Nothing is written before `begin`: until everything has been listed
 * once, what an earlier agent left in the kernel is better than what half a list says.
 */
export class Felix implements Prover {
  readonly #parts: FelixParts;
  readonly #loop: Loop;
  readonly #proof: DriftProof;
  readonly #qosReport: QosReport;
  readonly #policyReport: PolicyReport;
  readonly #observer: PassObserver;
  readonly #begun = Promise.withResolvers<void>();
  #hasBegun = false;
  #target: FelixTarget | undefined;
  /** What the last pass that succeeded has applied, and how. */
  #inKernel: NodePlan | undefined;
  #usedTarget: FelixTarget | undefined;
  /** The last that the kernel has acknowledged; it stands while the next one is applied. */
  #held: NodePlan | undefined;
  /** What `inKernel` came to; it stands while the next one is applied. */
  #applied: DesiredState | undefined;
  /** What the kernel has acknowledged last; undefined while the next one is applied. */
  #inForce: DesiredState | undefined;
  /** The kernel was found to hold something else. */
  #mustRepair = false;
  /** Of what nothing in `applied` uses any more. */
  readonly #tidyTimes: TidyTimes;
  /** As `Prover`. */
  readonly parts: ReadonlySet<DriftPart> = new Set(["rules", "sets", "routes"]);

  constructor(parts: FelixParts) {
    this.#parts = parts;
    const { dataplane, renderOptions } = parts;
    this.#target = dataplane && renderOptions && { dataplane, renderOptions };
    this.#qosReport = new QosReport(parts.logger);
    this.#policyReport = new PolicyReport(parts.logger);
    this.#observer = parts.observer ?? new PassReport({ ...parts, isToldOfWrites: false });
    this.#proof = new DriftProof(parts.clock);
    this.#tidyTimes = new TidyTimes({ clock: parts.clock, onDue: () => this.#requestPass() });
    this.#loop = new Loop({
      pass: async () => {
        await this.#begun.promise;
        await this.#proof.pass(() => this.#pass());
      },
      sleep: (ms, signal) => parts.clock.sleep(ms, signal),
      onFailure: (error, attempt) => {
        parts.logger.error({ err: error, attempt }, "cannot bring the kernel to the plan");
        this.#observer.failed(error);
      },
      firstRetryMs: 50,
      maxRetryMs: 10_000,
      gatherMs: (waiting) => gatherMs(waiting, parts.podsToCome()),
    });
  }

  /** The first full list is in: passes may run. Resolves when the kernel holds the plan for the first time. */
  begin(): Promise<void> {
    this.#hasBegun = true;
    this.#begun.resolve();
    return this.#loop.request();
  }

  /** From the next pass on, which comes at once if it has begun, the plan goes into the kernel in this way. */
  use(target: FelixTarget): void {
    const { dataplane, renderOptions } = this.#target ?? {};
    if (target.dataplane === dataplane && target.renderOptions === renderOptions) return;
    this.#target = target;
    if (this.#hasBegun) this.#requestPass();
  }

  /** Whether passes run. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /**
   * Takes changes in. Resolves once the kernel holds them: of an endpoint that comes its chains and then its routes, of
   * one that goes neither. A pass that fails is logged and repeated; it rejects only when stopped first. `receivedAt` is when
   * they came from the API server, in the clock's monotonic milliseconds.
   */
  apply(changes: readonly Change[], receivedAt = this.#parts.clock.monotonicNow()): Promise<void> {
    this.#observer.received(changes, receivedAt);
    this.#parts.calculator.apply(changes);
    return this.#loop.request();
  }

  /**
   * What of an endpoint's policy the kernel does not hold as it was last printed, one sentence each. A pass that is under way
   * is waited for, some seconds. Rejects when the kernel cannot be asked.
   */
  async policyFaults(hostInterface: string): Promise<readonly string[]> {
    const { clock } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const state = this.#inForce;
      const dataplane = this.#usedTarget?.dataplane;
      const faults = state && dataplane && (await policyFaults(state.tables.values(), hostInterface, dataplane));
      // A pass that came meanwhile is the reason for what was found.
      if (faults !== undefined && (faults.length === 0 || state === this.#inForce)) return faults;
      if (attempt === maxAttempts) return faults ?? ["the kernel does not hold the rules of this node yet"];
      await clock.sleep(attemptMs);
    }
  }

  /** What the kernel has acknowledged last; undefined while the next is applied. */
  get inForce(): DesiredState | undefined {
    return this.#inForce;
  }

  /** The same, and it stands while the next is applied. */
  get applied(): DesiredState | undefined {
    return this.#applied;
  }

  /**
   * As `Prover`: how the kernel differs from what it has acknowledged last. A pass that is wanted meanwhile does not wait: then
   * nothing is known. When it `insists`, or does not end beside passes, it takes its turn, and they wait for it, a few seconds at
   * most. Rejects when the kernel cannot be asked.
   */
  drift(parts: ReadonlySet<DriftPart>, insists = false): Promise<readonly Drift[] | undefined> {
    const read = async () => this.#inForce && this.#usedTarget?.dataplane.drift(this.#inForce, parts);
    return this.#proof.take(read, insists);
  }

  /** As `Prover`: has a pass put right what `drift` has found. */
  repair(): Promise<void> {
    this.#mustRepair = true;
    return this.#loop.request();
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

  /** Whether there was something to repair. */
  async #applyAgain(): Promise<boolean> {
    const state = this.#applied;
    if (!this.#mustRepair || state === undefined) return false;
    this.#inForce = undefined;
    const target = this.#usedTarget;
    await this.#proof.write(async () => target?.dataplane.apply(state));
    this.#inForce = state;
    this.#mustRepair = false;
    this.#tidyTimes.changed();
    return true;
  }

  /**
   * Not after a pass that failed, as the kernel may hold then what nobody can name, nor while it is known to be wrong: tidying writes
   * routes too, for which their rules must stand.
   */
  #mayTidy(target: FelixTarget): boolean {
    const isKnown = this.#inKernel !== undefined && target === this.#usedTarget && !this.#mustRepair;
    return isKnown && this.#tidyTimes.isDue;
  }

  /** What is not used any more goes at the head of a pass, for which mostly nobody waits. */
  async #tidy(): Promise<void> {
    const [state, target] = [this.#applied, this.#usedTarget];
    if (state === undefined || target === undefined) return;
    try {
      const isAll = await this.#proof.write(() => target.dataplane.tidy(state));
      this.#tidyTimes.done(isAll ? "all" : "part");
    } catch (err) {
      // Whatever comes next must not wait for it.
      this.#parts.logger.error({ err }, "cannot tidy what the kernel holds: trying again");
      this.#tidyTimes.done("failed");
    }
  }

  #requestPass(): void {
    // It rejects only when the loop is stopped, and then there is nothing to do.
    this.#loop.request().catch(() => undefined);
  }

  /** No pass begins any more. The kernel keeps what it has. */
  stop(): void {
    this.#tidyTimes.stop();
    this.#loop.stop();
    this.#proof.stop();
  }

  /** Resolves when no pass runs; one that waits for `begin` does nothing. */
  async ended(): Promise<void> {
    if (this.#hasBegun) await this.#loop.ended();
  }

  async #pass(): Promise<void> {
    const { calculator, beforeApply } = this.#parts;
    const target = this.#target;
    if (target === undefined) throw new Error("Cannot bring the plan into the kernel: nothing says how");
    this.#observer.began();
    if (this.#mayTidy(target)) await this.#tidy();
    const plan = withinBudget(calculator.plan());
    // Whatever says the same as before is the same object: most changes in a cluster do not touch this node.
    if (plan === this.#inKernel && target === this.#usedTarget) {
      const repaired = await this.#applyAgain();
      this.#observer.idled(repaired);
      return;
    }
    this.#inKernel = undefined;
    this.#inForce = undefined;
    this.#qosReport.look(plan.endpoints, target.renderOptions);
    this.#policyReport.look(plan.policies);
    const state = render(plan, target.renderOptions);
    await beforeApply?.(this.#held, plan);
    await this.#proof.write(() => target.dataplane.apply(state));
    this.#usedTarget = target;
    this.#mustRepair = false;
    this.#applied = state;
    this.#tidyTimes.changed();
    this.#inKernel = plan;
    this.#held = plan;
    this.#inForce = state;
    this.#observer.applied({ plan, state });
  }
}

// --- internal ---

/**
 * A pass costs about as much for one pod as for ten: so it waits a little while several are to come, and not for the last few. Where
 * none is to come, several that wait are taken for a sign of more.
 */
function gatherMs(waiting: number, podsToCome: number): number {
  if (podsToCome > 0) return podsToCome >= crowd ? 30 : 0;
  return waiting >= crowd ? 15 : 0;
}

const crowd = 4;

/** How long a pass is waited for: 5 s. */
const maxAttempts = 50;
const attemptMs = 100;
