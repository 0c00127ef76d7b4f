import { allEnded } from "../../net/all-ended.ts";
import type { Cidr } from "../../net/cidr.ts";
import type { DesiredState, Route, Shaping, Table } from "../render/desired-state.ts";

/** What of our state the kernel was found not to hold as it was applied: somebody else has changed it. */
export interface Drift {
  readonly part: DriftPart;
  /** Which piece of it, e.g. `chain cali-FORWARD of IPv4 table filter`, `set cali40s:…`. */
  readonly where: string;
  /** What is different, e.g. `2 of 7 rules are missing`. */
  readonly difference: string;
}

/** `links`: the host's ends of the pods' interfaces; `settings`: the node's and their sysctls. */
export type DriftPart = "rules" | "sets" | "routes" | "shaping" | "links" | "settings";

/** Our rules, and the sets that they use. Which backend it is, is nobody else's affair. */
export interface RulesDriver {
  /**
   * Makes sets, their members, our chains and our rules in others' chains so. Sets that are not named stay. Rejects at the first
   * refusal; what of it is then in force is a state between the two, closed where it was closed.
   */
  apply(state: Rules): Promise<void>;
  /** Destroys our sets that are not named. Answers those that some rule still uses, which stay. */
  prune(state: Rules): Promise<readonly string[]>;
  /**
   * Asks the kernel for these chains alone, one by one; answers a sentence for each that it does not hold as applied. Rejects
   * when it cannot be asked.
   */
  faultsOf(table: Table, chains: readonly string[]): Promise<readonly string[]>;
  /**
   * Reads from the kernel what is ours, and answers how it differs from `state`, which is what was last applied. The next call
   * of `apply` starts from what was read here, so that it puts right what was found. It may run beside `apply` and `prune`: what
   * they have overtaken since the call is not answered. Only `parts` need be looked at.
   */
  drift(state: Rules, parts?: ReadonlySet<DriftPart>): Promise<readonly Drift[]>;
  /** The next call compares with the kernel itself and not with what was last written. */
  forget(): void;
}

/** The part of the state that is rules, and what they use. */
export type Rules = Pick<DesiredState, "sets" | "tables">;

/** Our routes in the kernel. */
export interface RouteDriver {
  /**
   * Writes those that are not there. Whether the interface of one that was written has been made anew since, and has taken it
   * along, is only looked at when they are asked for `again`.
   */
  upsert(routes: ReadonlyMap<Cidr, Route>, asked?: "again"): Promise<void>;
  /** Removes our routes that are not named. */
  prune(routes: ReadonlyMap<Cidr, Route>): Promise<void>;
  /** As in `RulesDriver`. */
  drift(routes: ReadonlyMap<Cidr, Route>): Promise<readonly Drift[]>;
  /** As in `RulesDriver`. */
  forget(): void;
}

/**
 * Our queueing disciplines in the kernel. Neither call rejects for what the kernel refuses: a pod that cannot be shaped is
 * reported, and tried again in the next pass; it must not keep others from their policy.
 */
export interface ShapingDriver {
  upsert(shapings: ReadonlyMap<string, Shaping>): Promise<void>;
  /** Removes ours from interfaces that are not named. */
  prune(shapings: ReadonlyMap<string, Shaping>): Promise<void>;
  /** As in `RulesDriver`. */
  forget(): void;
}

/** One driver for each kind of kernel state. */
export interface DataplaneDrivers {
  readonly rules: RulesDriver;
  readonly routes: RouteDriver;
  readonly shapings: ShapingDriver;
}

/**
 * Brings the kernel to a state, in an order in which no packet finds a gap: a route goes before its rules do, sets come
 * before the rules that use them and go after them, and a route comes last, once its endpoint's policy is in force. Shaping
 * comes before the rules that let anything through.
 * Each driver reads what is ours from the kernel the first time and after a failure, and applies the difference.
 */
export class Dataplane {
  readonly #drivers: DataplaneDrivers;
  #last: DesiredState | undefined;

  constructor(drivers: DataplaneDrivers) {
    this.#drivers = drivers;
  }

  /** Resolves when the kernel has acknowledged all of it. Rejects at the first refusal; the next call starts from what the kernel holds. */
  async apply(state: DesiredState): Promise<void> {
    const { rules, routes, shapings } = this.#drivers;
    try {
      await routes.prune(state.routes);
      await shapings.upsert(state.shapings);
      await rules.apply(state);
      await (state === this.#last ? routes.upsert(state.routes, "again") : routes.upsert(state.routes));
      this.#last = state;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /**
   * Takes away what nothing of the state uses any more, and makes shaping and routes again that went with their interface: of what
   * `apply` was last called with and has brought about. False when the kernel still holds on to something: it frees
   * rules some time after it has forgotten them.
   */
  async tidy(state: DesiredState): Promise<boolean> {
    try {
      const used = await this.#drivers.rules.prune(state);
      await this.#drivers.shapings.prune(state.shapings);
      // As in `apply`: an interface that was made anew is shaped before a route leads there.
      await this.#drivers.shapings.upsert(state.shapings);
      await this.#drivers.routes.upsert(state.routes, "again");
      return used.length === 0;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /** As `RulesDriver.faultsOf`, for what was applied. */
  faultsOf(table: Table, chains: readonly string[]): Promise<readonly string[]> {
    return this.#drivers.rules.faultsOf(table, chains);
  }

  /**
   * How the kernel differs from `state`, which is what `apply` was last called with and has brought about; nothing is changed. The
   * next `apply` puts it right. Only `parts` are looked at. `apply` may come meanwhile and need not wait; what is answered is then
   * true, but not all. Rejects when the kernel cannot be asked; the next `apply` then asks again.
   */
  async drift(state: DesiredState, parts: ReadonlySet<DriftPart> = allParts): Promise<readonly Drift[]> {
    const { rules, routes } = this.#drivers;
    try {
      const none = Promise.resolve<readonly Drift[]>([]);
      // All at once: one that began later could not know that the state was no longer in force by then.
      const found = await allEnded([
        parts.has("rules") || parts.has("sets") ? rules.drift(state, parts) : none,
        parts.has("routes") ? routes.drift(state.routes) : none,
      ]);
      return found.flat();
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /** The next `apply` compares with the kernel itself and not with what was last written. */
  #forget(): void {
    for (const driver of Object.values(this.#drivers)) driver.forget();
  }
}

// --- internal ---

const allParts: ReadonlySet<DriftPart> = new Set(["rules", "sets", "routes"]);
