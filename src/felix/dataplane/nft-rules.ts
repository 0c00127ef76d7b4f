import type { Nftables, NftOperation } from "../../host/netlink/nftables.ts";
import type { IpVersion } from "../../net/ip.ts";
import { Writes } from "../../reconcile/writes.ts";
import type { Rule, Table } from "../render/desired-state.ts";
import type { Drift, DriftPart, Rules, RulesDriver } from "./dataplane.ts";
import { rulesDifference, tableText } from "./nft-drift.ts";
import { elementText, mapSpec, targetText } from "./nft-elements.ts";
import { chainHashes } from "./nft-hash.ts";
import { nftChainName, nftMapName, ownTableOf } from "./nft-names.ts";
import { hashesOf } from "./nft-state.ts";
import { NftTable } from "./nft-table.ts";

/**
 * Rules and sets in nftables: one table `calico` of each family, which is ours as a whole, and one transaction for every change
 * of both. Rules are compared by the hash in their comment.
 */
export class NftRules implements RulesDriver {
  readonly #nftables: Nftables;
  readonly #tables: readonly NftTable[];
  /** What the kernel refuses although it was read right before is made from nothing the next time. */
  #isRefused = false;
  readonly #writes = new Writes();

  constructor(nftables: Nftables) {
    this.#nftables = nftables;
    this.#tables = versions.map((version) => new NftTable(nftables, version));
  }

  /** As `RulesDriver.apply`; after a refusal the kernel holds what it held before. */
  async apply(state: Rules): Promise<void> {
    const wasKnown = this.#tables.every(({ isKnown }) => isKnown);
    const anew = this.#isRefused;
    await this.#commit(async () => {
      const operations: NftOperation[] = [];
      for (const table of this.#tables) operations.push(...(await table.advance(state, anew)));
      // Until the kernel has said yes.
      this.#isRefused = !wasKnown && operations.length > 0;
      return operations;
    });
    this.#isRefused = false;
  }

  async prune(state: Rules): Promise<readonly string[]> {
    const used: string[] = [];
    await this.#commit(async () => {
      const operations: NftOperation[] = [];
      for (const table of this.#tables) {
        const pruned = await table.prune(state);
        used.push(...pruned.used);
        operations.push(...pruned.operations);
      }
      return operations;
    });
    return used;
  }

  async faultsOf(table: Table, chains: readonly string[]): Promise<readonly string[]> {
    const faults: string[] = [];
    for (const chain of chains) {
      const fault = await this.#chainFault(table, chain);
      if (fault !== undefined) faults.push(fault);
      for (const { action } of table.chains.get(chain) ?? []) {
        if (action.kind === "dispatch") faults.push(...(await this.#mapFaults(table, action.map, chains)));
      }
    }
    return faults;
  }

  async drift(state: Rules, parts: ReadonlySet<DriftPart> = ownParts): Promise<readonly Drift[]> {
    const isValid = this.#writes.reading();
    const found: Awaited<ReturnType<NftTable["compare"]>>[] = [];
    for (const table of this.#tables) found.push(await table.compare(state, parts.has("sets")));
    // What was read is of no time, when something was written meanwhile.
    if (!isValid()) return [];
    for (const { drifts, keep } of found) if (drifts.length > 0) keep();
    return found.flatMap(({ drifts }) => drifts).filter(({ part }) => parts.has(part));
  }

  forget(): void {
    for (const table of this.#tables) table.forget();
  }

  /** As `IptablesRules.removeOwn`: deletes our tables with all that is in them. Nothing of ours can be in use by others. */
  async removeOwn(): Promise<readonly string[]> {
    this.forget();
    await this.#commit(async () => (await Promise.all(this.#tables.map((table) => table.remove()))).flat());
    return [];
  }

  #commit(work: () => Promise<readonly NftOperation[]>): Promise<void> {
    return this.#writes.during(async () => {
      try {
        const operations = await work();
        if (operations.length > 0) await this.#nftables.commit(operations);
      } catch (error) {
        this.forget();
        throw error;
      }
    });
  }

  async #chainFault({ version, name, chains }: Table, chain: string): Promise<string | undefined> {
    const kernelName = nftChainName(name, chain);
    const where = `chain ${kernelName} of ${tableText(version)}`;
    const id = ownTableOf(version);
    const found = hashesOf(await this.#nftables.rules(id, kernelName));
    // An empty chain and none look the same.
    if (found.length === 0 && !(await this.#nftables.chains(id)).some((one) => one.name === kernelName)) {
      return `there is no ${where}`;
    }
    const wanted: readonly Rule[] = chains.get(chain) ?? [];
    if (found.length !== wanted.length) return `${where} has ${found.length} rules, not ${wanted.length}`;
    const difference = rulesDifference(chainHashes(kernelName, wanted), found);
    return difference === undefined ? undefined : `${where} has other rules than were made`;
  }

  /** What of a map's entries for `chains` the kernel has not. */
  async #mapFaults({ version, name, maps }: Table, map: string, chains: readonly string[]): Promise<readonly string[]> {
    const kernelName = nftMapName(name, map);
    const entries = [...(maps?.get(map)?.targets ?? [])].filter(([, chain]) => chains.includes(chain));
    if (entries.length === 0) return [];
    const elements = await this.#nftables.elements({ ...ownTableOf(version), set: kernelName });
    const found = new Set(elements.map((element) => elementText(element, mapSpec(kernelName))));
    return entries
      .filter(([interfaceName, chain]) => !found.has(targetText(interfaceName, nftChainName(name, chain))))
      .map(
        ([interfaceName, chain]) =>
          `map ${kernelName} of ${tableText(version)} does not lead ${interfaceName} to ${nftChainName(name, chain)}`,
      );
  }
}

// --- internal ---

const ownParts: ReadonlySet<DriftPart> = new Set(["rules", "sets"]);

const versions: readonly IpVersion[] = [4, 6];
