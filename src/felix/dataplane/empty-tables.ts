/** Input of iptables-restore(8) that takes away what is ours, made from what iptables-save(8) prints; pure. */

/** What is ours in the tables of one family and variant. */
export interface EmptiedTables {
  /** With `--noflush`; empty when there is nothing of ours. */
  readonly text: string;
  readonly chains: number;
  readonly rules: number;
  /** Chains of ours that rules of others lead to: they are emptied and stay. */
  readonly kept: readonly string[];
}

/**
 * Ours are the chains named `cali-…` with all their rules, and the rules that bear our hash wherever they stand; nothing else is
 * named in the text. A table is left even if it is empty then: who has made it cannot be known.
 */
export function emptyTables(saved: string): EmptiedTables {
  const texts: string[] = [];
  const kept: string[] = [];
  let [chains, rules] = [0, 0];
  for (const { name, lines } of tablesOf(saved)) {
    const own = lines.flatMap((line) => ownChainLine.exec(line)?.[1] ?? []);
    const ownSet = new Set(own);
    const ofOthers = lines.flatMap((line) => {
      const [, chain = "", spec = ""] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
      return chain === "" || ownSet.has(chain) ? [] : [{ chain, spec }];
    });
    const hooks = ofOthers.filter(({ spec }) => ownHash.test(spec));
    const used = new Set(ofOthers.flatMap(({ spec }) => (ownHash.test(spec) ? [] : targetsOf(spec))));
    const keptHere = own.filter((chain) => used.has(chain));
    if (own.length + hooks.length === 0) continue;
    const ownRules = lines.filter((line) => line.startsWith("-A cali-")).length;
    chains += own.length - keptHere.length;
    rules += hooks.length + ownRules;
    kept.push(...keptHere.map((chain) => `${name} ${chain}`));
    texts.push(
      `*${name}`,
      ...own.map((chain) => `:${chain} - -`),
      ...hooks.map(({ chain, spec }) => `-D ${chain} ${spec}`),
      ...own.filter((chain) => !used.has(chain)).map((chain) => `-X ${chain}`),
      "COMMIT",
    );
  }
  return { text: texts.length === 0 ? "" : `${texts.join("\n")}\n`, chains, rules, kept };
}

// --- internal ---

const ownChainLine = /^:(cali-\S*) /;
const ownHash = /--comment "?cali:[A-Za-z0-9_-]{16}"?(?:\s|$)/;

interface SavedLines {
  readonly name: string;
  readonly lines: readonly string[];
}

function tablesOf(saved: string): readonly SavedLines[] {
  const tables: { name: string; lines: string[] }[] = [];
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) tables.push({ name: line.slice(1).trim(), lines: [] });
    else if (/^[:-]/.test(line)) tables.at(-1)?.lines.push(line);
  }
  return tables;
}

function targetsOf(spec: string): readonly string[] {
  return [...spec.matchAll(/(?:^|\s)(?:-j|-g) (\S+)/g)].map(([, target = ""]) => target);
}
