import { describe, expect, test } from "vitest";
import { closedBgpFilter, parseBgpFilter } from "../../../src/api/bgp-filter.ts";
import { type CompiledFilter, compileFilter, filterFunctionName } from "../../../src/bgp/plan/compile-filter.ts";

const accepting = { action: "Accept" };

function compiled(spec: object): CompiledFilter {
  return compileFilter(parseBgpFilter({ metadata: { name: "f" }, spec }));
}

/** The only rule of a filter that has one; undefined when nothing is left of it. */
function ruleOf(rule: object, field = "importV4"): object | undefined {
  const answer = compiled({ [field]: [rule] });
  if ("unusable" in answer) throw new Error("it does not compile");
  expect(answer.filters).toHaveLength(1);
  return answer.filters[0]?.rules[0];
}

const open = {
  ...{ net: undefined, fromRemotePeers: false, interface: undefined, peerType: undefined },
  ...{ communities: [], asPathPrefix: [], priority: undefined, operations: [], action: "accept" },
};

describe("which filters there are", () => {
  test("one for each direction and family that has rules, under upstream's names", () => {
    const answer = compiled({ exportV6: [{ action: "Reject" }], importV4: [accepting, { action: "Reject" }] });
    expect(answer).toEqual({
      filters: [
        {
          ...{ name: "bgp_f_importFilterV4", version: 4, direction: "import" },
          rules: [open, { ...open, action: "reject" }],
        },
        { name: "bgp_f_exportFilterV6", version: 6, direction: "export", rules: [{ ...open, action: "reject" }] },
      ],
    });
  });

  test("a filter of no rules gives none", () => {
    expect(compiled({})).toEqual({ filters: [] });
  });

  test("one that cannot be read says why it is unusable", () => {
    const closed = closedBgpFilter({ metadata: { name: "odd" } }, "importV4[0].action: it is missing");
    if (!closed) throw new Error("it has a name");
    expect(compileFilter(closed)).toEqual({
      unusable: "BGPFilter odd cannot be read: importV4[0].action: it is missing",
    });
  });
});

describe("what a rule becomes", () => {
  const inside = { cidr: "10.0.0.0/16", matchOperator: "In", ...accepting };
  const range = (min: number, max: number, operator = "In") => ({
    ...open,
    net: { cidr: "10.0.0.0/16", operator, length: { min, max } },
  });

  test.each([
    ["nothing asked", accepting, open],
    ["In", inside, { ...open, net: { cidr: "10.0.0.0/16", operator: "In", length: undefined } }],
    ["lengths", { ...inside, prefixLength: { min: 20, max: 24 } }, range(20, 24)],
    ["a lower bound only", { ...inside, prefixLength: { min: 20 } }, range(20, 32)],
    ["an upper bound only", { ...inside, prefixLength: { max: 24 } }, range(16, 24)],
    ["a lower bound below the network's own length", { ...inside, prefixLength: { min: 8, max: 24 } }, range(16, 24)],
    ["lengths that leave nothing, In", { ...inside, prefixLength: { max: 12 } }, undefined],
    [
      "lengths that leave nothing, NotIn",
      { ...inside, matchOperator: "NotIn", prefixLength: { min: 24, max: 20 } },
      open,
    ],
    ["NotIn", { ...inside, matchOperator: "NotIn", prefixLength: { min: 18 } }, range(18, 32, "NotIn")],
    [
      "Equal, whatever the lengths",
      { ...inside, matchOperator: "Equal", prefixLength: { min: 24 } },
      { ...open, net: { cidr: "10.0.0.0/16", operator: "Equal", length: undefined } },
    ],
    ["RemotePeers", { source: "RemotePeers", ...accepting }, { ...open, fromRemotePeers: true }],
    ["an interface", { interface: "eth*", ...accepting }, { ...open, interface: "eth*" }],
    ["an empty interface", { interface: "", ...accepting }, open],
    ["eBGP", { peerType: "eBGP", ...accepting }, { ...open, peerType: "eBGP" }],
    ["a community", { communities: { values: ["1:2"] }, ...accepting }, { ...open, communities: [[1, 2]] }],
    [
      "a large community",
      { communities: { values: ["4294967295:2:3"] }, ...accepting },
      { ...open, communities: [[4_294_967_295, 2, 3]] },
    ],
    ["an AS path", { asPathPrefix: [65001, "1.10"], ...accepting }, { ...open, asPathPrefix: [65001, 65546] }],
    ["a priority", { priority: 512, ...accepting }, { ...open, priority: 512 }],
    ["Reject", { action: "Reject" }, { ...open, action: "reject" }],
  ])("%s", (_, rule, expected) => {
    expect(ruleOf(rule)).toEqual(expected);
  });

  test("lengths of IPv6 go up to 128", () => {
    const rule = { cidr: "fd00::/16", matchOperator: "In", prefixLength: { min: 48 }, ...accepting };
    expect(ruleOf(rule, "exportV6")).toMatchObject({ net: { cidr: "fd00::/16", length: { min: 48, max: 128 } } });
  });

  test("operations keep their order", () => {
    const operations = [
      { setPriority: { value: 100 } },
      { addCommunity: { value: "65000:1" } },
      { prependASPath: { prefix: [65001, 65002] } },
      { addCommunity: { value: "65000:1:2" } },
    ];
    expect(ruleOf({ ...accepting, operations })).toMatchObject({
      operations: [
        { kind: "setPriority", priority: 100 },
        { kind: "addCommunity", community: [65000, 1] },
        { kind: "prependAsPath", asNumbers: [65001, 65002] },
        { kind: "addCommunity", community: [65000, 1, 2] },
      ],
    });
  });
});

describe("names as upstream's own golden files have them", () => {
  test.each([
    ["my-filter.1", "bgp_my-filter.1_importFilterV4"],
    [
      "45characters.exactly.so.should.not.truncate-1",
      "bgp_45characters.exactly.so.should.not.truncate-1_importFilterV4",
    ],
    [
      "46characters.exactly.so.should.truncate-123456",
      "bgp_46characters.exactly.so.shou_9615CBDC00BAC628_importFilterV4",
    ],
    [
      "greater-than-64-characters.so.this.should.definitely.truncate-1234567890",
      "bgp_greater-than-64-characters.s_4C5DB3273E544641_importFilterV4",
    ],
  ])("%s", (name, expected) => {
    expect(filterFunctionName(name, "import", 4)).toBe(expected);
  });

  test("a name with characters that BIRD does not take stays unique, and safe", () => {
    const names = ["a'b", "a;b", "a_b"].map((name) => filterFunctionName(name, "export", 6));
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^bgp_a_b(_[0-9A-F]{16})?_exportFilterV6$/);
  });

  test("no name is longer than BIRD takes", () => {
    for (let length = 1; length <= 253; length++) {
      expect(filterFunctionName("x".repeat(length), "export", 6).length).toBeLessThanOrEqual(64);
    }
  });
});
