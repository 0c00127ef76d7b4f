import type { Cidr } from "../../net/cidr.ts";
import type { IpSet, Route } from "../render/desired-state.ts";
import type { PrintedTable } from "../render/iptables.ts";

/** Everything that the kernel should hold for this node. */
export interface KernelState {
  readonly sets: ReadonlyMap<string, IpSet>;
  readonly tables: readonly PrintedTable[];
  readonly routes: ReadonlyMap<Cidr, Route>;
}

/** Our address sets in the kernel. */
export interface SetDriver {
  /** Makes the sets and their members so; leaves sets that are not named. */
  upsert(sets: ReadonlyMap<string, IpSet>): Promise<void>;
  /** Destroys our sets that are not named. A set that some rule still uses makes it reject. */
  prune(sets: ReadonlyMap<string, IpSet>): Promise<void>;
  /** The next call compares with the kernel itself and not with what was last written. */
  forget(): void;
}

/** Our rules in the kernel. */
export interface TableDriver {
  /** Makes our chains and our rules in others' chains so, in one transaction a table. */
  apply(tables: readonly PrintedTable[]): Promise<void>;
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

/** One driver for each kind of kernel state. */
export interface DataplaneDrivers {
  readonly sets: SetDriver;
  readonly tables: TableDriver;
  readonly routes: RouteDriver;
}

/**
 * Brings the kernel to a state, in an order in which no packet finds a gap: a route goes before its rules do, sets come
 * before the rules that use them and go after them, and a route comes last, once its endpoint's policy is in force.
 * Each driver reads what is ours from the kernel the first time and after a failure, and applies the difference.
 */
export class Dataplane {
  readonly #drivers: DataplaneDrivers;

  constructor(drivers: DataplaneDrivers) {
    this.#drivers = drivers;
  }

  /** Resolves when the kernel has acknowledged all of it. Rejects at the first refusal; the next call starts from what the kernel holds. */
  async apply(state: KernelState): Promise<void> {
    const { sets, tables, routes } = this.#drivers;
    try {
      await routes.prune(state.routes);
      await sets.upsert(state.sets);
      await tables.apply(state.tables);
      await routes.upsert(state.routes);
      await sets.prune(state.sets);
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
