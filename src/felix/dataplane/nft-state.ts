/** What the kernel holds in our table of one family. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Nftables, NftBaseChain, NftRule, NftSet } from "../../host/netlink/nftables.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { NftContents } from "./nft-contents.ts";
import { elementText } from "./nft-elements.ts";
import { hashInComment } from "./nft-hash.ts";
import { ownTable, ownTableOf } from "./nft-names.ts";

/** As it was read, or as it is after what has been written since. */
export interface KernelTable {
  /** Whether there is such a table at all. */
  exists: boolean;
  /** Its chains hang on no hook: somebody has put it to sleep. */
  readonly dormant?: boolean;
  readonly chains: Map<string, KernelChain>;
  /** Sets and maps. */
  readonly sets: Map<string, KernelSet>;
}

/** One chain, by the hashes of its rules; a rule that is not ours has none. */
export interface KernelChain {
  readonly base: NftBaseChain | undefined;
  /** Its policy, which ours never have. */
  readonly drops?: true | undefined;
  readonly hashes: readonly (string | undefined)[];
}

/** One set or map: with what was read from it, or with what we have made of it. */
export interface KernelSet {
  readonly spec: NftSet;
  readonly contents: NftContents | { readonly found: ReadonlySet<string> };
}

/**
 * Reads all of it. Of sets that `spared` answers for, what they hold is not read, and is as it says. Rejects with a
 * `NetlinkError`.
 */
export async function readKernelTable(
  nftables: Nftables,
  version: IpVersion,
  spared: (spec: NftSet) => KernelSet | undefined = () => undefined,
): Promise<KernelTable> {
  const table = ownTableOf(version);
  if (!(await nftables.tables(version)).includes(ownTable)) return noTable();
  const rules = Map.groupBy(await nftables.rules(table), ({ chain }) => chain);
  const chains = new Map<string, KernelChain>();
  for (const { name, base, drops } of await nftables.chains(table)) {
    chains.set(name, { base, drops, hashes: hashesOf(rules.get(name) ?? []) });
  }
  const sets = new Map<string, KernelSet>();
  for (const spec of await nftables.sets(table)) {
    // A large set takes long to read.
    await nextTurn();
    sets.set(spec.set, spared(spec) ?? (await readSet(nftables, version, spec)));
  }
  return { exists: true, dormant: await nftables.isDormant(table), chains, sets };
}

/** Of a family in which we have none. */
export function noTable(): KernelTable {
  return { exists: false, chains: new Map(), sets: new Map() };
}

/** The hashes of rules as they were read. */
export function hashesOf(rules: readonly NftRule[]): readonly (string | undefined)[] {
  return rules.map(({ comment }) => hashInComment(comment));
}

/** Whether both lists of hashes are of the same rules; one that is not ours is like no other. */
export function sameHashes(a: readonly string[], b: readonly (string | undefined)[]): boolean {
  return a.length === b.length && a.every((hash, index) => hash === b[index]);
}

/** Whether a chain hangs on the hook and in the place that it should, or on none. */
export function hangsOn(base: NftBaseChain | undefined, found: KernelChain): boolean {
  if (base === undefined || found.base === undefined) return base === found.base;
  const { type, hook, priority } = found.base;
  return base.type === type && base.hook === hook && base.priority === priority && found.drops !== true;
}

/** Whether both are sets of the same kind. */
export function sameSpec(a: NftSet, b: NftSet): boolean {
  return a.key === b.key && a.interval === b.interval && a.verdicts === b.verdicts;
}

// --- internal ---

async function readSet(nftables: Nftables, version: IpVersion, spec: NftSet): Promise<KernelSet> {
  const { set, interval } = spec;
  const elements = await nftables.elements({ ...ownTableOf(version), set, interval });
  return { spec, contents: { found: new Set(elements.map((element) => elementText(element, spec))) } };
}
