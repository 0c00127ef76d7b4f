import type { Host } from "../../host/host.ts";
import type { SetNetlink } from "../../host/netlink/set-netlink.ts";
import { allEnded } from "../../net/all-ended.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { Table } from "../render/desired-state.ts";
import type { PrintedTable } from "../render/iptables.ts";
import type { Drift, DriftPart, Rules, RulesDriver } from "./dataplane.ts";
import { IpsetDriver } from "./ipset-driver.ts";
import { IptablesDriver } from "./iptables-driver.ts";
import { type IptablesPrograms, linkedPrograms } from "./iptables-programs.ts";
import type { LockWatch } from "./lock-watch.ts";

/** What the backend of iptables and ipset works with. */
export interface IptablesRulesParts {
  readonly host: Host;
  /** Of the namespace that `host` works in. */
  readonly sets: SetNetlink;
  /** `printTable` of rendering: a table as lines of iptables-restore. */
  readonly print: (table: Table) => PrintedTable;
  /** Of the variant to use; by default those that `iptables` and its like lead to. */
  readonly programs?: IptablesPrograms;
  /** Told of waits for the lock. */
  readonly lockWatch?: LockWatch;
  /** The families that the kernel has; both when absent. */
  readonly versions?: readonly IpVersion[];
}

/** Rules in iptables, either variant, and sets in ipset. A set is there before a rule uses it, and goes after the last one. */
export class IptablesRules implements RulesDriver {
  readonly #sets: IpsetDriver;
  readonly #tables: IptablesDriver;
  readonly #print: IptablesRulesParts["print"];

  constructor({ host, sets, print, programs = linkedPrograms, ...options }: IptablesRulesParts) {
    this.#sets = new IpsetDriver(host, sets);
    this.#tables = new IptablesDriver(host, programs, options);
    this.#print = print;
  }

  async apply({ sets, tables }: Rules): Promise<void> {
    await this.#sets.upsert(sets);
    await this.#tables.apply(this.#printed(tables));
  }

  prune({ sets }: Rules): Promise<readonly string[]> {
    return this.#sets.prune(sets);
  }

  faultsOf(table: Table, chains: readonly string[]): Promise<readonly string[]> {
    return this.#tables.faultsOf(this.#print(table), chains);
  }

  async drift({ sets, tables }: Rules, parts?: ReadonlySet<DriftPart>): Promise<readonly Drift[]> {
    const none = Promise.resolve<readonly Drift[]>([]);
    // At once, as in `Dataplane.drift`.
    const found = await allEnded([
      parts?.has("sets") === false ? none : this.#sets.drift(sets),
      parts?.has("rules") === false ? none : this.#tables.drift(this.#printed(tables)),
    ]);
    return found.flat();
  }

  /**
   * Deletes our chains, our rules in others' chains and our sets, and nothing else: when another backend or variant is in force
   * instead, or the node is given up. Sets that are named in `kept`, and those that some rule still uses, stay; answers the latter.
   */
  async removeOwn(kept: Rules["sets"] = new Map()): Promise<readonly string[]> {
    await this.#tables.removeOwn();
    this.#sets.forget();
    let left = await this.#sets.prune(kept);
    for (let before = Number.POSITIVE_INFINITY; left.length > 0 && left.length < before; ) {
      before = left.length;
      left = await this.#sets.prune(kept);
    }
    return left;
  }

  forget(): void {
    this.#sets.forget();
    this.#tables.forget();
  }

  /** Ends the programs that are kept running. The next call starts them anew. */
  close(): void {
    this.#tables.close();
  }

  #printed(tables: Rules["tables"]): readonly PrintedTable[] {
    return [...tables.values()].map(this.#print);
  }
}
