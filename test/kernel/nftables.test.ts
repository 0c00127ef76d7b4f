import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ruleExpressions } from "../../src/felix/dataplane/nft-expressions.ts";
import type { Rule, Table } from "../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import type { NftBaseChain, NftElement, NftOperation } from "../../src/host/netlink/nftables.ts";
import { counter, verdict } from "../../src/host/netlink/nftables-expressions.ts";
import { planOf, plans } from "../unit/felix/render/random-rules.ts";
import { keys, makeNftNamespace, type NftNamespace, tableOf } from "./nftables-namespace.ts";

const table = tableOf(4);
const { ip, name } = keys;
const addChain = (chain: string, base?: NftBaseChain): NftOperation => ({
  ...table,
  kind: "add-chain",
  chain,
  ...(base && { base }),
});
const addRule = (chain: string, comment: string): NftOperation => ({
  ...table,
  kind: "add-rule",
  chain,
  rule: { expressions: [counter(), verdict("return")], comment },
});
const addSet = { ...table, kind: "add-set", set: "nets", key: "ipv4_addr", interval: true, verdicts: false } as const;
const elements = (kind: "add-elements" | "delete-elements", ...of: readonly (readonly [string, string])[]) =>
  ({ ...table, kind, set: "nets", elements: of.map(([key, last]) => ({ key: ip(key), last: ip(last) })) }) as const;

let place: NftNamespace;
beforeEach(async () => {
  place = await makeNftNamespace();
});
afterEach(() => place[Symbol.dispose]());

describe("listings", () => {
  test("chains come back as they were made, with their hooks", async () => {
    const base = { type: "nat", hook: "postrouting", priority: 101 } as const;
    const early = { type: "filter", hook: "prerouting", priority: -300 } as const;
    await place.commit(addChain("own"), addChain("nat", base), addChain("raw", early));
    await place.commit(addChain("own"), addChain("nat", base));
    place.nft("add table ip other; add chain ip other theirs\n");
    expect(await place.nftables.chains(table)).toEqual([
      { name: "own" },
      { name: "nat", base },
      { name: "raw", base: early },
    ]);
    expect(await place.nftables.tables(4)).toEqual(["calico", "other"]);
    expect(await place.nftables.tables(6)).toEqual(["calico"]);
  });

  test("rules come back in order, of one chain or all, with handle, comment and what they counted", async () => {
    await place.commit(
      addChain("a"),
      addChain("b"),
      addRule("a", "cali:1 one"),
      addRule("b", "cali:2"),
      addRule("a", ""),
    );
    place.nft("add rule ip calico a counter packets 5 bytes 600 drop\n");
    const rules = await place.nftables.rules(table);
    expect(rules.map(({ chain, comment, counter: counted }) => [chain, comment, counted])).toEqual([
      ["a", "cali:1 one", { packets: 0n, bytes: 0n }],
      ["a", undefined, { packets: 0n, bytes: 0n }],
      ["a", undefined, { packets: 5n, bytes: 600n }],
      ["b", "cali:2", { packets: 0n, bytes: 0n }],
    ]);
    expect(await place.nftables.rules(table, "b")).toEqual(rules.filter(({ chain }) => chain === "b"));
    const printed = place.nft(["-a", "list", "chain", "ip", "calico", "a"]);
    expect(printed).toContain(`counter packets 0 bytes 0 return comment "cali:1 one" # handle ${rules[0]?.handle}`);
  });

  test("rules go before and behind others, to the beginning and to the end, and away by handle", async () => {
    await place.commit(addChain("a"), addRule("a", "1"), addRule("a", "2"));
    const [first, second] = (await place.nftables.rules(table)).map(({ handle }) => handle);
    if (first === undefined || second === undefined) throw new Error("the rules are not there");
    await place.commit(
      { ...addRule("a", "before 2"), at: { handle: second }, insert: true } as NftOperation,
      { ...addRule("a", "behind 1"), at: { handle: first } } as NftOperation,
      { ...addRule("a", "beginning"), insert: true } as NftOperation,
      addRule("a", "end"),
      { ...table, kind: "delete-rule", chain: "a", handle: second },
    );
    const comments = (await place.nftables.rules(table)).map(({ comment }) => comment);
    expect(comments).toEqual(["beginning", "1", "behind 1", "before 2", "end"]);
  });

  test("ranges come back as they were made, up to the last address of all", async () => {
    const ranges = [
      ["0.0.0.0", "0.0.0.3"],
      ["10.0.0.0", "10.255.255.255"],
      ["11.0.0.0", "11.0.0.0"],
      ["192.0.2.7", "192.0.2.9"],
      ["255.255.255.254", "255.255.255.255"],
    ] as const;
    await place.commit(addSet, elements("add-elements", ...ranges), elements("add-elements", ranges[1]));
    expect(await textsOf("nets")).toEqual(ranges.map(([first, last]) => `${first}-${last}`));
    const printed = place.nft(["list", "set", "ip", "calico", "nets"]).replaceAll(/\s+/g, " ");
    expect(printed).toContain("{ 0.0.0.0/30, 10.0.0.0/8, 11.0.0.0, 192.0.2.7-192.0.2.9, 255.255.255.254/31 }");
    await place.commit(elements("delete-elements", ranges[4], ranges[1]));
    expect(await textsOf("nets")).toEqual([ranges[0], ranges[2], ranges[3]].map((one) => one.join("-")));
  });

  test("the whole IPv6 space is one range, and ports and maps come back", async () => {
    const own = { ...tableOf(6), interval: false, verdicts: false };
    const all = { key: new Uint8Array(16), last: new Uint8Array(16).fill(0xff) };
    const port = Uint8Array.of(...new Uint8Array(15), 1, 6, 0, 0, 0, 0, 80, 0, 0);
    await place.commit(
      { ...own, kind: "add-set", set: "all", key: "ipv6_addr", interval: true },
      { ...own, kind: "add-elements", set: "all", elements: [all] },
      { ...own, kind: "add-set", set: "ports", key: "ipv6_addr . inet_proto . inet_service" },
      { ...own, kind: "add-elements", set: "ports", elements: [{ key: port }] },
      { ...own, kind: "add-chain", chain: "target" },
      { ...own, kind: "add-set", set: "map", key: "ifname", verdicts: true },
      { ...own, kind: "add-elements", set: "map", elements: [{ key: name("cali1"), goto: "target" }] },
    );
    const listed = async (set: string) => (await place.nftables.elements({ ...tableOf(6), set })).map(plain);
    expect(await listed("all")).toEqual([plain(all)]);
    expect(await listed("ports")).toEqual([plain({ key: port })]);
    expect(await listed("map")).toEqual([plain({ key: name("cali1"), goto: "target" })]);
    const printed = place.nft(["list", "table", "ip6", "calico"]);
    for (const line of ["elements = { ::/0 }", "::1 . tcp . 80", '"cali1" : goto target'])
      expect(printed).toContain(line);
  });

  test("sets tell what they are; another's are of no type of ours, and anonymous ones are not told", async () => {
    await place.commit(addSet);
    place.nft(`table ip calico {
      set theirs { type ipv4_addr; timeout 1h; }
      set marks { type mark; }
      map pairs { type ipv4_addr : ipv4_addr; }
      chain c { tcp dport { 1, 2 } drop; }
    }`);
    expect(await place.nftables.sets(table)).toEqual([
      { set: "nets", key: "ipv4_addr", interval: true, verdicts: false },
      { set: "theirs", key: "other", interval: false, verdicts: false },
      { set: "marks", key: "other", interval: false, verdicts: false },
      { set: "pairs", key: "other", interval: false, verdicts: false },
    ]);
  });

  test("of what is not there nothing is listed", async () => {
    const none = { version: 4, table: "none" } as const;
    const { nftables } = place;
    expect(await nftables.chains(none)).toEqual([]);
    expect(await nftables.rules(none)).toEqual([]);
    expect(await nftables.rules(table, "none")).toEqual([]);
    expect(await nftables.sets(none)).toEqual([]);
    expect(await nftables.elements({ ...none, set: "none" })).toEqual([]);
  });
});

describe("a transaction", () => {
  const good = [addChain("x"), addRule("x", "1"), addSet, elements("add-elements", ["10.0.0.0", "10.0.0.9"])];
  const refused: readonly (readonly [string, NftOperation, string])[] = [
    [
      "a rule",
      { ...table, kind: "delete-rule", chain: "here", handle: 999n },
      "delete rule 999 of chain here of table ip calico",
    ],
    ["a chain", { ...table, kind: "delete-chain", chain: "no" }, "delete chain no of table ip calico"],
    ["a set", { ...table, kind: "flush-set", set: "no" }, "flush set no of table ip calico"],
    ["a rule's chain", addRule("no", "lost"), 'add rule "lost" to chain no of table ip calico'],
    [
      "an element that is not there",
      {
        ...table,
        kind: "delete-elements",
        set: "old",
        elements: [
          { key: ip("1.0.2.1"), last: ip("1.0.2.1") },
          { key: ip("9.9.9.9"), last: ip("9.9.9.9") },
        ],
      },
      "delete element 9.9.9.9 from set old of table ip calico",
    ],
    [
      "an element that overlaps",
      {
        ...table,
        kind: "add-elements",
        set: "old",
        elements: [
          { key: ip("9.9.9.9"), last: ip("9.9.9.9") },
          { key: ip("1.0.0.4"), last: ip("1.0.0.7") },
        ],
      },
      "add element 1.0.0.4 to set old of table ip calico",
    ],
    [
      "a map's chain",
      { ...table, kind: "add-elements", set: "map", elements: [{ key: name("cali1"), goto: "no" }] },
      "add element cali1 to set map of table ip calico",
    ],
  ];

  for (const at of [0, 2, good.length]) {
    test.for(refused)(
      `with something refused at place ${at} changes nothing, and the error names it: %s`,
      async ([, bad, text]) => {
        await place.commit(
          addChain("here"),
          { ...addSet, set: "old" },
          { ...addSet, set: "map", key: "ifname", interval: false, verdicts: true },
          { ...elements("add-elements", ["1.0.0.0", "1.0.0.255"], ["1.0.2.1", "1.0.2.1"]), set: "old" },
        );
        const before = place.nft(["list", "ruleset"]);
        const operations = [...good.slice(0, at), bad, ...good.slice(at)];
        await expect(place.commit(...operations)).rejects.toThrow(
          `${text} (operation ${at + 1} of ${operations.length})`,
        );
        expect(place.nft(["list", "ruleset"])).toBe(before);
        await place.commit(...good);
      },
    );
  }

  test("that only as a whole is wrong is refused as a whole", async () => {
    const jump = (from: string, to: string): NftOperation => ({
      ...table,
      kind: "add-rule",
      chain: from,
      rule: { expressions: [verdict("jump", to)], comment: "" },
    });
    const base = { type: "filter", hook: "forward", priority: 0 } as const;
    const loop = [
      addChain("base", base),
      addChain("a"),
      addChain("b"),
      jump("base", "a"),
      jump("a", "b"),
      jump("b", "a"),
    ];
    await expect(place.commit(...loop)).rejects.toMatchObject({ name: "NetlinkError" });
    expect(await place.nftables.chains(table)).toEqual([]);
    await place.commit(addChain("a"));
  });

  test("of which everything is refused names the first, and the next one goes through", async () => {
    const wrong = Array.from(
      { length: 40_000 },
      (_, index): NftOperation => ({ ...table, kind: "delete-chain", chain: `no${index}` }),
    );
    await expect(place.commit(...wrong)).rejects.toMatchObject({
      code: "ENOENT",
      message: expect.stringContaining("chain no0 "),
    });
    await place.commit(addChain("a"));
    await expect(place.commit({ ...table, kind: "delete-chain", chain: "no" })).rejects.toThrow("chain no ");
    expect(await place.nftables.chains(table)).toEqual([{ name: "a" }]);
  });

  test("takes 100,000 ranges and 20,000 rules at once, and the event loop goes on meanwhile", {
    timeout: 120_000,
  }, async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const ranges = Array.from({ length: 100_000 }, (_, index): NftElement => {
      const [a, b, c] = [20 + (index >> 16), (index >> 8) & 0xff, index & 0xff];
      return { key: Uint8Array.of(a, b, c, 0), last: Uint8Array.of(a, b, c, 127) };
    });
    const rules = Array.from({ length: 20_000 }, (_, index) => addRule("a", `cali:${index}`));
    const commit = place.commit(
      addChain("a"),
      addSet,
      { ...table, kind: "add-elements", set: "nets", elements: ranges },
      ...rules,
    );
    turns = 0;
    await commit;
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
    const found = await place.nftables.elements({ ...table, set: "nets" });
    // Their difference would take minutes to print.
    expect(isDeepStrictEqual(found.map(plain), ranges.map(plain))).toBe(true);
    const comments = (await place.nftables.rules(table)).map(({ comment }) => comment);
    expect(comments).toEqual(rules.map((_, index) => `cali:${index}`));
  });

  test("waits for the one before", async () => {
    const rules = Array.from({ length: 5000 }, (_, index) => addRule("a", `cali:${index}`));
    const first = place.commit(addChain("a"), ...rules);
    const second = place.commit({ ...table, kind: "flush-chain", chain: "a" });
    await expect(place.commit({ ...table, kind: "delete-chain", chain: "no" })).rejects.toThrow("chain no ");
    await place.commit(addRule("a", "last"));
    await Promise.all([first, second]);
    expect((await place.nftables.rules(table)).map(({ comment }) => comment)).toEqual(["last"]);
  });
});

test("two namespaces know nothing of each other, and each socket has a port of its own", async () => {
  using other = await makeNftNamespace();
  await place.commit(addChain("here"));
  await other.commit(addChain("there"));
  expect(await place.nftables.chains(table)).toEqual([{ name: "here" }]);
  expect(await other.nftables.chains(table)).toEqual([{ name: "there" }]);
  expect(place.nftables.port).toBeGreaterThan(0);
});

test("the kernel takes every rule that is rendered of random policies", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const { tables, sets } = render(planOf(plan), defaultRenderOptions);
      await place.nftables.commit([
        ...([4, 6] as const).flatMap((version): NftOperation[] => [
          { ...tableOf(version), kind: "delete-table" },
          { ...tableOf(version), kind: "add-table" },
        ]),
        ...[...sets.values()].map(({ name: set, version, type }): NftOperation => {
          const address = version === 4 ? "ipv4_addr" : "ipv6_addr";
          const key = type === "hash:net" ? address : (`${address} . inet_proto . inet_service` as const);
          const interval = type === "hash:net";
          return {
            ...tableOf(version),
            kind: "add-set",
            set: set.replaceAll(":", "-"),
            key,
            interval,
            verdicts: false,
          };
        }),
        ...[...tables.values()].flatMap((one) =>
          chainsOf(one).map(([chain]): NftOperation => ({ ...tableOf(one.version), kind: "add-chain", chain })),
        ),
        ...[...tables.values()].flatMap((one) =>
          chainsOf(one).flatMap(([chain, rules]) =>
            rules.map(
              (rule): NftOperation => ({
                ...tableOf(one.version),
                kind: "add-rule",
                chain,
                rule: {
                  expressions: ruleExpressions(rule, { version: one.version, table: one.name, maps: one.maps }),
                  comment: "",
                },
              }),
            ),
          ),
        ),
      ]);
      const count = [...tables.values()].flatMap(chainsOf).reduce((sum, [, rules]) => sum + rules.length, 0);
      const found = [...(await place.nftables.rules(tableOf(4))), ...(await place.nftables.rules(tableOf(6)))];
      expect(found).toHaveLength(count);
    }),
    { numRuns: 40 },
  );
});

// --- internal ---

/** Chains by the kernel's name; those of rules in chains that are not ours too, without a hook. */
function chainsOf({ name: tableName, chains, hooks }: Table): readonly (readonly [string, readonly Rule[]])[] {
  const all = [
    ...chains,
    ...[...hooks].map(([hook, { inserted, appended }]) => [hook, [...inserted, ...appended]] as const),
  ];
  return all.map(([chain, rules]) => [`${tableName}-${chain}`, rules] as const);
}

async function textsOf(set: string): Promise<readonly string[]> {
  const found = await place.nftables.elements({ ...table, set });
  return found.map(({ key, last }) => `${key.join(".")}-${last?.join(".")}`);
}

/** An element as a text that can be compared. */
function plain({ key, last, goto }: NftElement): string {
  const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? "" : Buffer.from(bytes).toString("hex"));
  return `${hex(key)} ${hex(last)} ${goto ?? ""}`;
}
