import { expect, test } from "vitest";
import type { Match, Rule, Table } from "../../../../src/felix/render/desired-state.ts";
import { printRule, printTable } from "../../../../src/felix/render/iptables.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";

const drop: Rule = { matches: [], action: { kind: "drop" } };
const accept: Rule = { matches: [], action: { kind: "accept" } };

test.for<[Match, string]>([
  [{ kind: "protocol", protocol: 132 }, "-p sctp"],
  [{ kind: "protocol", protocol: 47 }, "-p 47"],
  [{ kind: "net", side: "source", net: parseCidr("10.0.0.0/8"), negated: true }, "! -s 10.0.0.0/8"],
  [{ kind: "set", side: "destination", set: "cali40s:x", negated: true }, "-m set ! --match-set cali40s:x dst"],
  [
    {
      kind: "ports",
      side: "source",
      ports: [
        { first: 1, last: 1 },
        { first: 5, last: 9 },
      ],
    },
    "-m multiport --source-ports 1,5:9",
  ],
  [{ kind: "in-interface", name: "cali+", negated: false }, "-i cali+"],
  [{ kind: "out-interface", name: "cali12", negated: true }, "! -o cali12"],
  [{ kind: "connection", states: ["RELATED", "ESTABLISHED"] }, "-m conntrack --ctstate RELATED,ESTABLISHED"],
  [{ kind: "mark", value: 0, mask: 0x20000, negated: false }, "-m mark --mark 0x0/0x20000"],
  [{ kind: "reverse-path-failed" }, "-m rpfilter --validmark --invert"],
  [{ kind: "icmpv6-type", type: 135 }, "-p ipv6-icmp -m icmp6 --icmpv6-type 135"],
])("a match of %o", ([match, text]) => {
  expect(printRule({ matches: [match], action: { kind: "return" } })).toBe(`${text} -j RETURN`);
});

test("a comment cannot end its quotes, its line or the room for it", () => {
  const comment = `a"b\\c\nd\u0000é -j ACCEPT ${"x".repeat(300)}`;
  const text = printRule({ ...drop, comment });
  expect(text).toMatch(/^-m comment --comment "a_b_c_d__ -j ACCEPT x+" -j DROP$/);
  expect(text.split('"')[1]?.length).toBe(200);
});

test.for([
  { matches: [{ kind: "in-interface", name: "cali1 -j ACCEPT", negated: false }], action: { kind: "drop" } },
  { matches: [{ kind: "set", side: "source", set: 'x"', negated: false }], action: { kind: "drop" } },
  { matches: [], action: { kind: "jump", chain: "--help" } },
  { matches: [], action: { kind: "goto", chain: "a\nCOMMIT" } },
] satisfies Rule[])("a name that is more than a word is refused: %o", (rule) => {
  expect(() => printRule(rule)).toThrow(/Cannot print ".*" in a rule/);
});

test("a hash stands in the rule, and covers it and the chain", () => {
  const hashes = (name: string, rules: readonly Rule[]) => {
    const printed = printTable(tableOf(name, [...rules])).chains.get(name) ?? [];
    for (const { hash, spec } of printed) {
      expect(hash).toMatch(/^[A-Za-z0-9_-]{16}$/);
      expect(spec).toContain(`-m comment --comment "cali:${hash}" `);
    }
    return printed.map(({ hash }) => hash);
  };
  const one = hashes("cali-a", [drop, accept, drop]);
  expect(new Set(one).size).toBe(2);
  expect(hashes("cali-a", [drop, accept, drop])).toEqual(one);
  expect(hashes("cali-b", [drop, accept, drop])).not.toEqual(one);
  const other = hashes("cali-a", [drop, drop, drop]);
  expect(other[0]).toBe(one[0]);
  expect(other[1]).not.toBe(one[1]);
  expect(other[2]).toBe(one[2]);
});

test("the same rules before and behind a foreign chain's own are told apart", () => {
  const table = { ...tableOf("cali-a", []), hooks: new Map([["FORWARD", { inserted: [drop], appended: [drop] }]]) };
  const hook = printTable(table).hooks.get("FORWARD");
  expect(hook?.inserted[0]?.hash).not.toBe(hook?.appended[0]?.hash);
});

test("one array of rules under two chains' names has each chain's hashes", () => {
  const rules = [drop];
  const first = printTable(tableOf("cali-a", rules)).chains.get("cali-a");
  const second = printTable(tableOf("cali-b", rules)).chains.get("cali-b");
  expect(second).not.toEqual(first);
  expect(printTable(tableOf("cali-b", rules)).chains.get("cali-b")).toBe(second);
});

function tableOf(chain: string, rules: readonly Rule[]): Table {
  return { version: 4, name: "filter", chains: new Map([[chain, rules]]), hooks: new Map() };
}
