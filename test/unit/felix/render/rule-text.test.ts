import { expect, test } from "vitest";
import type { MatchPlan, PolicyId, PortsMatch, RulePlan, SetId } from "../../../../src/felix/calc/plan.ts";
import { printRule } from "../../../../src/felix/render/iptables.ts";
import { defaultRenderOptions, type RenderOptions } from "../../../../src/felix/render/options.ts";
import { policyChainOf } from "../../../../src/felix/render/policy-chains.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import type { IpVersion } from "../../../../src/net/ip.ts";
import { policyOf, ruleOf } from "../small-plan.ts";

const [a, b, n, m] = ["s:a" as SetId, "s:b" as SetId, "n:n" as SetId, "n:m" as SetId];
const policyId = "knp/shop/web-to-db" as PolicyId;
const nets = (...texts: readonly string[]) => texts.map(parseCidr);
const ports = (...ranges: readonly (number | readonly [number, number])[]): PortsMatch => ({
  ranges: ranges.map((one) => (typeof one === "number" ? { first: one, last: one } : { first: one[0], last: one[1] })),
  sets: [],
});
const to = (destination: MatchPlan, said: Partial<RulePlan> = {}): RulePlan => ruleOf("deny", { destination, ...said });
const is = (said: Partial<RulePlan>): RulePlan => ruleOf("deny", said);
const tcp = { protocol: 6 } as const;

const never: readonly string[] = [];
/** What a rule's last line ends with when it had to be prepared. */
const prepared = "-m mark --mark 0x80000/0x80000 -j DROP";
const setAll = "-j MARK --set-mark 0x80000/0x80000";
const clearAll = "-j MARK --set-mark 0x0/0x80000";
const startFalse = "-j MARK --set-mark 0x0/0x180000";
const startTrue = "-j MARK --set-mark 0x80000/0x180000";
const everyProtocol = ["tcp", "udp", "33", "sctp", "udplite"];

test.for<[string, RulePlan, readonly string[]]>([
  ["nothing", is({}), ["-j DROP"]],
  ["a protocol", is(tcp), ["-p tcp -j DROP"]],
  ["any but a protocol", is({ notProtocol: 17 }), ["! -p udp -j DROP"]],
  ["a protocol that is not another", is({ protocol: 6, notProtocol: 17 }), ["-p tcp -j DROP"]],
  ["a protocol that is not itself", is({ protocol: 6, notProtocol: 6 }), never],
  ["the other family", is({ ipVersion: 6 }), never],
  ["a type of ICMP", is({ protocol: 1, icmp: { type: 8 } }), ["-p icmp -m icmp --icmp-type 8 -j DROP"]],
  ["a code of ICMP", is({ protocol: 1, icmp: { type: 3, code: 0 } }), ["-p icmp -m icmp --icmp-type 3/0 -j DROP"]],
  ["a type without its protocol", is({ icmp: { type: 8 } }), ["-p icmp -m icmp --icmp-type 8 -j DROP"]],
  ["a type of ICMPv6 in IPv4", is({ protocol: 58, icmp: { type: 128 } }), never],
  ["a type of ICMP that is no ICMP", is({ notProtocol: 1, icmp: { type: 8 } }), never],
  ["no type of ICMP", is({ protocol: 1, notIcmp: { type: 8 } }), ["-p icmp -m icmp ! --icmp-type 8 -j DROP"]],
  [
    "a type of ICMP, and not a code of it",
    is({ protocol: 1, icmp: { type: 3 }, notIcmp: { type: 3, code: 4 } }),
    ["-p icmp -m icmp --icmp-type 3 -m icmp ! --icmp-type 3/4 -j DROP"],
  ],
  ["no type of ICMP, of another protocol", is({ protocol: 6, notIcmp: { type: 8 } }), ["-p tcp -j DROP"]],
  ["no type of ICMP, of none", is({ notProtocol: 1, notIcmp: { type: 8 } }), ["! -p icmp -j DROP"]],
  [
    "no type of ICMP, of whatever protocol",
    is({ notIcmp: { type: 8, code: 0 } }),
    [startTrue, `-p icmp -m icmp --icmp-type 8/0 ${clearAll}`, prepared],
  ],
  ["one network", to({ nets: nets("10.0.0.0/8", "fd00::/8") }), ["-d 10.0.0.0/8 -j DROP"]],
  ["networks of the other family", to({ nets: nets("fd00::/8") }), never],
  ["no network", to({ nets: [] }), never],
  ["every network", to({ nets: nets("10.0.0.0/8", "0.0.0.0/0") }), ["-j DROP"]],
  [
    "two networks",
    to({ nets: nets("10.0.0.0/8", "11.0.0.0/8") }),
    [startFalse, `-d 10.0.0.0/8 ${setAll}`, `-d 11.0.0.0/8 ${setAll}`, prepared],
  ],
  ["not one network", to({ notNets: nets("10.0.0.0/8", "fd00::/8") }), ["! -d 10.0.0.0/8 -j DROP"]],
  [
    "not one of every network",
    to({ nets: nets("0.0.0.0/0"), notNets: nets("10.0.0.0/8") }),
    ["! -d 10.0.0.0/8 -j DROP"],
  ],
  ["none at all", to({ notNets: nets("10.0.0.0/8", "0.0.0.0/0") }), never],
  [
    "a part of a network",
    to({ nets: nets("10.0.0.0/8"), notNets: nets("10.1.0.0/16") }),
    [startTrue, `-d 10.1.0.0/16 ${clearAll}`, `-d 10.0.0.0/8 ${prepared}`],
  ],
  [
    "alternatives, and some that it must not be",
    { ...to({ nets: nets("10.0.0.0/8", "11.0.0.0/8") }), source: { notNets: nets("12.0.0.0/8", "13.0.0.0/8") } },
    [
      startFalse,
      `-d 10.0.0.0/8 ${setAll}`,
      `-d 11.0.0.0/8 ${setAll}`,
      `-s 12.0.0.0/8 ${clearAll}`,
      `-s 13.0.0.0/8 ${clearAll}`,
      prepared,
    ],
  ],
  [
    "networks of both ends",
    { ...to({ nets: nets("10.0.0.0/8", "11.0.0.0/8") }), source: { nets: nets("12.0.0.0/8", "13.0.0.0/8") } },
    [
      startFalse,
      `-s 12.0.0.0/8 ${setAll}`,
      `-s 13.0.0.0/8 ${setAll}`,
      "-j MARK --set-mark 0x0/0x100000",
      "-d 10.0.0.0/8 -j MARK --set-mark 0x100000/0x100000",
      "-d 11.0.0.0/8 -j MARK --set-mark 0x100000/0x100000",
      `-m mark --mark 0x0/0x100000 ${clearAll}`,
      prepared,
    ],
  ],
  [
    "sets",
    to({ sets: [a, b], notSets: [b] }),
    ["-m set --match-set cali40s:a dst -m set --match-set cali40s:b dst -m set ! --match-set cali40s:b dst -j DROP"],
  ],
  [
    "sets of ports",
    ruleOf("deny", { source: { portSets: [n, m] } }),
    ["-m set --match-set cali40n:n src,src -m set --match-set cali40n:m src,src -j DROP"],
  ],
  ["ports", to({ ports: ports(80, [90, 99]) }, tcp), ["-p tcp -m multiport --destination-ports 80,90:99 -j DROP"]],
  ["no ports", to({ ports: ports() }, tcp), never],
  ["ports of what has none", to({ ports: ports(80) }, { protocol: 47 }), never],
  ["named ports", to({ ports: { ranges: [], sets: [n] } }), ["-m set --match-set cali40n:n dst,dst -j DROP"]],
  [
    "named ports of a protocol",
    to({ ports: { ranges: [], sets: [n] } }, tcp),
    ["-p tcp -m set --match-set cali40n:n dst,dst -j DROP"],
  ],
  [
    "more ports than a match has room for, and named ones",
    to(
      { ports: { ranges: ports(...Array.from({ length: 14 }, (_, i) => i), [90, 99], 100).ranges, sets: [n, m] } },
      tcp,
    ),
    [
      startFalse,
      `-p tcp -m multiport --destination-ports 0,1,2,3,4,5,6,7,8,9,10,11,12,13 ${setAll}`,
      `-p tcp -m multiport --destination-ports 90:99,100 ${setAll}`,
      `-m set --match-set cali40n:n dst,dst ${setAll}`,
      `-m set --match-set cali40n:m dst,dst ${setAll}`,
      `-p tcp ${prepared}`,
    ],
  ],
  [
    "ports of whatever protocol",
    to({ ports: ports(80) }),
    [startFalse, ...everyProtocol.map((one) => `-p ${one} -m multiport --destination-ports 80 ${setAll}`), prepared],
  ],
  [
    "ports of any but a protocol",
    to({ ports: ports(80) }, { notProtocol: 17 }),
    [
      startFalse,
      ...["tcp", "33", "sctp", "udplite"].map((one) => `-p ${one} -m multiport --destination-ports 80 ${setAll}`),
      `! -p udp ${prepared}`,
    ],
  ],
  [
    "none of many ports",
    to({ notPorts: { ranges: ports(...Array.from({ length: 16 }, (_, i) => i)).ranges, sets: [n] } }, tcp),
    [
      "-p tcp -m set ! --match-set cali40n:n dst,dst -m multiport ! --destination-ports 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14 -m multiport ! --destination-ports 15 -j DROP",
    ],
  ],
  [
    "none of many names",
    to({ notPorts: { ranges: ports(80).ranges, sets: [n, m, a, b, "n:o" as SetId] } }, tcp),
    [
      startTrue,
      ...["n:n", "n:m", "s:a", "s:b", "n:o"].map((set) => `-m set --match-set cali40${set} dst,dst ${clearAll}`),
      `-p tcp -m multiport ! --destination-ports 80 ${prepared}`,
    ],
  ],
  ["no ports of what has none", to({ notPorts: ports(80) }, { protocol: 47 }), ["-p 47 -j DROP"]],
  ["all but no ports", to({ notPorts: ports() }), ["-j DROP"]],
  [
    "none of the ports of whatever protocol",
    to({ notPorts: ports(80) }),
    [startTrue, ...everyProtocol.map((one) => `-p ${one} -m multiport --destination-ports 80 ${clearAll}`), prepared],
  ],
])("in IPv4 a rule that matches %s", ([, rule, lines]) => {
  expect(textOf(rule, 4)).toEqual(lines);
});

test.for<[string, RulePlan, readonly string[]]>([
  [
    "a type of ICMPv6",
    is({ protocol: 58, icmp: { type: 128, code: 0 } }),
    ["-p ipv6-icmp -m icmp6 --icmpv6-type 128/0 -j DROP"],
  ],
  [
    "no type of ICMPv6",
    is({ protocol: 58, notIcmp: { type: 128 } }),
    ["-p ipv6-icmp -m icmp6 ! --icmpv6-type 128 -j DROP"],
  ],
  ["a type of ICMP", is({ protocol: 1, icmp: { type: 8 } }), never],
  ["no type of ICMP", is({ protocol: 1, notIcmp: { type: 8 } }), ["-p icmp -j DROP"]],
  ["a network", to({ nets: nets("10.0.0.0/8", "fd00::/8") }), ["-d fd00::/8 -j DROP"]],
  ["every network", to({ nets: nets("::/0"), sets: [a] }), ["-m set --match-set cali60s:a dst -j DROP"]],
  ["none at all", to({ notNets: nets("::/0") }), never],
  ["named ports", to({ portSets: [n] }), ["-m set --match-set cali60n:n dst,dst -j DROP"]],
])("in IPv6 a rule that matches %s", ([, rule, lines]) => {
  expect(textOf(rule, 6)).toEqual(lines);
});

type Printed = readonly [RulePlan, readonly string[]];

const marked = (action: "allow" | "pass", mark: string): Printed => [
  ruleOf(action),
  [`-j MARK --set-mark ${mark}/${mark}`, `-m mark --mark ${mark}/${mark} -j RETURN`],
];

test.for<Printed>([
  marked("allow", "0x10000"),
  marked("pass", "0x20000"),
  [ruleOf("log", tcp), ['-p tcp -j LOG --log-prefix "calico-packet: " --log-level 5']],
  [ruleOf("log"), ['-j LOG --log-prefix "calico-packet: " --log-level 5']],
  [ruleOf("allow", { http: { methods: [], paths: [] } }), []],
])("a rule's action: %o", ([rule, lines]) => {
  expect(textOf(rule, 4)).toEqual(lines);
});

test("log rules are limited, each for itself, and no others", () => {
  const options: RenderOptions = { ...defaultRenderOptions, logLimit: { rate: "10/minute", burst: 5 } };
  const limited =
    '-p tcp -m limit --limit 10/minute --limit-burst 5 -j LOG --log-prefix "calico-packet: " --log-level 5';
  expect(textOf(ruleOf("log", tcp), 4, { options })).toEqual([limited]);
  expect(textOf(ruleOf("deny", tcp), 4, { options })).toEqual(["-p tcp -j DROP"]);
});

test("rules of a staged policy return where they match, and what decides nothing is not there", () => {
  const staged = (rule: RulePlan) => textOf(rule, 4, { staged: true });
  expect(staged(ruleOf("deny", tcp))).toEqual(["-p tcp -j RETURN"]);
  expect(staged(ruleOf("allow"))).toEqual(["-j RETURN"]);
  expect(staged(ruleOf("pass"))).toEqual(["-j RETURN"]);
  expect(staged(ruleOf("log"))).toEqual([]);
  expect(staged(ruleOf("allow", { http: { methods: [], paths: [] } }))).toEqual([]);
});

test("a rule says which one of which policy it is, by the author's count, and the author's name of it", () => {
  const policy = policyOf(policyId, {
    ingress: [ruleOf("deny", { origin: 3 }), ruleOf("deny", { origin: 3, name: 'n"ame' })],
  });
  const [, rules] = policyChainOf(policy, "ingress", { version: 4, options: defaultRenderOptions });
  expect(rules.map((rule) => printRule(rule, 4))).toEqual([
    '-m comment --comment "knp/shop/web-to-db ingress rule 3" -j DROP',
    '-m comment --comment "knp/shop/web-to-db ingress rule 3 (n_ame)" -j DROP',
  ]);
});

// --- internal ---

function textOf(
  rule: RulePlan,
  version: IpVersion,
  { options = defaultRenderOptions, staged = false }: { options?: RenderOptions; staged?: boolean } = {},
): readonly string[] {
  const policy = policyOf(policyId, { staged, egress: [rule] });
  const [, rules] = policyChainOf(policy, "egress", { version, options });
  return rules.map((one) => printRule({ matches: one.matches, action: one.action }, version));
}
