import type { Change } from "../api/snapshot.ts";
import type { NodePlan } from "../felix/calc/plan.ts";
import type { DesiredState } from "../felix/render/desired-state.ts";

/** Told how Felix' passes go. Every call returns at once and throws nothing; times are the clock's monotonic milliseconds. */
export interface PassObserver {
  /** Changes have come, at that time. Those that come before `began` are that pass's. */
  received(changes: readonly Change[], at: number): void;
  /** A pass begins; until it has ended in one of the next three ways it runs. */
  began(): void;
  /** The kernel has acknowledged all of it. */
  applied(pass: AppliedPass): void;
  /** There was nothing new to apply; perhaps something was put right (`repaired`) or tidied up. */
  idled(repaired: boolean): void;
  /** It is tried again; what has come so far stays with the next pass. */
  failed(error: unknown): void;
}

/** What a pass has brought into the kernel. */
export interface AppliedPass {
  readonly plan: NodePlan;
  readonly state: DesiredState;
}
