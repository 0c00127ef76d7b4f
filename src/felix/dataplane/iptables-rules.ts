import type { Host } from "../../host/host.ts";
import type { SetNetlink } from "../../host/netlink/set-netlink.ts";
import type { Table } from "../render/desired-state.ts";
import type { PrintedTable } from "../render/iptables.ts";
import type { Drift, Rules, RulesDriver } from "./dataplane.ts";
import { IpsetDriver } from "./ipset-driver.ts";
import { IptablesDriver } from "./iptables-driver.ts";

/** What the backend of iptables and ipset works with. */
export interface IptablesRulesParts {
  readonly host: Host;
  /** Of the namespace that `host` works in. */
  readonly sets: SetNetlink;
  /** `printTable` of rendering: a table as lines of iptables-restore. */
  readonly print: (table: Table) => PrintedTable;
}

/** Rules in iptables, either variant, and sets in ipset. A set is there before a rule uses it, and goes after the last one. */
export class IptablesRules implements RulesDriver {
  readonly #sets: IpsetDriver;
  readonly #tables: IptablesDriver;
  readonly #print: IptablesRulesParts["print"];

  constructor({ host, sets, print }: IptablesRulesParts) {
    this.#sets = new IpsetDriver(host, sets);
    this.#tables = new IptablesDriver(host);
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

  async drift({ sets, tables }: Rules): Promise<readonly Drift[]> {
    return [...(await this.#sets.drift(sets)), ...(await this.#tables.drift(this.#printed(tables)))];
  }

  forget(): void {
    this.#sets.forget();
    this.#tables.forget();
  }

  #printed(tables: Rules["tables"]): readonly PrintedTable[] {
    return [...tables.values()].map(this.#print);
  }
}
