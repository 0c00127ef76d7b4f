import { CommandError, type Host } from "../../host/host.ts";
import { allEnded } from "../../net/all-ended.ts";
import type { IpVersion } from "../../net/ip.ts";
import { Writes } from "../../reconcile/writes.ts";
import type { TableName } from "../render/desired-state.ts";
import type { PrintedTable } from "../render/iptables.ts";
import type { Drift } from "./dataplane.ts";
import { emptyTables } from "./empty-tables.ts";
import type { IptablesPrograms } from "./iptables-programs.ts";
import { parseChainListing, parseIptablesSave, type SavedTable } from "./iptables-save.ts";
import { emptySavedTable, tableDrift, tableTransaction } from "./iptables-transaction.ts";
import type { LockWatch } from "./lock-watch.ts";
import { RestoreWriter } from "./restore-writer.ts";

export interface IptablesDriverOptions {
  readonly lockWatch?: LockWatch | undefined;
  /** The families that the kernel has. */
  readonly versions?: readonly IpVersion[] | undefined;
}

/**
 * Our rules through iptables(8), either variant: one `iptables-restore --noflush` transaction a table that changed, which
 * the kernel takes whole or not at all. A table of the family that is not named any more loses what is ours. Chains are
 * compared by the hash in each rule's comment; what is not ours is left.
 */
export class IptablesDriver {
  readonly #host: Host;
  readonly #programs: IptablesPrograms;
  readonly #versions: readonly IpVersion[];
  readonly #lockWatch: LockWatch | undefined;
  readonly #writers: Readonly<Record<IpVersion, RestoreWriter>>;
  readonly #actual = new Map<IpVersion, Map<string, SavedTable>>();
  /** What was found to ask for just that. */
  readonly #asked = new WeakMap<SavedTable, PrintedTable>();
  readonly #writes = new Writes();

  constructor(host: Host, programs: IptablesPrograms, { lockWatch, versions = [4, 6] }: IptablesDriverOptions = {}) {
    this.#host = host;
    this.#versions = versions;
    this.#lockWatch = lockWatch;
    this.#programs = programs;
    this.#writers = {
      4: new RestoreWriter(host, programs[4].restore),
      6: new RestoreWriter(host, programs[6].restore),
    };
  }

  /**
   * Makes our chains and our rules in others' chains so, in one transaction a table. Of a family that the state has nothing of, what
   * an earlier one has left goes.
   */
  async apply(tables: readonly PrintedTable[]): Promise<void> {
    const byVersion = Map.groupBy(tables, ({ version }) => version);
    await allEnded(this.#versions.map((version) => this.#applyVersion(version, byVersion.get(version) ?? [])));
  }

  /** As `RulesDriver.faultsOf`. */
  async faultsOf(table: PrintedTable, chains: readonly string[]): Promise<readonly string[]> {
    const program = this.#programs[table.version].iptables;
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
    const byVersion = Map.groupBy(tables, ({ version }) => version);
    const found = await allEnded(
      [...byVersion].map(async ([version, ofVersion]) => {
        const isValid = this.#writes.reading();
        const actual = await this.#readKernel(version);
        if (!isValid()) return [];
        this.#actual.set(version, actual);
        return ofVersion.flatMap((table) => tableDrift(table, actual.get(table.name) ?? emptySavedTable));
      }),
    );
    return found.flat();
  }

  /**
   * Deletes our chains and our rules in others' chains, of both families, and ends the programs. The rest stays, and with it
   * chains of ours that rules of others lead to, empty.
   */
  async removeOwn(): Promise<void> {
    this.forget();
    await allEnded(
      this.#versions.map(async (version) => {
        const { stdout } = await this.#host.run([this.#programs[version].save]);
        // It throws when this is no such listing.
        parseIptablesSave(stdout);
        const { text } = emptyTables(stdout);
        if (text !== "") await this.#write(version, text);
      }),
    );
    this.close();
  }

  /** Ends the programs that are kept running. The next write starts them anew. */
  close(): void {
    for (const writer of Object.values(this.#writers)) writer.close();
  }

  /** The next call compares with the kernel itself and not with what was last written. */
  forget(): void {
    this.#actual.clear();
  }

  async #applyVersion(version: IpVersion, tables: readonly PrintedTable[]): Promise<void> {
    const actual = await this.#read(version);
    await this.#confirmMissing(tables, actual);
    // A proof may have read it anew meanwhile, and what is written is to be noted there.
    if (this.#actual.get(version) !== actual) return this.#applyVersion(version, tables);
    const changed = [...tables, ...emptied(version, tables, actual)].flatMap((table) => {
      const found = actual.get(table.name) ?? emptySavedTable;
      if (this.#asked.get(found) === table) return [];
      const transaction = tableTransaction(table, found);
      if (transaction !== undefined) return [{ table, ...transaction }];
      this.#asked.set(found, table);
      return [];
    });
    if (changed.length === 0) return;
    const text = changed.map(({ text }) => text).join("");
    await this.#write(version, text);
    for (const { table, after } of changed) {
      actual.set(table.name, after);
      this.#asked.set(after, table);
    }
  }

  #write(version: IpVersion, text: string): Promise<void> {
    const write = () => this.#writers[version].write(text);
    const { restore } = this.#programs[version];
    return this.#writes.during(() => this.#lockWatch?.during(version, restore, write) ?? write());
  }

  /**
   * A table that iptables-save does not mention may be one that it could not read, or an answer cut short. Chains of ours in it
   * would be hooked in twice. Throws when it holds any; at the start of a node it holds none, and is known from then on.
   */
  async #confirmMissing(tables: readonly PrintedTable[], actual: Map<string, SavedTable>): Promise<void> {
    const missing = tables.filter(({ name, chains }) => chains.size > 0 && !actual.has(name));
    await allEnded(
      missing.map(async ({ name, version }) => {
        const program = this.#programs[version].iptables;
        const { stdout } = await this.#host.run([program, ...lockOptions, "-t", name, "-S"], { timeoutMs: 60_000 });
        if (/^-N cali-/m.test(stdout)) {
          throw new Error(
            `Cannot tell what iptables holds: ${this.#programs[version].save} leaves out table ${name}, where ${program} shows our chains`,
          );
        }
        actual.set(name, emptySavedTable);
      }),
    );
  }

  /** Undefined when there is no such chain. */
  async #list(program: string, table: string, chain: string): Promise<readonly (string | undefined)[] | undefined> {
    try {
      const { stdout } = await this.#host.run([program, ...lockOptions, "-t", table, "-S", chain], {
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
    const saved = await this.#readKernel(version);
    this.#actual.set(version, saved);
    return saved;
  }

  async #readKernel(version: IpVersion): Promise<Map<string, SavedTable>> {
    return parseIptablesSave((await this.#host.run([this.#programs[version].save])).stdout);
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

/** Legacy iptables takes no lock for a listing in some versions, and waits for it without end in others. */
const lockOptions = ["--wait", "30"];

const allTables: readonly TableName[] = ["raw", "mangle", "nat", "filter"];
