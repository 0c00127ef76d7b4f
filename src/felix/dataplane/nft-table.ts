import type { Nftables, NftOperation, NftSet } from "../../host/netlink/nftables.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { Drift, Rules } from "./dataplane.ts";
import { type ChainEdit, chainEdit } from "./nft-chain-edit.ts";
import { NftContents } from "./nft-contents.ts";
import { tableDrift } from "./nft-drift.ts";
import { chainHashes } from "./nft-hash.ts";
import { ownTable, ownTableOf } from "./nft-names.ts";
import { hangsOn, hashesOf, type KernelTable, noTable, readKernelTable, sameHashes, sameSpec } from "./nft-state.ts";
import { NftTransaction } from "./nft-transaction.ts";
import { usedSets, type Wanted, type WantedChain, type WantedSet, wantedChains, wantedSets } from "./nft-wanted.ts";

/** Our table of one family: what the kernel holds of it, and what turns that into a state. */
export class NftTable {
  readonly #nftables: Nftables;
  readonly #version: IpVersion;
  /** Undefined: to be read. */
  #kernel: KernelTable | undefined;
  /** What `kernel` holds; undefined when it was read, and holds anything. */
  #held: Rules | undefined;
  /** Sets that nobody wants and rules still use. */
  #kept: ReadonlySet<string> = new Set();

  constructor(nftables: Nftables, version: IpVersion) {
    this.#nftables = nftables;
    this.#version = version;
  }

  /**
   * The operations that bring the table to the state, in one transaction; none when it is so. They are taken as done: when they
   * are not, call `forget`. With `anew` it is made from nothing, whatever there is.
   */
  async advance(state: Rules, anew = false): Promise<readonly NftOperation[]> {
    let kernel = await this.#read();
    let held = this.#held;
    let chains = wantedChains(this.#version, state, held);
    let sets = wantedSets(this.#version, state, held);
    const isEmpty = this.#isEmpty(state);
    const id = ownTableOf(this.#version);
    const operations: NftOperation[] = [];
    if (kernel.exists && (isEmpty || anew || isOfOtherKind(kernel, chains, sets))) {
      operations.push({ ...id, kind: "delete-table" });
      kernel = noTable();
      held = undefined;
      this.#start(kernel);
      chains = wantedChains(this.#version, state);
      sets = wantedSets(this.#version, state);
    }
    if (!isEmpty) operations.push(...(await this.#edit(state, { chains, sets, kernel, isRead: held === undefined })));
    this.#held = state;
    return operations;
  }

  /** Deletes the sets that the state has not. Answers those that its rules still use, which stay. */
  async prune(
    state: Rules,
  ): Promise<{ readonly operations: readonly NftOperation[]; readonly used: readonly string[] }> {
    const kernel = await this.#read();
    const named = new Set(wantedSets(this.#version, state).changed.map(({ spec }) => spec.set));
    const gone = [...kernel.sets.keys()].filter((name) => !named.has(name));
    if (gone.length === 0) return { operations: [], used: [] };
    const inUse = usedSets(this.#version, state);
    const used = gone.filter((name) => inUse.has(name));
    this.#kept = new Set(used);
    const transaction = new NftTransaction(ownTableOf(this.#version));
    for (const name of gone) {
      if (inUse.has(name)) continue;
      transaction.deleteSet(name);
      kernel.sets.delete(name);
    }
    return { operations: transaction.operations, used };
  }

  /**
   * Reads the table, and answers how it differs from the state: of its sets only with `withSets`. `keep` has the next
   * transaction start from what was read.
   */
  async compare(state: Rules, withSets: boolean): Promise<{ readonly drifts: readonly Drift[]; keep(): void }> {
    const known = this.#held === state ? this.#kernel : undefined;
    const remembered = (spec: NftSet) => {
      const set = withSets || spec.verdicts ? undefined : known?.sets.get(spec.set);
      return set !== undefined && sameSpec(set.spec, spec) ? set : undefined;
    };
    const found = await readKernelTable(this.#nftables, this.#version, remembered);
    const isRight = this.#isEmpty(state) && !found.exists;
    const drifts = isRight ? [] : tableDrift(this.#version, state, found, { known, kept: this.#kept });
    return { drifts, keep: () => this.#start(found) };
  }

  /** Answers the operation that deletes the table, if there is one. */
  async remove(): Promise<readonly NftOperation[]> {
    const exists = (await this.#nftables.tables(this.#version)).includes(ownTable);
    this.#start(noTable());
    return exists ? [{ ...ownTableOf(this.#version), kind: "delete-table" }] : [];
  }

  /** The table is read anew before the next transaction. */
  forget(): void {
    this.#kernel = undefined;
    this.#held = undefined;
    this.#kept = new Set();
  }

  /** Whether `advance` would start from what is remembered. */
  get isKnown(): boolean {
    return this.#held !== undefined;
  }

  #start(kernel: KernelTable): void {
    this.forget();
    this.#kernel = kernel;
  }

  async #read(): Promise<KernelTable> {
    this.#kernel ??= await readKernelTable(this.#nftables, this.#version);
    return this.#kernel;
  }

  /** Nothing is wanted of the family. */
  #isEmpty({ sets, tables }: Rules): boolean {
    for (const set of sets.values()) if (set.version === this.#version) return false;
    for (const { version, chains, hooks, maps } of tables.values()) {
      if (version === this.#version && chains.size + hooks.size + (maps?.size ?? 0) > 0) return false;
    }
    return true;
  }

  /** `isRead`: the kernel's table may hold anything beside what is named. */
  async #edit(state: Rules, { chains, sets, kernel, isRead }: TableEdit): Promise<readonly NftOperation[]> {
    const transaction = new NftTransaction(ownTableOf(this.#version));
    if (!kernel.exists) transaction.addTable();
    kernel.exists = true;
    for (const chain of chains.changed) await this.#editChain(chain, kernel, transaction);
    for (const set of sets.changed) editSet(set, kernel, transaction);
    for (const name of isRead
      ? beyond(
          kernel.chains,
          chains.changed.map(({ name }) => name),
        )
      : chains.gone) {
      transaction.deleteChain(name);
      kernel.chains.delete(name);
    }
    const goneSets = isRead
      ? beyond(
          kernel.sets,
          sets.changed.map(({ spec }) => spec.set),
        )
      : sets.gone;
    this.#deleteSets([...goneSets, ...this.#kept], state, { kernel, transaction });
    return transaction.operations;
  }

  #deleteSets(
    gone: readonly string[],
    state: Rules,
    { kernel, transaction }: { readonly kernel: KernelTable; readonly transaction: NftTransaction },
  ): void {
    if (gone.length === 0) return;
    const used = usedSets(this.#version, state);
    this.#kept = new Set(gone.filter((name) => used.has(name)));
    for (const name of gone) {
      if (used.has(name)) continue;
      transaction.deleteSet(name);
      kernel.sets.delete(name);
    }
  }

  async #editChain(chain: WantedChain, kernel: KernelTable, transaction: NftTransaction): Promise<void> {
    const { name, base, rules } = chain;
    const hashes = chainHashes(name, rules);
    const found = kernel.chains.get(name);
    if (found !== undefined && sameHashes(hashes, found.hashes)) return;
    kernel.chains.set(name, { base, hashes });
    if (found === undefined) transaction.addChain(chain, hashes);
    else {
      const edit = await this.#editInPlace(name, hashes, found.hashes);
      if (edit === undefined) transaction.refillChain(chain, hashes);
      else transaction.editChain(chain, hashes, edit);
    }
  }

  /** Of a long chain of which most stays, what goes and comes; undefined when it is better filled anew. */
  async #editInPlace(
    chain: string,
    hashes: readonly string[],
    found: readonly (string | undefined)[],
  ): Promise<ChainEdit | undefined> {
    const edit = chainEdit(hashes, found);
    if (edit === undefined) return undefined;
    const rules = await this.#nftables.rules(ownTableOf(this.#version), chain);
    // Others have been at it since.
    if (!hashesOf(rules).every((hash, index) => hash === found[index]) || rules.length !== found.length)
      return undefined;
    return { ...edit, handles: rules.map(({ handle }) => handle) };
  }
}

// --- internal ---

interface TableEdit {
  readonly chains: Wanted<WantedChain>;
  readonly sets: Wanted<WantedSet>;
  readonly kernel: KernelTable;
  readonly isRead: boolean;
}

/** Whether something of ours is there as something else, which the kernel cannot make of it. */
function isOfOtherKind(kernel: KernelTable, chains: Wanted<WantedChain>, sets: Wanted<WantedSet>): boolean {
  const otherChain = ({ name, base }: WantedChain) => {
    const found = kernel.chains.get(name);
    return found !== undefined && !hangsOn(base, found);
  };
  const otherSet = ({ spec }: WantedSet) => {
    const found = kernel.sets.get(spec.set);
    return found !== undefined && !sameSpec(found.spec, spec);
  };
  return kernel.dormant === true || chains.changed.some(otherChain) || sets.changed.some(otherSet);
}

function beyond(found: ReadonlyMap<string, unknown>, wanted: readonly string[]): readonly string[] {
  const names = new Set(wanted);
  return [...found.keys()].filter((name) => !names.has(name));
}

function editSet({ spec, members }: WantedSet, kernel: KernelTable, transaction: NftTransaction): void {
  const found = kernel.sets.get(spec.set);
  const isOurs = found?.contents instanceof NftContents;
  const contents = isOurs ? (found.contents as NftContents) : new NftContents(spec);
  let delta = contents.become(members);
  if (found === undefined) transaction.addSet(spec);
  else if ("found" in found.contents) delta = contents.compare(found.contents.found);
  kernel.sets.set(spec.set, { spec, contents });
  transaction.changeElements(spec, delta);
}
