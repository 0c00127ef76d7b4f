import { afterAll, beforeAll, expect, test } from "vitest";
import { ruleExpressions } from "../../src/felix/dataplane/nft-expressions.ts";
import type { Action, Match, Rule, Side, VerdictMap } from "../../src/felix/render/desired-state.ts";
import type { NftOperation } from "../../src/host/netlink/nftables.ts";
import { type Cidr, parseCidr } from "../../src/net/cidr.ts";
import { type IpVersion, parseIp } from "../../src/net/ip.ts";
import { makeNftNamespace, type NftNamespace, tableOf } from "./nftables-namespace.ts";

let place: NftNamespace;

beforeAll(async () => {
  place = await makeNftNamespace();
  await place.commit(...([4, 6] as const).flatMap(surroundings));
});

afterAll(() => place[Symbol.dispose]());

const accept: Action = { kind: "accept" };
const match = (...matches: readonly Match[]): Rule => ({ matches, action: accept });
const action = (one: Action, ...matches: readonly Match[]): Rule => ({ matches, action: one });
const net = (text: string, negated = false, side: Side = "source"): Match => ({
  kind: "net",
  side,
  net: parseCidr(text),
  negated,
});
const protocol = (number: number, negated = false): Match => ({ kind: "protocol", protocol: number, negated });
const ports = (side: Side, negated: boolean, ...ranges: readonly (readonly [number, number])[]): Match => ({
  kind: "ports",
  side,
  negated,
  ports: ranges.map(([first, last]) => ({ first, last })),
});
const set = (kind: "set" | "port-set", side: Side, negated: boolean): Match => ({
  kind,
  side,
  set: kind === "set" ? "cali40s:nets" : "cali40s:ports",
  negated,
});
const inside = (name: string, negated = false): Match => ({ kind: "in-interface", name, negated });
const outside = (name: string, negated = false): Match => ({ kind: "out-interface", name, negated });
const states = (...of: Extract<Match, { kind: "connection" }>["states"]): Match => ({ kind: "connection", states: of });
const mark = (value: number, mask: number, negated = false): Match => ({ kind: "mark", value, mask, negated });
const icmp = (negated: boolean, type: number, code?: number): Match =>
  code === undefined ? { kind: "icmp", negated, type } : { kind: "icmp", negated, type, code };

const count = "counter packets 0 bytes 0";
/** What nft(8) makes of the line must be what it says of the rule. Both families unless one is named. */
interface Case {
  readonly rule: Rule;
  readonly line: string;
  readonly chain?: "filter" | "nat" | "dstnat" | "raw";
  readonly version?: IpVersion;
}
const cases: readonly Case[] = [
  { rule: match(protocol(6)), line: `meta l4proto tcp ${count} accept` },
  { rule: match(protocol(17, true)), line: `meta l4proto != udp ${count} accept` },
  { rule: match(protocol(47)), line: `meta l4proto 47 ${count} accept` },
  ...["10.0.0.0/8", "10.16.0.0/12", "10.1.2.0/24", "10.1.2.3/32", "128.0.0.0/1"].flatMap((text): Case[] => [
    { version: 4, rule: match(net(text)), line: `ip saddr ${text} ${count} accept` },
    { version: 4, rule: match(net(text, true, "destination")), line: `ip daddr != ${text} ${count} accept` },
  ]),
  ...["fd00::/8", "fd00:1::/33", "fd00::1/128", "fe80::/10"].flatMap((text): Case[] => [
    { version: 6, rule: match(net(text)), line: `ip6 saddr ${text} ${count} accept` },
    { version: 6, rule: match(net(text, true, "destination")), line: `ip6 daddr != ${text} ${count} accept` },
  ]),
  { version: 4, rule: match(net("0.0.0.0/0")), line: `${count} accept` },
  { version: 4, rule: match(net("0.0.0.0/0", true)), line: `ip saddr & 0.0.0.0 != 0.0.0.0 ${count} accept` },
  { version: 6, rule: match(net("::/0" as Cidr, true)), line: `ip6 saddr & :: != :: ${count} accept` },
  { version: 4, rule: match(set("set", "source", false)), line: `ip saddr @cali40s-nets ${count} accept` },
  { version: 4, rule: match(set("set", "destination", true)), line: `ip daddr != @cali40s-nets ${count} accept` },
  { version: 6, rule: match(set("set", "destination", false)), line: `ip6 daddr @cali40s-nets ${count} accept` },
  {
    version: 4,
    rule: match(set("port-set", "destination", false)),
    line: `ip daddr . meta l4proto . th dport @cali40s-ports ${count} accept`,
  },
  {
    version: 6,
    rule: match(set("port-set", "source", true)),
    line: `ip6 saddr . meta l4proto . th sport != @cali40s-ports ${count} accept`,
  },
  { rule: match(protocol(6), ports("destination", false, [80, 80])), line: `tcp dport 80 ${count} accept` },
  { rule: match(protocol(6), ports("source", true, [80, 80])), line: `tcp sport != 80 ${count} accept` },
  { rule: match(protocol(17), ports("destination", false, [80, 90])), line: `udp dport 80-90 ${count} accept` },
  { rule: match(protocol(17), ports("source", true, [80, 90])), line: `udp sport != 80-90 ${count} accept` },
  {
    rule: match(protocol(132), ports("destination", false, [80, 80], [1, 9], [65_535, 65_535])),
    line: `sctp dport { 1-9, 80, 65535 } ${count} accept`,
  },
  {
    rule: match(protocol(6), ports("source", true, [80, 81], [0, 3], [82, 90], [85, 86])),
    line: `tcp sport != { 0-3, 80-90 } ${count} accept`,
  },
  { version: 4, rule: match(protocol(1), icmp(false, 8)), line: `icmp type echo-request ${count} accept` },
  { version: 4, rule: match(protocol(1), icmp(true, 3)), line: `icmp type != 3 ${count} accept` },
  {
    version: 4,
    rule: match(protocol(1), icmp(false, 3, 4)),
    line: `meta l4proto icmp @th,0,16 0x0304 ${count} accept`,
  },
  {
    version: 6,
    rule: match(protocol(58), icmp(true, 1, 4)),
    line: `meta l4proto ipv6-icmp @th,0,16 != 0x0104 ${count} accept`,
  },
  { version: 6, rule: match(protocol(58), icmp(false, 128)), line: `icmpv6 type echo-request ${count} accept` },
  { rule: match(inside("cali1"), outside("eth0", true)), line: `iifname "cali1" oifname != "eth0" ${count} accept` },
  { rule: match(inside("cali+", true), outside("tun+")), line: `iifname != "cali*" oifname "tun*" ${count} accept` },
  { rule: match(inside("+"), outside("abcdefghijklmno")), line: `oifname "abcdefghijklmno" ${count} accept` },
  { rule: match(states("RELATED", "ESTABLISHED")), line: `ct state established,related ${count} accept` },
  { rule: match(states("NEW", "INVALID", "UNTRACKED")), line: `ct state invalid,new,untracked ${count} accept` },
  { rule: match(states("DNAT")), line: `ct status dnat ${count} accept` },
  { rule: match(mark(0x10, 0xff0)), line: `meta mark & 0xff0 == 0x10 ${count} accept` },
  { rule: match(mark(0x10, 0xf0, true)), line: `meta mark & 0xf0 != 0x10 ${count} accept` },
  { rule: match(mark(0x80000000, 0xffffffff)), line: `meta mark 0x80000000 ${count} accept` },
  {
    version: 4,
    chain: "raw",
    rule: action({ kind: "drop" }, { kind: "reverse-path-failed" }),
    line: `fib saddr . mark . iif oif 0 ${count} drop`,
  },
  {
    version: 6,
    chain: "raw",
    rule: action({ kind: "drop" }, { kind: "reverse-path-failed" }),
    line: `ip6 saddr != :: fib saddr . mark . iif oif 0 ${count} drop`,
  },
  ...(["second", "minute", "hour", "day"] as const).map((unit) => ({
    rule: match({ kind: "limit", rate: `10/${unit}`, burst: 7 }),
    line: `limit rate 10/${unit} burst 7 packets ${count} accept`,
  })),
  { rule: action({ kind: "drop" }), line: `${count} drop` },
  { rule: action({ kind: "return" }), line: `${count} return` },
  { chain: "raw", rule: action({ kind: "no-track" }), line: `${count} notrack` },
  { rule: action({ kind: "reject" }), version: 4, line: `${count} reject with icmp port-unreachable` },
  { rule: action({ kind: "reject" }), version: 6, line: `${count} reject with icmpv6 port-unreachable` },
  { rule: action({ kind: "jump", chain: "cali-other" }), line: `${count} jump filter-cali-other` },
  { rule: action({ kind: "goto", chain: "cali-other" }), line: `${count} goto filter-cali-other` },
  { rule: action({ kind: "dispatch", map: "cali-in" }), line: `${count} iifname vmap @filter-cali-in` },
  { rule: action({ kind: "dispatch", map: "cali-out" }), line: `${count} oifname vmap @filter-cali-out` },
  { chain: "nat", rule: action({ kind: "masquerade" }), line: `${count} masquerade fully-random` },
  {
    chain: "nat",
    rule: action({ kind: "masquerade", ports: { first: 1024, last: 2048 } }, protocol(6)),
    line: `meta l4proto tcp ${count} masquerade to :1024-2048 fully-random`,
  },
  {
    version: 4,
    chain: "nat",
    rule: action({ kind: "source-nat", to: parseIp("1.2.3.4") }),
    line: `${count} snat to 1.2.3.4 fully-random`,
  },
  {
    version: 4,
    chain: "nat",
    rule: action({ kind: "source-nat", to: parseIp("1.2.3.4"), ports: { first: 9, last: 99 } }, protocol(17)),
    line: `meta l4proto udp ${count} snat to 1.2.3.4:9-99 fully-random`,
  },
  {
    version: 6,
    chain: "nat",
    rule: action({ kind: "source-nat", to: parseIp("fd00::9"), ports: { first: 9, last: 99 } }, protocol(17)),
    line: `meta l4proto udp ${count} snat to [fd00::9]:9-99 fully-random`,
  },
  {
    version: 4,
    chain: "dstnat",
    rule: action({ kind: "destination-nat", to: parseIp("1.2.3.4") }),
    line: `${count} dnat to 1.2.3.4`,
  },
  {
    version: 6,
    chain: "dstnat",
    rule: action({ kind: "destination-nat", to: parseIp("fd00::9") }),
    line: `${count} dnat to fd00::9`,
  },
  {
    rule: action({ kind: "set-mark", value: 0x30, mask: 0xff }),
    line: `${count} meta mark set meta mark & 0xffffff00 ^ 0x30`,
  },
  {
    rule: action({ kind: "log", prefix: 'calico "x": ' }),
    line: `${count} log prefix "calico _x_: " level notice`,
  },
  { version: 4, rule: action({ kind: "set-dscp", dscp: 46 }), line: `${count} ip dscp set 46` },
  { version: 6, rule: action({ kind: "set-dscp", dscp: 10 }), line: `${count} ip6 dscp set 10` },
];

const each = cases.flatMap((one) =>
  (one.version === undefined ? ([4, 6] as const) : [one.version]).map((version) => ({ ...one, version })),
);

test.for(each)("IPv$version: $line", async ({ rule, line, version, chain = "filter" }) => {
  const table = tableOf(version);
  const expressions = ruleExpressions(rule, { version, table: "filter", maps });
  await place.commit(
    { ...table, kind: "flush-chain", chain },
    { ...table, kind: "add-rule", chain, rule: { expressions, comment: "cali:0123" } },
  );
  const ours = bytecode(version, chain);
  place.nft(
    `flush chain ${family(version)} calico ${chain}\nadd rule ${family(version)} calico ${chain} ${line} comment "cali:0123"\n`,
  );
  expect(ours).toEqual(bytecode(version, chain));
});

test("a packet's connection state and its DNAT cannot be asked for in one match", () => {
  expect(() => ruleExpressions(match(states("NEW", "DNAT")), { version: 4, table: "filter", maps })).toThrow(
    "NEW,DNAT",
  );
});

test("a map that is not there, and a name too long for an interface, are refused", () => {
  const where = { version: 4, table: "filter", maps } as const;
  expect(() => ruleExpressions(action({ kind: "dispatch", map: "cali-no" }), where)).toThrow("cali-no");
  expect(() => ruleExpressions(match(inside("abcdefghijklmnopq")), where)).toThrow("abcdefghijklmnopq");
});

// --- internal ---

const maps: ReadonlyMap<string, VerdictMap> = new Map([
  ["cali-in", { match: "in-interface", targets: new Map() }],
  ["cali-out", { match: "out-interface", targets: new Map() }],
]);

function family(version: IpVersion): "ip" | "ip6" {
  return version === 4 ? "ip" : "ip6";
}

/** The chain's rules as nft prints them, and the kernel's expressions behind them. */
function bytecode(version: IpVersion, chain: string): readonly string[] {
  const printed = place.nft(["--debug=netlink", "list", "chain", family(version), "calico", chain]);
  return (
    printed
      .split("\n")
      .filter((line) => !marksTheStart.test(line))
      .map((line) => line.replace(/__set\d+/, "__set").replace(/( : 0 \[end\]) .*/, "$1"))
      // With the number of the rule.
      .map((line) => line.replace(/^(ip6? calico \S+) \d+.*/, "$1"))
  );
}

/** nft(8) puts into its own sets what older kernels needed: that nothing below the first range is in the set. */
const marksTheStart = /element 00000000 +: 1 \[end\]/;

function surroundings(version: IpVersion): readonly NftOperation[] {
  const table = tableOf(version);
  const address = version === 4 ? "ipv4_addr" : "ipv6_addr";
  const named = { ...table, kind: "add-set", interval: false, verdicts: false } as const;
  return [
    { ...table, kind: "add-chain", chain: "filter", base: { type: "filter", hook: "forward", priority: 0 } },
    { ...table, kind: "add-chain", chain: "raw", base: { type: "filter", hook: "prerouting", priority: -300 } },
    { ...table, kind: "add-chain", chain: "nat", base: { type: "nat", hook: "postrouting", priority: 101 } },
    { ...table, kind: "add-chain", chain: "dstnat", base: { type: "nat", hook: "prerouting", priority: -100 } },
    { ...table, kind: "add-chain", chain: "filter-cali-other" },
    { ...named, set: "cali40s-nets", key: address, interval: true },
    { ...named, set: "cali40s-ports", key: `${address} . inet_proto . inet_service` },
    { ...named, set: "filter-cali-in", key: "ifname", verdicts: true },
    { ...named, set: "filter-cali-out", key: "ifname", verdicts: true },
  ];
}
