import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOrder } from "../../../src/ipam/block-order.ts";
import { cidrContains, prefixLength } from "../../../src/net/cidr.ts";
import { pool } from "./samples.ts";

test("every block of the pool comes exactly once, whatever the seed", () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 20, max: 28 }), (seed, length) => {
      const one = pool("p", { cidr: `10.0.0.0/${length}`, blockSize: 28 });
      const blocks = [...blockOrder(one, seed)];
      expect(blocks.every((block) => prefixLength(block) === 28 && cidrContains(one.spec.cidr, block))).toBe(true);
      expect([blocks.length, new Set(blocks).size]).toEqual([2 ** (28 - length), 2 ** (28 - length)]);
    }),
  );
});

test("the same node asks in the same order, other nodes begin elsewhere", () => {
  const one = pool("p", { cidr: "192.168.0.0/16" });
  const first = (seed: string) => blockOrder(one, seed).next().value;
  expect(first("node-1")).toBe(first("node-1"));
  const firsts = Array.from({ length: 50 }, (_, index) => first(`node-${index}`));
  expect(new Set(firsts).size).toBeGreaterThan(45);
});

test("a large IPv6 pool is walked as it is asked, not before", () => {
  const one = pool("p", { cidr: "2001:db8::/32" });
  expect(blockOrder(one, "node-1").next().value).toMatch(/^2001:db8:.*\/122$/);
});

test("a pool smaller than a block has none", () => {
  const one = pool("p", { cidr: "10.0.0.0/26" });
  expect([...blockOrder({ ...one, spec: { ...one.spec, blockSize: 24 } }, "node-1")]).toEqual([]);
});
