/** Prints tables as lines for iptables-restore and ip6tables-restore. Which rule is which is known by its hash alone. */
import { type IpVersion, versionOf } from "../../net/ip.ts";
import { portProtocolNames, protocolNumbers } from "../../net/protocol-numbers.ts";
import { shortHash } from "../../net/sha256.ts";
import type { Action, Match, Rule, Side, Table, TableName } from "./desired-state.ts";
import { remember } from "./remember.ts";

/** Our part of one table, as text. */
export interface PrintedTable {
  readonly version: IpVersion;
  readonly name: TableName;
  /** Our own chains, by name. */
  readonly chains: ReadonlyMap<string, readonly PrintedRule[]>;
  /** Our rules in chains that are not ours. */
  readonly hooks: ReadonlyMap<string, PrintedHook>;
}

interface PrintedHook {
  readonly inserted: readonly PrintedRule[];
  readonly appended: readonly PrintedRule[];
}

/**
 * One rule as text. `hash` (16 characters, in the kernel as the comment `cali:<hash>`) covers the rule and the chain's name, so
 * chains with equal hashes in the same order are equal.
 */
export interface PrintedRule {
  readonly hash: string;
  /** Everything after `-A CHAIN `, with the hash comment in it. */
  readonly spec: string;
}

/** What a comment of ours begins with in the kernel. */
const hashCommentPrefix = "cali:";

/**
 * The table as text. An unchanged chain (the same array as before) is the same array again, and an unchanged table the same object.
 * Throws when a chain, set or interface name holds a character that could end its word in restore input.
 */
export const printTable = remember((table: Table): PrintedTable => {
  const { version } = table;
  const chains = new Map<string, readonly PrintedRule[]>();
  for (const [name, rules] of table.chains) chains.set(name, printChain(name, rules, version));
  const hooks = new Map<string, PrintedHook>();
  for (const [name, hook] of table.hooks) {
    hooks.set(name, {
      inserted: printChain(`${name} inserted`, hook.inserted, version),
      appended: printChain(`${name} appended`, hook.appended, version),
    });
  }
  return { version, name: table.name, chains, hooks };
});

/** One rule as words of a command line, in the order of iptables-restore, without a hash. */
export function printRule(rule: Rule, version: IpVersion): string {
  const comment = rule.comment === undefined ? [] : [`-m comment --comment ${quote(rule.comment)}`];
  return [...comment, ...rule.matches.map((match) => printMatch(match, version)), printAction(rule.action)].join(" ");
}

// --- internal ---

interface Printed<T> {
  readonly seed: string;
  readonly printed: T;
}

/** By family: one match is said in other words. */
const printedChains = { 4: new WeakMap(), 6: new WeakMap() } as Readonly<
  Record<IpVersion, WeakMap<readonly Rule[], Printed<readonly PrintedRule[]>>>
>;
/** A chain of many rules mostly has those of before. */
const printedRules = { 4: new WeakMap(), 6: new WeakMap() } as Readonly<
  Record<IpVersion, WeakMap<Rule, Printed<PrintedRule>>>
>;

/** `seed` makes the hashes differ between chains that hold the same rules. */
function printChain(seed: string, rules: readonly Rule[], version: IpVersion): readonly PrintedRule[] {
  const known = printedChains[version].get(rules);
  if (known?.seed === seed) return known.printed;
  const others = printedChains[otherVersion[version]].get(rules);
  const isAlike = others?.seed === seed && rules.every(isAlikeInBoth);
  const printed = isAlike ? others.printed : rules.map((rule) => printOne(seed, rule, version));
  printedChains[version].set(rules, { seed, printed });
  return printed;
}

function printOne(seed: string, rule: Rule, version: IpVersion): PrintedRule {
  const known = printedRules[version].get(rule);
  if (known?.seed === seed) return known.printed;
  const other = isAlikeInBoth(rule) ? printedRules[otherVersion[version]].get(rule) : undefined;
  if (other?.seed === seed) return other.printed;
  const text = printRule(rule, version);
  const hash = shortHash(`${seed}\n${text}`, 16);
  const printed = { hash, spec: `-m comment --comment "${hashCommentPrefix}${hash}" ${text}` };
  printedRules[version].set(rule, { seed, printed });
  return printed;
}

const otherVersion = { 4: 6, 6: 4 } as const;

/** Whether the text of the rule is the same for both families. */
function isAlikeInBoth({ matches }: Rule): boolean {
  return matches.every(({ kind }) => kind !== "icmp");
}

function printMatch(match: Match, version: IpVersion): string {
  switch (match.kind) {
    case "protocol":
      return `${not(match)}-p ${protocolNames.get(match.protocol) ?? match.protocol}`;
    case "net":
      return `${not(match)}${match.side === "source" ? "-s" : "-d"} ${word(match.net)}`;
    case "set":
      return `-m set ${not(match)}--match-set ${word(match.set)} ${match.side === "source" ? "src" : "dst"}`;
    case "port-set": {
      const end = match.side === "source" ? "src" : "dst";
      return `-m set ${not(match)}--match-set ${word(match.set)} ${end},${end}`;
    }
    case "ports":
      return `-m multiport ${not(match)}${portsOption(match.side)} ${match.ports.map(printRange).join(",")}`;
    case "in-interface":
      return `${not(match)}-i ${word(match.name)}`;
    case "out-interface":
      return `${not(match)}-o ${word(match.name)}`;
    case "connection":
      return `-m conntrack --ctstate ${match.states.join(",")}`;
    case "mark":
      return `-m mark ${not(match)}--mark ${hex(match.value)}/${hex(match.mask)}`;
    case "reverse-path-failed":
      return "-m rpfilter --validmark --invert";
    case "icmp": {
      const type = match.code === undefined ? `${match.type}` : `${match.type}/${match.code}`;
      return version === 4 ? `-m icmp ${not(match)}--icmp-type ${type}` : `-m icmp6 ${not(match)}--icmpv6-type ${type}`;
    }
    case "limit":
      return `-m limit --limit ${match.rate} --limit-burst ${match.burst}`;
  }
}

function printAction(action: Action): string {
  switch (action.kind) {
    case "accept":
      return "-j ACCEPT";
    case "drop":
      return "-j DROP";
    case "return":
      return "-j RETURN";
    case "reject":
      return "-j REJECT";
    case "dispatch":
      throw new Error(`Cannot print a lookup in the map ${action.map}: iptables has no maps`);
    case "masquerade":
      return `-j MASQUERADE${toPorts(action)} --random-fully`;
    case "source-nat":
      return `-j SNAT --to-source ${printEnd(action)} --random-fully`;
    case "destination-nat":
      return `-j DNAT --to-destination ${action.to}`;
    case "set-dscp":
      return `-j DSCP --set-dscp ${hex(action.dscp)}`;
    case "jump":
      return `-j ${word(action.chain)}`;
    case "goto":
      return `-g ${word(action.chain)}`;
    case "no-track":
      return "-j CT --notrack";
    case "log":
      return `-j LOG --log-prefix ${quote(action.prefix)} --log-level ${logLevel}`;
    case "set-mark":
      return `-j MARK --set-mark ${hex(action.value)}/${hex(action.mask)}`;
  }
}

/** An address of IPv6 stands in brackets before ports. */
function printEnd({ to, ports }: Extract<Action, { kind: "source-nat" }>): string {
  if (ports === undefined) return to;
  return `${versionOf(to) === 4 ? to : `[${to}]`}:${dashed(ports)}`;
}

function toPorts({ ports }: { readonly ports?: { readonly first: number; readonly last: number } }): string {
  return ports === undefined ? "" : ` --to-ports ${dashed(ports)}`;
}

function dashed({ first, last }: { readonly first: number; readonly last: number }): string {
  return `${first}-${last}`;
}

const protocolNames: ReadonlyMap<number, string> = new Map([
  ...portProtocolNames,
  [protocolNumbers.ICMP, "icmp"],
  [protocolNumbers.ICMPv6, "ipv6-icmp"],
]);

function not(match: { readonly negated: boolean }): string {
  return match.negated ? "! " : "";
}

function portsOption(side: Side): string {
  return side === "source" ? "--source-ports" : "--destination-ports";
}

function printRange(range: { readonly first: number; readonly last: number }): string {
  return range.first === range.last ? String(range.first) : `${range.first}:${range.last}`;
}

/** LOG_NOTICE, as upstream. */
const logLevel = 5;

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** Names reach the kernel as they are or not at all: a changed name would point elsewhere. */
function word(name: string): string {
  if (/^[A-Za-z0-9_./:+-]{1,64}$/.test(name) && !name.startsWith("-")) return name;
  throw new Error(`Cannot print ${JSON.stringify(name)} in a rule: a name may hold letters, digits and _./:+- only`);
}

/** A text for people: what could end its quotes or its line becomes `_`, and it is cut to what fits beside a hash. */
function quote(text: string): string {
  return `"${text.replaceAll(/[^A-Za-z0-9 _./:=,()-]/g, "_").slice(0, 200)}"`;
}
