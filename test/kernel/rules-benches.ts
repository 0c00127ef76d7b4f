import { execFileSync } from "node:child_process";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { NftRules } from "../../src/felix/dataplane/nft-rules.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import type { Nftables, NftOperation } from "../../src/host/netlink/nftables.ts";
import { openNftables } from "../../src/host/netlink/nftables-netlink.ts";
import { openSetNetlink } from "../../src/host/netlink/set-netlink.ts";
import type { RulesBench } from "../contract/rules-driver.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace } from "./netlink-namespaces.ts";

/** iptables of one variant, and ipset. */
export function iptablesBench(variant: "nft" | "legacy"): RulesBench {
  const namespace = makeNamespace();
  const programOf = (name: string) => name.replace(/^(ip6?tables)/, `$1-${variant}`);
  const sets = openSetNetlink(namespace.path);
  const host = new NamespaceHost(namespace.name, programOf);
  const sh = (program: string, ...argv: readonly string[]) => run(namespace.name, programOf(program), ...argv);
  return {
    newDriver: () => new IptablesRules({ host, sets, print: printTable }),
    targets: (chain) =>
      sh("iptables-save", "-t", "filter").includes(`:${chain} `)
        ? sh("iptables", "-S", chain)
            .split("\n")
            .filter((line) => line.startsWith("-A"))
            .map(iptablesTarget)
        : undefined,
    members: ({ name }) =>
      sh("ipset", "list", "-n").split("\n").includes(name)
        ? [...sh("ipset", "save", name).matchAll(/^add \S+ (\S+)$/gm)].map((match) => match[1] ?? "").sort()
        : undefined,
    dump: () =>
      ["iptables-save", "ip6tables-save", "ipset"]
        .map((program) => sh(program, ...(program === "ipset" ? ["save", "-sorted"] : [])))
        .join("")
        .replaceAll(/^#.*$/gm, "")
        .replaceAll(/\[\d+:\d+\]/g, ""),
    flush: (chain) => void sh("iptables", "-F", chain),
    accept: (chain) => void sh("iptables", "-I", chain, "1", "-j", "ACCEPT"),
    exchange: ({ name }, out, into) => {
      sh("ipset", "del", name, out);
      sh("ipset", "add", name, into);
    },
    strangeChain: (name) => void sh("iptables", "-N", name),
    strangeSet: (name) => void sh("ipset", "create", name, "hash:ip"),
    where: { chain: (name) => `chain ${name} of IPv4 table filter`, set: (name) => `set ${name}` },
    [Symbol.dispose]: () => {
      sets.close();
      namespace[Symbol.dispose]();
    },
  };
}

/** What `nftBench` has besides. */
export interface NftBench extends RulesBench {
  newDriver(): NftRules;
  /** Runs nft(8) in the namespace. */
  nft(...argv: readonly string[]): string;
  /** What the drivers have committed. */
  readonly committed: NftOperation[];
  /** That of the drivers. */
  readonly nftables: Nftables;
}

/** Native nftables. */
export function nftBench(): NftBench {
  const namespace = makeNamespace();
  const committed: NftOperation[] = [];
  const nftables = openNftables(namespace.path);
  const commit = nftables.commit.bind(nftables);
  nftables.commit = (operations) => {
    committed.push(...operations);
    return commit(operations);
  };
  const nft = (...argv: readonly string[]) => run(namespace.name, "nft", ...argv);
  const table = ["ip", "calico"];
  const list = (what: string) => (nft("list", "tables").includes("table ip calico") ? nft("list", what, "ip") : "");
  return {
    ...{ nft, committed, nftables },
    newDriver: () => new NftRules(nftables),
    targets: (chain) =>
      list("chains").includes(`chain filter-${chain} {`)
        ? nft("list", "chain", ...table, `filter-${chain}`)
            .split("\n")
            .filter(isRule)
            .map(nftTarget)
        : undefined,
    members: ({ name }) => {
      const set = name.replaceAll(":", "-");
      return list("sets").includes(`set ${set} {`) ? nftMembers(nft("list", "set", ...table, set)) : undefined;
    },
    dump: () => nft("-a", "list", "ruleset").replaceAll(/packets \d+ bytes \d+/g, ""),
    flush: (chain) => void nft("flush", "chain", ...table, `filter-${chain}`),
    accept: (chain) => void nft("insert", "rule", ...table, `filter-${chain}`, "accept"),
    exchange: ({ name }, out, into) => {
      const set = name.replaceAll(":", "-");
      nft("delete", "element", ...table, set, `{ ${out} }`);
      nft("add", "element", ...table, set, `{ ${into} }`);
    },
    strangeChain: (name) => void nft("add", "chain", ...table, `filter-${name}`),
    strangeSet: (name) => {
      nft("add", "table", ...table);
      nft("add", "set", ...table, name.replaceAll(":", "-"), "{ type ipv4_addr; }");
    },
    where: {
      chain: (name) => `chain filter-${name} of nftables table ip calico`,
      set: (name) => `set ${name.replaceAll(":", "-")} of nftables table ip calico`,
    },
    [Symbol.dispose]: () => {
      nftables.close();
      namespace[Symbol.dispose]();
    },
  };
}

// --- internal ---

function run(namespace: string, ...argv: readonly string[]): string {
  return execFileSync("ip", ["netns", "exec", namespace, ...argv], { encoding: "utf8", stdio: "pipe" });
}

function iptablesTarget(rule: string): string {
  const target = /-[jg] (\S+)/.exec(rule)?.[1] ?? "";
  return target.startsWith("cali-") ? target : target.toLowerCase();
}

/** Not a brace, a type or a policy. */
function isRule(line: string): boolean {
  return /^\t\t/.test(line) && !/^\t\ttype /.test(line);
}

function nftTarget(rule: string): string {
  const words = rule
    .replace(/ comment ".*"/, "")
    .trim()
    .split(" ");
  return (words.at(-1) ?? "").replace(/^filter-/, "");
}

/** As rendering writes them: `10.0.0.1`, `10.0.0.2,tcp:80`. */
function nftMembers(listing: string): readonly string[] {
  const elements = /elements = \{([^}]*)\}/.exec(listing)?.[1] ?? "";
  const members = elements.split(",").map((element) => element.trim().replace(/^(\S+) \. (\S+) \. (\S+)$/, "$1,$2:$3"));
  return members.filter((member) => member !== "").sort();
}
