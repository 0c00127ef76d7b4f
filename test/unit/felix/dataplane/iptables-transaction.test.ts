import { describe, expect, test } from "vitest";
import { parseIptablesSave } from "../../../../src/felix/dataplane/iptables-save.ts";
import { emptySavedTable, tableDrift, tableTransaction } from "../../../../src/felix/dataplane/iptables-transaction.ts";
import type { PrintedRule, PrintedTable } from "../../../../src/felix/render/iptables.ts";

const rule = (name: string): PrintedRule => {
  const hash = name.padEnd(16, "_");
  return { hash, spec: `-m comment --comment "cali:${hash}" -j ${name}` };
};

function table(chains: Record<string, string[]>, hooks: Record<string, [string[], string[]]> = {}): PrintedTable {
  return {
    version: 4,
    name: "filter",
    chains: new Map(Object.entries(chains).map(([name, rules]) => [name, rules.map(rule)])),
    hooks: new Map(
      Object.entries(hooks).map(([name, [inserted, appended]]) => [
        name,
        { inserted: inserted.map(rule), appended: appended.map(rule) },
      ]),
    ),
  };
}

const desired = table({ "cali-A": ["ONE", "TWO"], "cali-B": [] }, { FORWARD: [["HEAD", "SECOND"], ["TAIL"]] });

describe("a table", () => {
  test("that holds nothing of ours is filled", () => {
    expect(tableTransaction(desired, emptySavedTable)?.text.split("\n")).toEqual([
      "*filter",
      ":cali-A - -",
      ":cali-B - -",
      `-A cali-A ${rule("ONE").spec}`,
      `-A cali-A ${rule("TWO").spec}`,
      `-I FORWARD 1 ${rule("HEAD").spec}`,
      `-I FORWARD 2 ${rule("SECOND").spec}`,
      `-A FORWARD ${rule("TAIL").spec}`,
      "COMMIT",
      "",
    ]);
  });

  test("that is as it should be is left alone, also as told by its own transaction", () => {
    const after = tableTransaction(desired, emptySavedTable)?.after;
    expect(after).toBeDefined();
    expect(tableTransaction(desired, after ?? emptySavedTable)).toBeUndefined();
  });

  test("gets only the chain that changed", () => {
    const after = tableTransaction(desired, emptySavedTable)?.after ?? emptySavedTable;
    const changed = table({ "cali-A": ["ONE", "OTHER"], "cali-B": [] }, { FORWARD: [["HEAD", "SECOND"], ["TAIL"]] });
    expect(tableTransaction(changed, after)?.text.split("\n")).toEqual([
      "*filter",
      ":cali-A - -",
      `-A cali-A ${rule("ONE").spec}`,
      `-A cali-A ${rule("OTHER").spec}`,
      "COMMIT",
      "",
    ]);
  });

  test.each([
    ["at its head", ["B", "C"], ["A", "B", "C"], [`-I cali-A 1 ${rule("A").spec}`]],
    [
      "in its midst and at its end",
      ["A", "C"],
      ["A", "B", "C", "D"],
      [2, 4].map((at) => `-I cali-A ${at} ${rule("ABCD"[at - 1] ?? "").spec}`),
    ],
    ["of which it has one like it", ["A"], ["A", "A"], [`-I cali-A 2 ${rule("A").spec}`]],
  ])("whose chain gets rules %s gets just those", (_, before, now, lines) => {
    const after = tableTransaction(table({ "cali-A": before }), emptySavedTable)?.after ?? emptySavedTable;
    const change = tableTransaction(table({ "cali-A": now }), after);
    expect(change?.text.split("\n")).toEqual(["*filter", ...lines, "COMMIT", ""]);
    expect(tableTransaction(table({ "cali-A": now }), change?.after ?? emptySavedTable)).toBeUndefined();
  });

  test("whose chain loses rules loses just those, the last first", () => {
    const after =
      tableTransaction(table({ "cali-A": ["A", "B", "C", "D"] }), emptySavedTable)?.after ?? emptySavedTable;
    const change = tableTransaction(table({ "cali-A": ["B", "D"] }), after);
    expect(change?.text.split("\n")).toEqual(["*filter", "-D cali-A 3", "-D cali-A 1", "COMMIT", ""]);
  });

  test("whose chain has somebody else's rule loses it", () => {
    const saved = parseIptablesSave("*filter\n:cali-A - [0:0]\n-A cali-A -j ACCEPT\nCOMMIT\n").get("filter");
    const change = tableTransaction(table({ "cali-A": [] }), saved ?? emptySavedTable);
    expect(change?.text.split("\n")).toEqual(["*filter", "-D cali-A 1", "COMMIT", ""]);
  });

  test("loses a chain only after it was emptied and whoever names it was rewritten", () => {
    const after = tableTransaction(desired, emptySavedTable)?.after ?? emptySavedTable;
    const lines = tableTransaction(table({ "cali-B": ["NEW"] }), after)?.text.split("\n") ?? [];
    const at = (line: string) => lines.indexOf(line);
    expect(at(":cali-A - -")).toBeGreaterThan(0);
    expect(at("-X cali-A")).toBeGreaterThan(at(`-A cali-B ${rule("NEW").spec}`));
    expect(lines.filter((line) => line.startsWith("-D FORWARD"))).toHaveLength(3);
  });
});

describe("a saved table", () => {
  const saved = parseIptablesSave(`# Generated
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:KUBE-FORWARD - [0:0]
:cali-A - [0:0]
:cali-B - [0:0]
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m comment --comment "cali:HEAD____________" -j HEAD
-A FORWARD -m comment --comment cali:SECOND__________ -j SECOND
-A FORWARD -m comment --comment "cali:TAIL____________" -j TAIL
-A cali-A -m comment --comment "cali:ONE_____________" -m comment --comment "Policy a/b" -j ONE
-A cali-A -j TWO
COMMIT
`).get("filter");

  test("tells ours from others' and rules without our hash", () => {
    expect(saved?.chains.get("cali-A")).toEqual([{ hash: "ONE_____________" }, { hash: undefined }]);
    expect(saved?.foreign.get("FORWARD")?.map(({ hash }) => hash)).toEqual([
      undefined,
      "HEAD____________",
      "SECOND__________",
      "TAIL____________",
    ]);
  });

  test("has our rules taken back to the first place when somebody got before them, and others' left", () => {
    const lines = tableTransaction(desired, saved ?? emptySavedTable)?.text.split("\n") ?? [];
    expect(lines.filter((line) => line.includes("KUBE-FORWARD"))).toEqual([]);
    expect(lines.filter((line) => /^-[DIA] FORWARD/.test(line))).toEqual([
      '-D FORWARD -m comment --comment "cali:HEAD____________" -j HEAD',
      "-D FORWARD -m comment --comment cali:SECOND__________ -j SECOND",
      '-D FORWARD -m comment --comment "cali:TAIL____________" -j TAIL',
      `-I FORWARD 1 ${rule("HEAD").spec}`,
      `-I FORWARD 2 ${rule("SECOND").spec}`,
      `-A FORWARD ${rule("TAIL").spec}`,
    ]);
  });

  test("has the rule that somebody put into our chain removed", () => {
    const lines = tableTransaction(desired, saved ?? emptySavedTable)?.text.split("\n") ?? [];
    expect(lines).toContain(":cali-A - -");
    expect(lines).toContain(`-A cali-A ${rule("TWO").spec}`);
    expect(lines).not.toContain(":cali-B - -");
  });
});

test("what is ours and should not be is told, and what is others' is not", () => {
  const text = `*filter\n:OUTPUT ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:cali-X - [0:0]\n:theirs - [0:0]\n-A OUTPUT ${rule("OLD").spec}\n-A INPUT -j theirs\nCOMMIT\n`;
  const found = tableDrift(table({}), parseIptablesSave(text).get("filter") ?? emptySavedTable);
  expect(found.map(({ where }) => where)).toEqual([
    "chain cali-X of IPv4 table filter",
    "chain OUTPUT of IPv4 table filter",
  ]);
});

describe("what iptables-save prints", () => {
  const text = "# Generated\n*filter\n:FORWARD ACCEPT [0:0]\n:cali-A - [0:0]\n[3:180] -A cali-A -j DROP\nCOMMIT\n";

  test("may have counters, warnings and no table", () => {
    const { chains } =
      parseIptablesSave(`${text}# Warning: iptables-legacy tables present\n`).get("filter") ?? emptySavedTable;
    expect(chains.get("cali-A")).toHaveLength(1);
    expect(parseIptablesSave("")).toEqual(new Map());
  });

  test.each([
    ["the midst of a table", text.slice(0, text.indexOf("COMMIT"))],
    ["the midst of its last line", text.slice(0, text.indexOf("MIT"))],
    ["an error", "iptables-save: Resource temporarily unavailable\n"],
    ["an error after a table", `${text}Segmentation fault\n`],
    ["an error within a table", text.replace("COMMIT", "Segmentation fault\nCOMMIT")],
    ["a table within a table", text.replace("COMMIT", "*nat\nCOMMIT")],
  ])("is not taken for all that there is when it ends with %s", (_, printed) => {
    expect(() => parseIptablesSave(printed)).toThrow("Cannot tell what iptables holds");
  });
});
