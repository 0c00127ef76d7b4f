/** How many packets and bytes each rule of ours has seen, from the kernel. */
import type { Host } from "../../host/host.ts";
import type { Nftables } from "../../host/netlink/nftables.ts";
import { allEnded } from "../../net/all-ended.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { Table } from "../render/desired-state.ts";
import type { PrintedTable } from "../render/iptables.ts";
import { chainHashes, hashInComment } from "./nft-hash.ts";
import { nftChainName, ownTableOf } from "./nft-names.ts";

/** One backend's counters. */
export interface RuleCounterSource {
  /** The counters of every rule of ours in these families. Rejects when the kernel cannot be asked. */
  read(versions: readonly IpVersion[]): Promise<readonly RuleCounter[]>;
  /** By chain of the table: the place of each rule, in order, as `RuleCounter` has it. */
  places(table: Table): Iterable<readonly [chain: string, places: readonly string[]]>;
}

/** What one rule has seen since it was written. */
export interface RuleCounter {
  /** Which rule it is: the same in `places`. Equal rules of one chain have one place. */
  readonly place: string;
  /** Tells rules of one place apart, and one that was written anew from the one before, where the kernel can. */
  readonly instance: string;
  readonly packets: number;
  readonly bytes: number;
}

/** From iptables-save(8) with counters: one program a family and reading. */
export function iptablesCounters({ host, print, savers = defaultSavers }: IptablesCountersParts): RuleCounterSource {
  return {
    async read(versions) {
      const read = async (version: IpVersion) =>
        parseSavedCounters((await host.run([savers[version], "-c"], { timeoutMs })).stdout, version);
      return (await allEnded(versions.map(read))).flat();
    },
    *places(table) {
      for (const [chain, rules] of print(table).chains) {
        yield [chain, rules.map(({ hash }) => placeOf(table.version, `${table.name}-${chain}`, hash))];
      }
    },
  };
}

export interface IptablesCountersParts {
  readonly host: Pick<Host, "run">;
  /** `printTable` of rendering. */
  readonly print: (table: Table) => PrintedTable;
  /** The programs of the variant in use. */
  readonly savers?: Readonly<Record<IpVersion, string>>;
}

/** From our own table in nf_tables. */
export function nftCounters(nftables: Pick<Nftables, "rules">): RuleCounterSource {
  return {
    async read(versions) {
      const counters: RuleCounter[] = [];
      for (const version of versions) {
        for (const { chain, handle, comment, counter } of await nftables.rules(ownTableOf(version))) {
          const hash = hashInComment(comment);
          if (hash === undefined || counter === undefined) continue;
          const [packets, bytes] = [Number(counter.packets), Number(counter.bytes)];
          counters.push({ place: placeOf(version, chain, hash), instance: String(handle), packets, bytes });
        }
      }
      return counters;
    },
    *places(table) {
      for (const [chain, rules] of table.chains) {
        const name = nftChainName(table.name, chain);
        yield [chain, chainHashes(name, rules).map((hash) => placeOf(table.version, name, hash))];
      }
    },
  };
}

/** Of what `iptables-save -c` prints, the rules in chains of ours that bear our hash. */
export function parseSavedCounters(text: string, version: IpVersion): readonly RuleCounter[] {
  const counters: RuleCounter[] = [];
  const found = new Map<string, number>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const [, packets, bytes, chain, hash] = countedLine.exec(line) ?? [];
    if (chain === undefined || hash === undefined) continue;
    const place = placeOf(version, `${table}-${chain}`, hash);
    const nth = found.get(place) ?? 0;
    found.set(place, nth + 1);
    counters.push({ place, instance: String(nth), packets: Number(packets), bytes: Number(bytes) });
  }
  return counters;
}

// --- internal ---

/** Less than a scrape may take: iptables-nft-save begins anew whenever rules change under it, and may then never end. */
const timeoutMs = 8_000;

const defaultSavers = { 4: "iptables-save", 6: "ip6tables-save" } as const;

/** Our hash is the first comment of a rule. Whatever stands before it has no quotes. */
const countedLine = /^\[(\d+):(\d+)\] -A (cali-\S+) [^"]*?--comment "?cali:([A-Za-z0-9_-]{16})"?(?:\s|$)/;

function placeOf(version: IpVersion, chain: string, hash: string): string {
  return `${version} ${chain} ${hash}`;
}
