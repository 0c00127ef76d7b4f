import type { PrintedRule, PrintedTable } from "../render/iptables.ts";
import type { Drift } from "./dataplane.ts";
import type { SavedChain, SavedRule, SavedTable } from "./iptables-save.ts";

/** A table in which nothing has been written yet. */
export const emptySavedTable: SavedTable = { chains: new Map(), foreign: new Map() };

type PrintedHook = PrintedTable["hooks"] extends ReadonlyMap<string, infer H> ? H : never;

/**
 * The iptables-restore(8) input that turns `actual` into `desired`, and the table as it then is; undefined when there is
 * nothing to do. A chain that only grew or only shrank gets just that, as the kernel waits after each rule that goes; other
 * changed chains are flushed and filled. Hooks of ours are set right, chains we no longer want are deleted.
 */
export function tableTransaction(
  desired: PrintedTable,
  actual: SavedTable,
): { readonly text: string; readonly after: SavedTable } | undefined {
  const { changed, removed } = chainChanges(desired, actual);
  const edits = new Map(changed.map(([name, rules]) => [name, editLines(name, rules, actual.chains.get(name))]));
  const refilled = changed.filter(([name]) => edits.get(name) === undefined);
  const hooks = hookNames(desired, actual).map((name) => ({
    name,
    ...hookLines(name, desired.hooks.get(name), actual.foreign.get(name)),
  }));
  const hookChanges = hooks.flatMap(({ lines }) => lines);
  if (changed.length === 0 && removed.length === 0 && hookChanges.length === 0) return undefined;
  const lines = [
    `*${desired.name}`,
    // Under --noflush, naming a chain of ours makes it when it is missing and empties it when it is there.
    ...[...refilled.map(([name]) => name), ...removed].map((name) => `:${name} - -`),
    ...refilled.flatMap(([name, rules]) => rules.map(({ spec }) => `-A ${name} ${spec}`)),
    ...[...edits.values()].flatMap((lines) => lines ?? []),
    ...hookChanges,
    ...removed.map((name) => `-X ${name}`),
    "COMMIT",
  ];
  const foreign = new Map(actual.foreign);
  for (const { name, after } of hooks) foreign.set(name, after);
  return { text: `${lines.join("\n")}\n`, after: { chains: desired.chains, foreign } };
}

/** Which chains of the table are not as printed, in words. */
export function tableDrift(desired: PrintedTable, actual: SavedTable): readonly Drift[] {
  const drift = (chain: string, difference: string): Drift => ({
    part: "rules",
    where: `chain ${chain} of IPv${desired.version} table ${desired.name}`,
    difference,
  });
  const { changed, removed } = chainChanges(desired, actual);
  const hooks = hookNames(desired, actual).filter(
    (name) => hookLines(name, desired.hooks.get(name), actual.foreign.get(name)).lines.length > 0,
  );
  return [
    ...changed.map(([name, rules]) => drift(name, chainDifference(rules, actual.chains.get(name)))),
    ...removed.map((name) => drift(name, "it is not ours")),
    ...hooks.map((name) => drift(name, "our rules are not the first and last ones in it")),
  ];
}

// --- internal ---

interface ChainChanges {
  readonly changed: readonly (readonly [string, readonly PrintedRule[]])[];
  readonly removed: readonly string[];
}

/** Most chains are the very arrays that were written last, and are not looked into. */
function chainChanges(desired: PrintedTable, actual: SavedTable): ChainChanges {
  if (desired.chains === actual.chains) return { changed: [], removed: [] };
  const changed: (readonly [string, readonly PrintedRule[]])[] = [];
  let kept = 0;
  for (const entry of desired.chains) {
    const found = actual.chains.get(entry[0]);
    if (found !== undefined) kept++;
    if (found !== entry[1] && !sameHashes(entry[1], found)) changed.push(entry);
  }
  const removed =
    kept === actual.chains.size ? [] : [...actual.chains.keys()].filter((name) => !desired.chains.has(name));
  return { changed, removed };
}

function chainDifference(desired: readonly PrintedRule[], actual: SavedChain | undefined): string {
  if (actual === undefined) return "it is not there";
  const wanted = new Set(desired.map(({ hash }) => hash));
  const found = new Set(actual.map(({ hash }) => hash));
  const strange = actual.filter(({ hash }) => hash === undefined || !wanted.has(hash)).length;
  const missing = desired.filter(({ hash }) => !found.has(hash)).length;
  if (strange + missing === 0) return `its ${desired.length} rules stand in another order or more than once`;
  return `${missing} of ${desired.length} rules are missing, and ${strange} are not ours`;
}

function sameHashes(rules: readonly PrintedRule[], found: SavedChain | undefined): boolean {
  return (
    found !== undefined &&
    rules.length === found.length &&
    rules.every(({ hash }, index) => hash === found[index]?.hash)
  );
}

/** The lines that add what is missing, or take away what is too much; undefined when neither will do. */
function editLines(
  chain: string,
  desired: readonly PrintedRule[],
  found: SavedChain | undefined,
): readonly string[] | undefined {
  if (found === undefined) return undefined;
  const actual = found.map(({ hash }) => hash);
  const hashes = desired.map(({ hash }) => hash);
  const added = indexesBeyond(hashes, actual);
  // Each stands where it belongs once those before it are in.
  if (added !== undefined) return added.map((index) => `-I ${chain} ${index + 1} ${desired[index]?.spec}`);
  const removed = indexesBeyond(actual, hashes);
  // From the end, so that the numbers of the others stay.
  return removed?.toReversed().map((index) => `-D ${chain} ${index + 1}`);
}

/** Where `longer` has what `shorter` has not, when it has all else in the same order; undefined when it has not. */
function indexesBeyond(
  longer: readonly (string | undefined)[],
  shorter: readonly (string | undefined)[],
): readonly number[] | undefined {
  const indexes: number[] = [];
  let matched = 0;
  for (const [index, hash] of longer.entries()) {
    // A rule without our hash is somebody else's.
    if (matched < shorter.length && hash !== undefined && hash === shorter[matched]) matched++;
    else indexes.push(index);
  }
  return matched === shorter.length ? indexes : undefined;
}

/** The chains of others in which our rules should be, or are. */
function hookNames(desired: PrintedTable, actual: SavedTable): readonly string[] {
  const withOurs = [...actual.foreign].filter(([, rules]) => rules.some(({ hash }) => hash !== undefined));
  return [...new Set([...desired.hooks.keys(), ...withOurs.map(([name]) => name)])];
}

/** Ours must be the first and the last rules of the chain, in order, and nowhere else; otherwise all of ours are placed anew. */
function hookLines(
  chain: string,
  desired: PrintedHook | undefined,
  actual: readonly SavedRule[] = [],
): { readonly lines: readonly string[]; readonly after: readonly SavedRule[] } {
  const inserted = desired?.inserted ?? [];
  const appended = desired?.appended ?? [];
  const others = actual.filter(({ hash }) => hash === undefined);
  const after: readonly SavedRule[] = [...inserted, ...others, ...appended];
  if (after.length === actual.length && after.every(({ hash, spec }, index) => same(actual[index], hash, spec))) {
    return { lines: [], after: actual };
  }
  const ours = actual.filter(({ hash }) => hash !== undefined);
  return {
    lines: [
      ...ours.map(({ spec }) => `-D ${chain} ${spec}`),
      ...inserted.map(({ spec }, index) => `-I ${chain} ${index + 1} ${spec}`),
      ...appended.map(({ spec }) => `-A ${chain} ${spec}`),
    ],
    after,
  };
}

/** Ours are compared by hash (the kernel prints a rule in its own words), others' by their text. */
function same(rule: SavedRule | undefined, hash: string | undefined, spec: string): boolean {
  return rule !== undefined && rule.hash === hash && (hash !== undefined || rule.spec === spec);
}
