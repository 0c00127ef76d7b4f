import type { Cidr } from "../../net/cidr.ts";
import type { IpSet, Route, Shaping } from "../render/desired-state.ts";
import type { PrintedTable } from "../render/iptables.ts";

/** Everything that the kernel should hold for this node. */
export interface KernelState {
  readonly sets: ReadonlyMap<string, IpSet>;
  readonly tables: readonly PrintedTable[];
  readonly routes: ReadonlyMap<Cidr, Route>;
  /** By host interface. */
  readonly shapings: ReadonlyMap<string, Shaping>;
}

/** Our address sets in the kernel. */
export interface SetDriver {
  /** Makes the sets and their members so; leaves sets that are not named. */
  upsert(sets: ReadonlyMap<string, IpSet>): Promise<void>;
  /** Destroys our sets that are not named. Answers those that some rule still uses, which stay. */
  prune(sets: ReadonlyMap<string, IpSet>): Promise<readonly string[]>;
  /** The next call compares with the kernel itself and not with what was last written. */
  forget(): void;
}

/** Our rules in the kernel. */
export interface TableDriver {
  /** Makes our chains and our rules in others' chains so, in one transaction a table. */
  apply(tables: readonly PrintedTable[]): Promise<void>;
  /**
   * Asks the kernel for these chains alone, one by one; answers a sentence for each that it does not hold as printed. Rejects
   * when it cannot be asked.
   */
  faultsOf(table: PrintedTable, chains: readonly string[]): Promise<readonly string[]>;
  /** As in `SetDriver`. */
  forget(): void;
}

/** Our routes in the kernel. */
export interface RouteDriver {
  upsert(routes: ReadonlyMap<Cidr, Route>): Promise<void>;
  /** Removes our routes that are not named. */
  prune(routes: ReadonlyMap<Cidr, Route>): Promise<void>;
  /** As in `SetDriver`. */
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
  /** As in `SetDriver`. */
  forget(): void;
}

/** One driver for each kind of kernel state. */
export interface DataplaneDrivers {
  readonly sets: SetDriver;
  readonly tables: TableDriver;
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

  constructor(drivers: DataplaneDrivers) {
    this.#drivers = drivers;
  }

  /** Resolves when the kernel has acknowledged all of it. Rejects at the first refusal; the next call starts from what the kernel holds. */
  async apply(state: KernelState): Promise<void> {
    const { sets, tables, routes, shapings } = this.#drivers;
    try {
      await routes.prune(state.routes);
      await sets.upsert(state.sets);
      await shapings.upsert(state.shapings);
      await tables.apply(state.tables);
      await routes.upsert(state.routes);
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /**
   * Takes away what nothing of the state uses any more: of what `apply` was last called with, and after it, as nobody waits for
   * this. False when the kernel still holds on to something: it frees rules some time after it has forgotten them.
   */
  async tidy({ sets, shapings }: KernelState): Promise<boolean> {
    try {
      const used = await this.#drivers.sets.prune(sets);
      await this.#drivers.shapings.prune(shapings);
      return used.length === 0;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /** As `TableDriver.faultsOf`, for what was printed and applied. */
  faultsOf(table: PrintedTable, chains: readonly string[]): Promise<readonly string[]> {
    return this.#drivers.tables.faultsOf(table, chains);
  }

  /** The next `apply` compares with the kernel itself and not with what was last written. */
  #forget(): void {
    for (const driver of Object.values(this.#drivers)) driver.forget();
  }
}
