import { expect, test } from "vitest";
import { chainHashes, hashInComment, ruleComment } from "../../../../src/felix/dataplane/nft-hash.ts";
import type { Rule } from "../../../../src/felix/render/desired-state.ts";

const drop: Rule = { matches: [{ kind: "protocol", protocol: 6, negated: false }], action: { kind: "drop" } };
const hashOf = (rule: Rule, chain = "filter-cali-x") => chainHashes(chain, [rule])[0] ?? "";

test("a hash is the same whoever has made the rule, and another for anything that differs", () => {
  // It is in kernels: another hash for the same rule writes every rule anew at the next start.
  expect(hashOf(drop)).toBe("hHmYxxt7XzNZuDcn");
  const sameAgain = {
    action: { kind: "drop" },
    comment: undefined,
    matches: [{ negated: false, protocol: 6, kind: "protocol" }],
  };
  expect(hashOf(sameAgain as unknown as Rule)).toBe(hashOf(drop));
  const others: readonly Rule[] = [
    { ...drop, action: { kind: "accept" } },
    { ...drop, comment: "Policy np/a/b" },
    { ...drop, matches: [] },
    { ...drop, matches: [...drop.matches, ...drop.matches] },
    { ...drop, matches: [{ kind: "protocol", protocol: 6, negated: true }] },
    { ...drop, matches: [{ kind: "protocol", protocol: 17, negated: false }] },
  ];
  expect(new Set([drop, ...others].map((rule) => hashOf(rule))).size).toBe(others.length + 1);
  expect(hashOf(drop, "filter-cali-y")).not.toBe(hashOf(drop));
});

test("the same rules object in two chains has two hashes, in whatever order they are asked for", () => {
  const rules = [drop, drop];
  const [x, y] = [chainHashes("x", rules), chainHashes("y", rules)];
  expect(x[0]).toBe(x[1]);
  expect(x).not.toEqual(y);
  expect(chainHashes("x", rules)).toEqual(x);
  expect(chainHashes("x", [...rules])).toEqual(x);
});

test("a comment holds the hash and, for people, where the rule comes from", () => {
  const hash = hashOf(drop);
  expect(ruleComment(drop, hash)).toBe(`cali:${hash}`);
  const told = ruleComment({ ...drop, comment: `Policy np/a/"b"; drop ${"x".repeat(200)}` }, hash);
  expect(told.startsWith(`cali:${hash} Policy np/a/_b__ drop x`)).toBe(true);
  expect(told).toHaveLength(127);
  expect([hashInComment(told), hashInComment(`cali:${hash}`)]).toEqual([hash, hash]);
});

test.for([undefined, "", "theirs", "cali:short", "cali:0123456789abcdefg", "Cali:0123456789abcdef"])(
  "%s is not ours",
  (comment) => {
    expect(hashInComment(comment)).toBeUndefined();
  },
);
