/** What iptables-save(8) says of one table, as far as it concerns us: our chains by rule hash, and where our rules stand in others' chains. */
export interface SavedTable {
  readonly chains: ReadonlyMap<string, SavedChain>;
  /** Chains that are not ours: their rules in order. */
  readonly foreign: ReadonlyMap<string, readonly SavedRule[]>;
}

/** One of our chains: for each rule its hash, or undefined when it carries none of ours. */
export type SavedChain = readonly Pick<SavedRule, "hash">[];

/** One rule in a chain that is not ours. */
export interface SavedRule {
  /** Undefined: somebody else's rule. */
  readonly hash: string | undefined;
  /** The rule as saved, without `-A CHAIN`; what `-D` needs to find it again. */
  readonly spec: string;
}

const ownChain = /^cali-/;
const ownHash = /--comment "?cali:([A-Za-z0-9_-]{16})"?(?:\s|$)/;

/** What `iptables -S CHAIN` says of one chain of ours: for each rule its hash, or undefined when it carries none of ours. */
export function parseChainListing(text: string): readonly (string | undefined)[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("-A "))
    .map((line) => ownHash.exec(line)?.[1]);
}

/**
 * The tables of a whole `iptables-save`, by name. Throws when it is anything else, or stops in the midst of a table: what it does
 * not say must not pass for not being there.
 */
export function parseIptablesSave(text: string): Map<string, SavedTable> {
  const tables = new Map<string, SavedTable>();
  let open: OpenTable | undefined;
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("*") && open === undefined) {
      open = { chains: new Map(), foreign: new Map() };
      tables.set(line.slice(1).trim(), open);
    } else if (open === undefined) throw unreadable(line);
    else if (line === "COMMIT") open = undefined;
    else if (!takeLine(line, open)) throw unreadable(line);
  }
  if (open !== undefined)
    throw new Error("Cannot tell what iptables holds: what it printed ends before its table does");
  return tables;
}

// --- internal ---

interface OpenTable {
  readonly chains: Map<string, Pick<SavedRule, "hash">[]>;
  readonly foreign: Map<string, SavedRule[]>;
}

/** False when it is no line of iptables-save. */
function takeLine(line: string, { chains, foreign }: OpenTable): boolean {
  if (line.startsWith(":")) {
    const name = line.slice(1, line.indexOf(" "));
    if (ownChain.test(name)) chains.set(name, []);
    else foreign.set(name, []);
    return true;
  }
  // With counters when it was asked for them.
  const [, chain, spec = ""] = /^(?:\[[0-9]+:[0-9]+\] )?-A (\S+) ?(.*)$/.exec(line) ?? [];
  if (chain === undefined) return false;
  const hash = ownHash.exec(spec)?.[1];
  chains.get(chain)?.push({ hash });
  foreign.get(chain)?.push({ hash, spec });
  return true;
}

function unreadable(line: string): Error {
  return new Error(`Cannot tell what iptables holds: it printed ${JSON.stringify(line.slice(0, 200))}`);
}
