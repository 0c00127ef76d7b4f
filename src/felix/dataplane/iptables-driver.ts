import { CommandError, type Host } from "../../host/host.ts";
import { allEnded } from "../../net/all-ended.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { TableName } from "../render/desired-state.ts";
import type { PrintedTable } from "../render/iptables.ts";
import type { Drift } from "./dataplane.ts";
import { parseChainListing, parseIptablesSave, type SavedTable } from "./iptables-save.ts";
import { emptySavedTable, tableDrift, tableTransaction } from "./iptables-transaction.ts";
import { RestoreWriter } from "./restore-writer.ts";

/**
 * Our rules through iptables(8), either variant: one `iptables-restore --noflush` transaction a table that changed, which
 * the kernel takes whole or not at all. A table of the family that is not named any more loses what is ours. Chains are
 * compared by the hash in each rule's comment; what is not ours is left.
 */
export class IptablesDriver {
  readonly #host: Host;
  readonly #writers: Readonly<Record<IpVersion, RestoreWriter>>;
  readonly #actual = new Map<IpVersion, Map<string, SavedTable>>();

  constructor(host: Host) {
    this.#host = host;
    this.#writers = { 4: new RestoreWriter(host, 4), 6: new RestoreWriter(host, 6) };
  }

  /** Makes our chains and our rules in others' chains so, in one transaction a table. */
  async apply(tables: readonly PrintedTable[]): Promise<void> {
    const byVersion = Map.groupBy(tables, ({ version }) => version);
    await allEnded([...byVersion].map(([version, ofVersion]) => this.#applyVersion(version, ofVersion)));
  }

  /** As `RulesDriver.faultsOf`. */
  async faultsOf(table: PrintedTable, chains: readonly string[]): Promise<readonly string[]> {
    const program = table.version === 4 ? "iptables" : "ip6tables";
    const faults: string[] = [];
    for (const name of chains) {
      const found = await this.#list(program, table.name, name);
      const wanted = (table.chains.get(name) ?? []).map(({ hash }) => hash);
      const where = `chain ${name} of ${program} table ${table.name}`;
      if (found === undefined) faults.push(`there is no ${where}`);
      else if (found.length !== wanted.length) faults.push(`${where} has ${found.length} rules, not ${wanted.length}`);
      else if (!wanted.every((hash, index) => hash === found[index]))
        faults.push(`${where} has other rules than were made`);
    }
    return faults;
  }

  /** Reads every table, and answers which chains are not as printed. */
  async drift(tables: readonly PrintedTable[]): Promise<readonly Drift[]> {
    this.forget();
    const byVersion = Map.groupBy(tables, ({ version }) => version);
    const found = await allEnded(
      [...byVersion].map(async ([version, ofVersion]) => {
        const actual = await this.#read(version);
        return ofVersion.flatMap((table) => tableDrift(table, actual.get(table.name) ?? emptySavedTable));
      }),
    );
    return found.flat();
  }

  /** The next call compares with the kernel itself and not with what was last written. */
  forget(): void {
    this.#actual.clear();
  }

  async #applyVersion(version: IpVersion, tables: readonly PrintedTable[]): Promise<void> {
    const actual = await this.#read(version);
    const changed = [...tables, ...emptied(version, tables, actual)].flatMap((table) => {
      const transaction = tableTransaction(table, actual.get(table.name) ?? emptySavedTable);
      return transaction === undefined ? [] : [{ name: table.name, ...transaction }];
    });
    if (changed.length === 0) return;
    const text = changed.map(({ text }) => text).join("");
    await this.#writers[version].write(text);
    for (const { name, after } of changed) actual.set(name, after);
  }

  /** Undefined when there is no such chain. */
  async #list(program: string, table: string, chain: string): Promise<readonly (string | undefined)[] | undefined> {
    try {
      const { stdout } = await this.#host.run([program, "--wait", "30", "-t", table, "-S", chain], {
        timeoutMs: 60_000,
      });
      return parseChainListing(stdout);
    } catch (error) {
      // The nft variant says it in two ways, depending on the version.
      const said = error instanceof CommandError && error.exitCode === 1 ? error.stderr : "";
      if (/No chain\/target\/match by that name|chain .* (is incompatible|does not exist)/i.test(said))
        return undefined;
      throw error;
    }
  }

  async #read(version: IpVersion): Promise<Map<string, SavedTable>> {
    const known = this.#actual.get(version);
    if (known !== undefined) return known;
    const saved = parseIptablesSave((await this.#host.run([savers[version]])).stdout);
    this.#actual.set(version, saved);
    return saved;
  }
}

// --- internal ---

/** The tables that nothing is wanted of any more: of those, too, what is ours goes. */
function emptied(
  version: IpVersion,
  tables: readonly PrintedTable[],
  actual: ReadonlyMap<string, SavedTable>,
): readonly PrintedTable[] {
  const wanted = new Set(tables.map(({ name }) => name));
  return allTables
    .filter((name) => actual.has(name) && !wanted.has(name))
    .map((name) => ({ version, name, chains: new Map(), hooks: new Map() }));
}

const allTables: readonly TableName[] = ["raw", "mangle", "nat", "filter"];

const savers = { 4: "iptables-save", 6: "ip6tables-save" } as const;
