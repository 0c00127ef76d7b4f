import { describe, expect, test } from "vitest";
import {
  changedFields,
  childrenOfFormer,
  isChildOf,
  type PoolJson,
  planSplit,
  splitAnnotation,
  splitFromAnnotation,
  splitObjections,
} from "../../../src/cli/ipam-split-plan.ts";
import { parseCidr } from "../../../src/net/cidr.ts";

function poolJson(name: string, spec: PoolJson["spec"], metadata: Partial<PoolJson["metadata"]> = {}): PoolJson {
  return { metadata: { name, ...metadata }, spec };
}

const blue = poolJson(
  "blue",
  { cidr: "10.0.0.0/24", blockSize: 26, natOutgoing: true, nodeSelector: "rack == '1'" },
  {
    uid: "u1",
    resourceVersion: "5",
    finalizers: ["projectcalico.org/ippool-finalizer"],
    labels: { team: "a" },
    annotations: {
      note: "mine",
      [splitAnnotation]: "4",
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
    },
  },
);

test("the parts have all of the pool but its identity, and a part of its network each", () => {
  const parts = planSplit(blue, 4);
  expect(parts.map(({ metadata, spec }) => [metadata.name, spec.cidr])).toEqual([
    ["split-blue-0", "10.0.0.0/26"],
    ["split-blue-1", "10.0.0.64/26"],
    ["split-blue-2", "10.0.0.128/26"],
    ["split-blue-3", "10.0.0.192/26"],
  ]);
  expect(parts[1]).toEqual({
    metadata: {
      name: "split-blue-1",
      labels: { team: "a" },
      annotations: { note: "mine", [splitFromAnnotation]: "blue 10.0.0.0/24" },
    },
    spec: { cidr: "10.0.0.64/26", blockSize: 26, natOutgoing: true, nodeSelector: "rack == '1'" },
  });
});

test.each([
  ["2001:db8::/64", 2, ["2001:db8::/65", "2001:db8:0:0:8000::/65"]],
  ["32.0.0.0/3", 2, ["32.0.0.0/4", "48.0.0.0/4"]],
])("%s into %i", (cidr, parts, expected) => {
  expect(planSplit(poolJson("p", { cidr }), parts).map(({ spec }) => spec.cidr)).toEqual(expected);
});

test("a part that would be smaller than a block is refused", () => {
  expect(() => planSplit(blue, 8)).toThrow(
    "Cannot split pool blue (10.0.0.0/24) into 8: it has 4 blocks (/26), and each part needs one at least",
  );
  expect(() => planSplit(poolJson("six", { cidr: "2001:db8::/122" }), 2)).toThrow("it has 1 blocks (/122)");
});

test("names stay names, however long the pool's is, and differ", () => {
  const parts = planSplit(poolJson(`${"a".repeat(239)}.${"b".repeat(13)}`, { cidr: "10.0.0.0/16" }), 16);
  const names = parts.map(({ metadata }) => metadata.name);
  expect(new Set(names).size).toBe(16);
  expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(253);
  expect(planSplit(poolJson(`${"a".repeat(243)}.b`, { cidr: "10.0.0.0/16" }), 16)[0]?.metadata.name).toMatch(/a-0$/);
});

describe("what speaks against a split", () => {
  const parts = planSplit(blue, 4);
  const objections = (pools: readonly PoolJson[], blocks: readonly string[] = []) =>
    splitObjections(blue, parts, { pools: [blue, ...pools], blocks: blocks.map(parseCidr) });

  test("nothing, also when some of its parts are there, and blocks are as they should be", () => {
    const blocks = ["10.0.0.0/26", "10.0.0.200/29", "10.9.0.0/16", "2001:db8::/122"];
    expect(objections(parts.slice(0, 2), blocks)).toEqual([]);
    expect(objections([poolJson("six", { cidr: "2001:db8::/48" }), poolJson("red", { cidr: "10.0.1.0/24" })])).toEqual(
      [],
    );
  });

  test("a pool that has a part's name, or overlaps, and a block that would lie in two parts", () => {
    expect(objections([poolJson("split-blue-2", { cidr: "10.0.0.128/26" })])).toEqual([
      "there is another pool split-blue-2 already",
    ]);
    expect(objections([poolJson("wide", { cidr: "10.0.0.0/8" })])).toEqual(["it overlaps pool wide (10.0.0.0/8)"]);
    expect(objections([], ["10.0.0.128/25"])).toEqual(["block 10.0.0.128/25 would not lie in one part"]);
  });
});

test("how a pool differs from what was planned, whatever the API server has filled in", () => {
  const [planned = blue] = planSplit(blue, 4);
  const filled = { ...planned, spec: { ...planned.spec, ipipMode: "Never", disabled: false } };
  expect(changedFields(planned, filled)).toEqual([]);
  const other = { ...planned, spec: { ...planned.spec, natOutgoing: false, disabled: true } };
  expect(changedFields(planned, other).toSorted()).toEqual(["disabled", "natOutgoing"]);
});

test("which pools a split has made, by the former pool's name or network", () => {
  const parts = planSplit(blue, 2);
  const pools = [...parts, poolJson("red", { cidr: "10.1.0.0/24" })];
  expect(childrenOfFormer(pools, { name: "blue" })).toEqual(parts);
  expect(childrenOfFormer(pools, { cidr: parseCidr("10.0.0.0/24") })).toEqual(parts);
  expect(childrenOfFormer(pools, { name: "blue", cidr: parseCidr("10.1.0.0/24") })).toEqual([]);
  expect(childrenOfFormer(pools, { name: "red" })).toEqual([]);
  expect(pools.map((one) => isChildOf(one, blue))).toEqual([true, true, false]);
  expect(isChildOf(parts[0] ?? blue, poolJson("blue", { cidr: "10.7.0.0/24" }))).toBe(false);
});
