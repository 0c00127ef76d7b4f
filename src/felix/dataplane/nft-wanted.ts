/** The state as chains and sets of our table in nf_tables; of an earlier state only what may differ from it. */
import type { NftBaseChain, NftSet } from "../../host/netlink/nftables.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { Hook, IpSet, Rule, Table, TableName, VerdictMap } from "../render/desired-state.ts";
import type { Rules } from "./dataplane.ts";
import { mapSpec, mapTexts, setSpec } from "./nft-elements.ts";
import { baseChainOf, nftChainName, nftMapName, nftSetName } from "./nft-names.ts";

/** A chain by the kernel's name. */
export interface WantedChain {
  readonly name: string;
  readonly table: TableName;
  /** Of the table: those that its rules dispatch by. */
  readonly maps: Table["maps"];
  readonly rules: readonly Rule[];
  readonly base?: NftBaseChain;
}

/** A set, or a map with its entries as members (`mapTexts`). */
export interface WantedSet {
  readonly spec: NftSet;
  readonly members: ReadonlySet<string>;
}

/** By kernel name. What is in neither is as before. */
export interface Wanted<T> {
  /** What is new, or another object than before. */
  readonly changed: readonly T[];
  readonly gone: readonly string[];
}

/** All the chains of a family, or those that differ from what they were `before`. Throws for a hook that there is not. */
export function wantedChains(version: IpVersion, after: Rules, before?: Rules): Wanted<WantedChain> {
  const changed: WantedChain[] = [];
  const gone: string[] = [];
  for (const table of tableNames) {
    const [now, then] = [after, before].map((state) => state?.tables.get(`${version}/${table}`));
    for (const [chain, rules] of changedEntries(now?.chains, then?.chains)) {
      changed.push({ name: nftChainName(table, chain), table, maps: now?.maps, rules });
    }
    for (const [chain, hook] of changedEntries(now?.hooks, then?.hooks, sameHook)) {
      const rules = [...hook.inserted, ...hook.appended];
      changed.push({
        name: nftChainName(table, chain),
        table,
        maps: now?.maps,
        rules,
        base: baseChainOf(table, chain),
      });
    }
    for (const chain of goneKeys(now?.chains, then?.chains)) gone.push(nftChainName(table, chain));
    for (const chain of goneKeys(now?.hooks, then?.hooks)) gone.push(nftChainName(table, chain));
  }
  return { changed, gone };
}

/** All the sets and maps of a family, or those that differ from what they were `before`. */
export function wantedSets(version: IpVersion, after: Rules, before?: Rules): Wanted<WantedSet> {
  const changed: WantedSet[] = [];
  const gone: string[] = [];
  for (const [name, set] of changedEntries(after.sets, before?.sets)) {
    if (set.version === version) changed.push({ spec: setSpec(nftSetName(name), set), members: set.members });
  }
  for (const name of goneKeys(after.sets, before?.sets)) {
    if (before?.sets.get(name)?.version === version) gone.push(nftSetName(name));
  }
  for (const table of tableNames) {
    const [now, then] = [after, before].map((state) => state?.tables.get(`${version}/${table}`)?.maps);
    for (const [name, map] of changedEntries(now, then)) {
      const members = mapTexts(map, (chain) => nftChainName(table, chain));
      changed.push({ spec: mapSpec(nftMapName(table, name)), members });
    }
    for (const name of goneKeys(now, then)) gone.push(nftMapName(table, name));
  }
  return { changed, gone };
}

/** The kernel's names of the sets and maps that rules of the family use. */
export function usedSets(version: IpVersion, { tables }: Rules): ReadonlySet<string> {
  const used = new Set<string>();
  for (const table of tables.values()) {
    if (table.version !== version) continue;
    const hooks = [...table.hooks.values()].flatMap(({ inserted, appended }) => [inserted, appended]);
    for (const rules of [...table.chains.values(), ...hooks]) {
      for (const name of namesIn(rules, table.name)) used.add(name);
    }
  }
  return used;
}

// --- internal ---

const tableNames: readonly TableName[] = ["raw", "mangle", "nat", "filter"];

type Entries = ReadonlyMap<string, readonly Rule[] | Hook | IpSet | VerdictMap>;

function* changedEntries<V>(
  now: ReadonlyMap<string, V> | undefined,
  then: ReadonlyMap<string, V> | undefined,
  same = (a: V, b: V) => a === b,
): Iterable<readonly [string, V]> {
  if (now === undefined || now === then) return;
  for (const entry of now) {
    const old = then?.get(entry[0]);
    if (old === undefined || !same(entry[1], old)) yield entry;
  }
}

function goneKeys(now: Entries | undefined, then: Entries | undefined): readonly string[] {
  if (then === undefined || now === then) return [];
  return [...then.keys()].filter((key) => !now?.has(key));
}

function sameHook(a: Hook, b: Hook): boolean {
  return a === b || (a.inserted === b.inserted && a.appended === b.appended);
}

interface KnownNames {
  readonly table: TableName;
  readonly names: readonly string[];
}

const knownNames = new WeakMap<readonly Rule[], KnownNames>();

function namesIn(rules: readonly Rule[], table: TableName): readonly string[] {
  const known = knownNames.get(rules);
  if (known?.table === table) return known.names;
  const names = rules.flatMap(({ matches, action }) => [
    ...matches.flatMap((match) => ("set" in match ? [nftSetName(match.set)] : [])),
    ...(action.kind === "dispatch" ? [nftMapName(table, action.map)] : []),
  ]);
  knownNames.set(rules, { table, names });
  return names;
}
