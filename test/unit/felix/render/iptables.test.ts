import { expect, test } from "vitest";
import type { Match, Rule, Table } from "../../../../src/felix/render/desired-state.ts";
import { printRule, printTable } from "../../../../src/felix/render/iptables.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";

const drop: Rule = { matches: [], action: { kind: "drop" } };
const accept: Rule = { matches: [], action: { kind: "accept" } };

test.for<[Match, string]>([
  [{ kind: "protocol", protocol: 132, negated: false }, "-p sctp"],
  [{ kind: "protocol", protocol: 47, negated: true }, "! -p 47"],
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
      negated: false,
    },
    "-m multiport --source-ports 1,5:9",
  ],
  [
    { kind: "ports", side: "destination", ports: [{ first: 1, last: 2 }], negated: true },
    "-m multiport ! --destination-ports 1:2",
  ],
  [{ kind: "port-set", side: "source", set: "cali40n:x", negated: false }, "-m set --match-set cali40n:x src,src"],
  [
    { kind: "port-set", side: "destination", set: "cali40n:x", negated: true },
    "-m set ! --match-set cali40n:x dst,dst",
  ],
  [{ kind: "icmp", type: 8, code: 1, negated: true }, "-m icmp ! --icmp-type 8/1"],
  [{ kind: "icmp", type: 8, negated: false }, "-m icmp --icmp-type 8"],
  [{ kind: "limit", rate: "10/minute", burst: 5 }, "-m limit --limit 10/minute --limit-burst 5"],
  [{ kind: "connection", states: ["DNAT"] }, "-m conntrack --ctstate DNAT"],
  [{ kind: "in-interface", name: "cali+", negated: false }, "-i cali+"],
  [{ kind: "out-interface", name: "cali12", negated: true }, "! -o cali12"],
  [{ kind: "connection", states: ["RELATED", "ESTABLISHED"] }, "-m conntrack --ctstate RELATED,ESTABLISHED"],
  [{ kind: "mark", value: 0, mask: 0x20000, negated: false }, "-m mark --mark 0x0/0x20000"],
  [{ kind: "reverse-path-failed" }, "-m rpfilter --validmark --invert"],
])("a match of %o", ([match, text]) => {
  expect(printRule({ matches: [match], action: { kind: "return" } }, 4)).toBe(`${text} -j RETURN`);
});

test("the families have their own words for ICMP, also for one rule that both have", () => {
  const rules: readonly Rule[] = [
    { matches: [{ kind: "icmp", type: 135, code: 0, negated: false }], action: { kind: "drop" } },
  ];
  const specOf = (version: 4 | 6) =>
    printTable({ ...tableOf("cali-a", rules), version }).chains.get("cali-a")?.[0]?.spec;
  expect(specOf(4)).toMatch(/ -m icmp --icmp-type 135\/0 -j DROP$/);
  expect(specOf(6)).toMatch(/ -m icmp6 --icmpv6-type 135\/0 -j DROP$/);
});

test.for<[Rule["action"], string]>([
  [{ kind: "no-track" }, "-j CT --notrack"],
  [{ kind: "log", prefix: 'a" %s\n: ' }, '-j LOG --log-prefix "a_ _s_: " --log-level 5'],
  [{ kind: "set-mark", value: 0x10000, mask: 0x30000 }, "-j MARK --set-mark 0x10000/0x30000"],
])("an action of %o", ([action, text]) => {
  expect(printRule({ matches: [], action }, 4)).toBe(text);
});

test("a comment cannot end its quotes, its line or the room for it", () => {
  const comment = `a"b\\c\nd\u0000é -j ACCEPT ${"x".repeat(300)}`;
  const text = printRule({ ...drop, comment }, 4);
  expect(text).toMatch(/^-m comment --comment "a_b_c_d__ -j ACCEPT x+" -j DROP$/);
  expect(text.split('"')[1]?.length).toBe(200);
});

test.for([
  { matches: [{ kind: "in-interface", name: "cali1 -j ACCEPT", negated: false }], action: { kind: "drop" } },
  { matches: [{ kind: "set", side: "source", set: 'x"', negated: false }], action: { kind: "drop" } },
  { matches: [], action: { kind: "jump", chain: "--help" } },
  { matches: [], action: { kind: "goto", chain: "a\nCOMMIT" } },
] satisfies Rule[])("a name that is more than a word is refused: %o", (rule) => {
  expect(() => printRule(rule, 4)).toThrow(/Cannot print ".*" in a rule/);
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

test("what both families share is printed once, but for what each says in its own words", () => {
  const ping: Rule = { matches: [{ kind: "icmp", type: 8, negated: false }], action: { kind: "accept" } };
  const tableOf = (version: 4 | 6, chains: Table["chains"]): Table => ({
    version,
    name: "filter",
    chains,
    hooks: new Map(),
  });
  const shared = [accept];
  const chains = new Map([
    ["cali-same", [accept, drop]],
    ["cali-other", [ping, drop]],
    ["cali-one", shared],
    ["cali-two", shared],
  ]);
  const [four, six] = [printTable(tableOf(4, chains)), printTable(tableOf(6, chains))];
  const hashes = [four, six].map((table) =>
    ["cali-one", "cali-two"].map((name) => table.chains.get(name)?.map(({ hash }) => hash)),
  );
  expect(hashes[1]).toEqual(hashes[0]);
  expect(hashes[0]?.[0]).not.toEqual(hashes[0]?.[1]);
  expect(six.chains.get("cali-same")).toBe(four.chains.get("cali-same"));
  const specs = [four, six].map((table) =>
    table.chains.get("cali-other")?.map(({ spec }) => spec.replace(/^.*" /, "")),
  );
  expect(specs).toEqual([
    ["-m icmp --icmp-type 8 -j ACCEPT", "-j DROP"],
    ["-m icmp6 --icmpv6-type 8 -j ACCEPT", "-j DROP"],
  ]);
});
