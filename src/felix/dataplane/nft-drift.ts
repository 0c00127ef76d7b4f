import type { IpVersion } from "../../net/ip.ts";
import type { Drift, Rules } from "./dataplane.ts";
import { NftContents } from "./nft-contents.ts";
import { chainHashes } from "./nft-hash.ts";
import { ownTable } from "./nft-names.ts";
import { hangsOn, type KernelChain, type KernelSet, type KernelTable, sameHashes, sameSpec } from "./nft-state.ts";
import { type WantedChain, type WantedSet, wantedChains, wantedSets } from "./nft-wanted.ts";

/** Our table of a family in words, e.g. `nftables table ip calico`. */
export function tableText(version: IpVersion): string {
  return `nftables table ${version === 4 ? "ip" : "ip6"} ${ownTable}`;
}

/** How many rules of a chain are missing or strange, in words; undefined when they are as wanted. */
export function rulesDifference(wanted: readonly string[], found: readonly (string | undefined)[]): string | undefined {
  if (sameHashes(wanted, found)) return undefined;
  const [hashes, there] = [new Set<string | undefined>(wanted), new Set(found)];
  const strange = found.filter((hash) => !hashes.has(hash)).length;
  const missing = wanted.filter((hash) => !there.has(hash)).length;
  if (strange + missing > 0) return `${missing} of ${wanted.length} rules are missing, and ${strange} are not ours`;
  if (found.length !== wanted.length) return `it has ${found.length} rules, not ${wanted.length}`;
  return `its ${found.length} rules stand in another order`;
}

/**
 * How a table as it was read differs from the state, in words. `known`, if the state was applied, spares working out again what
 * its sets hold; sets named in `kept` are there for good reason.
 */
export function tableDrift(
  version: IpVersion,
  state: Rules,
  found: KernelTable,
  { known, kept }: { readonly known: KernelTable | undefined; readonly kept: ReadonlySet<string> },
): readonly Drift[] {
  const table = tableText(version);
  if (!found.exists) return [{ part: "rules", where: table, difference: "it is not there" }];
  const drifts: Drift[] = [];
  if (found.dormant)
    drifts.push({ part: "rules", where: table, difference: "it is dormant: its chains hang on no hook" });
  const look = (part: Drift["part"], what: string, difference: string | undefined) => {
    if (difference !== undefined) drifts.push({ part, where: `${what} of ${table}`, difference });
  };
  const chains = wantedChains(version, state).changed;
  for (const chain of chains)
    look("rules", `chain ${chain.name}`, chainDifference(chain, found.chains.get(chain.name)));
  const chainNames = new Set(chains.map(({ name }) => name));
  for (const name of found.chains.keys()) if (!chainNames.has(name)) look("rules", `chain ${name}`, strange);
  const sets = wantedSets(version, state).changed;
  for (const set of sets) {
    const { spec } = set;
    look(partOf(spec), textOf(spec), setDifference(set, found.sets.get(spec.set), known?.sets.get(spec.set)));
  }
  const setNames = new Set(sets.map(({ spec }) => spec.set));
  for (const { spec } of found.sets.values()) {
    if (!setNames.has(spec.set) && !kept.has(spec.set)) look(partOf(spec), textOf(spec), strange);
  }
  return drifts;
}

// --- internal ---

const strange = "it is not ours";

/** Maps are part of the rules: they say which chain a packet goes to. */
function partOf({ verdicts }: WantedSet["spec"]): Drift["part"] {
  return verdicts ? "rules" : "sets";
}

function textOf({ verdicts, set }: WantedSet["spec"]): string {
  return `${verdicts ? "map" : "set"} ${set}`;
}

function chainDifference({ name, base, rules }: WantedChain, found: KernelChain | undefined): string | undefined {
  if (found === undefined) return "it is not there";
  if (!hangsOn(base, found)) return "it does not hang on its hook as it should";
  return rulesDifference(chainHashes(name, rules), found.hashes);
}

function setDifference(
  { spec, members }: WantedSet,
  found: KernelSet | undefined,
  known: KernelSet | undefined,
): string | undefined {
  if (found === undefined) return "it is not there";
  if (!sameSpec(spec, found.spec)) return `it is of type ${found.spec.key}${found.spec.interval ? ", of ranges" : ""}`;
  if (!("found" in found.contents)) return undefined;
  const contents = known?.contents instanceof NftContents ? known.contents : contentsOf({ spec, members });
  const { added, removed } = contents.compare(found.contents.found);
  if (added.length + removed.length === 0) return undefined;
  return `${added.length} of ${contents.size} elements are missing, and ${removed.length} are not ours`;
}

function contentsOf({ spec, members }: WantedSet): NftContents {
  const contents = new NftContents(spec);
  contents.become(members);
  return contents;
}
