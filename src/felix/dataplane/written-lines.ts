/** What texts for programs come to, counted by their lines. */
import type { Written } from "./dataplane-observer.ts";

/** What was counted, and how many lines each table has. */
export interface WrittenLines {
  readonly written: Partial<Written>;
  readonly lines: ReadonlyMap<string, number>;
}

/** Of input of iptables-restore(8) with `--noflush`: a chain counts once, whatever becomes of it. */
export function restoreLines(text: string): WrittenLines {
  const lines = new Map<string, number>();
  const chains = new Set<string>();
  const removed = new Set<string>();
  let [table, rules, rulesRemoved] = ["", 0, 0];
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      table = line.slice(1).trim();
      continue;
    }
    const [verb = "", name = ""] = line.startsWith(":") ? [":", line.slice(1).split(" ", 1)[0]] : line.split(" ", 2);
    if (!changing.has(verb)) continue;
    lines.set(table, (lines.get(table) ?? 0) + 1);
    (verb === "-X" ? removed : chains).add(`${table} ${name}`);
    if (verb === "-A" || verb === "-I") rules++;
    else if (verb === "-D") rulesRemoved++;
  }
  const written = { chains: chains.difference(removed).size, chainsRemoved: removed.size, rules, rulesRemoved };
  return { written, lines };
}

/** Of input of `ipset restore`. */
export function ipsetLines(text: string): WrittenLines {
  const counts = new Map<string, number>();
  let total = 0;
  for (const line of text.split("\n")) {
    const [verb = "", name = ""] = line.split(" ", 2);
    if (verb === "") continue;
    total++;
    // A set that stands in for another while it is filled is no set of its own.
    if (!(verb === "destroy" && temporary.test(name))) counts.set(verb, (counts.get(verb) ?? 0) + 1);
  }
  const of = (verb: string) => counts.get(verb) ?? 0;
  const written = { sets: of("create"), setsRemoved: of("destroy"), members: of("add"), membersRemoved: of("del") };
  return { written, lines: new Map([["", total]]) };
}

// --- internal ---

const changing: ReadonlySet<string> = new Set([":", "-A", "-I", "-D", "-X", "-R", "-F"]);
const temporary = /^cali[46]t/;
