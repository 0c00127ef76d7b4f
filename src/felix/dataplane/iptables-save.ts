/** What iptables-save(8) says of one table, as far as it concerns us: our chains by rule hash, and where our rules stand in others' chains. */
export interface SavedTable {
  /** Our chains: for each rule its hash, or undefined when it carries none of ours. */
  readonly chains: ReadonlyMap<string, readonly (string | undefined)[]>;
  /** Chains that are not ours: their rules in order. */
  readonly foreign: ReadonlyMap<string, readonly SavedRule[]>;
}

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

/** The tables of a whole `iptables-save`, by name. */
export function parseIptablesSave(text: string): Map<string, SavedTable> {
  const tables = new Map<string, SavedTable>();
  let chains = new Map<string, (string | undefined)[]>();
  let foreign = new Map<string, SavedRule[]>();
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      chains = new Map();
      foreign = new Map();
      tables.set(line.slice(1).trim(), { chains, foreign });
    } else if (line.startsWith(":")) {
      const name = line.slice(1, line.indexOf(" "));
      if (ownChain.test(name)) chains.set(name, []);
      else foreign.set(name, []);
    } else if (line.startsWith("-A ")) {
      const [, chain = "", spec = ""] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
      const hash = ownHash.exec(spec)?.[1];
      chains.get(chain)?.push(hash);
      foreign.get(chain)?.push({ hash, spec });
    }
  }
  return tables;
}
