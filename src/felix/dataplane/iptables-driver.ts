import type { Host } from "../../host/host.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { PrintedTable } from "../render/iptables.ts";
import type { TableDriver } from "./dataplane.ts";
import { parseIptablesSave, type SavedTable } from "./iptables-save.ts";
import { emptySavedTable, tableTransaction } from "./iptables-transaction.ts";

/**
 * Our rules through iptables(8), either variant: one `iptables-restore --noflush` transaction a table that changed, which
 * the kernel takes whole or not at all. Chains are compared by the hash in each rule's comment; what is not ours is left.
 */
export class IptablesDriver implements TableDriver {
  readonly #host: Host;
  readonly #actual = new Map<IpVersion, Map<string, SavedTable>>();

  constructor(host: Host) {
    this.#host = host;
  }

  async apply(tables: readonly PrintedTable[]): Promise<void> {
    for (const version of [4, 6] as const) {
      const ofVersion = tables.filter((table) => table.version === version);
      if (ofVersion.length > 0) await this.#applyVersion(version, ofVersion);
    }
  }

  forget(): void {
    this.#actual.clear();
  }

  async #applyVersion(version: IpVersion, tables: readonly PrintedTable[]): Promise<void> {
    const actual = await this.#read(version);
    const changed = tables.flatMap((table) => {
      const transaction = tableTransaction(table, actual.get(table.name) ?? emptySavedTable);
      return transaction === undefined ? [] : [{ name: table.name, ...transaction }];
    });
    if (changed.length === 0) return;
    const text = changed.map(({ text }) => text).join("");
    await this.#host.run([program(version, "restore"), "--noflush", "--wait", "30"], {
      stdin: text,
      timeoutMs: 60_000,
    });
    for (const { name, after } of changed) actual.set(name, after);
  }

  async #read(version: IpVersion): Promise<Map<string, SavedTable>> {
    const known = this.#actual.get(version);
    if (known !== undefined) return known;
    const saved = parseIptablesSave((await this.#host.run([program(version, "save")])).stdout);
    this.#actual.set(version, saved);
    return saved;
  }
}

// --- internal ---

function program(version: IpVersion, what: "save" | "restore"): string {
  return `${version === 4 ? "iptables" : "ip6tables"}-${what}`;
}
