import fc from "fast-check";
import { expect, test } from "vitest";
import { closedIpPool } from "../../../src/api/closed-ip-pool.ts";
import type { IpPool } from "../../../src/api/ip-pool.ts";
import { allocatability } from "../../../src/ipam/pool-allocatability.ts";
import { choosePools } from "../../../src/ipam/pools.ts";
import { cidrsOverlap, networkOf } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { pool } from "./samples.ts";

/** A pool made in this second of a day. */
function made(second: number, name: string, spec: Parameters<typeof pool>[1]): IpPool {
  const one = pool(name, spec);
  const creationTimestamp = `2026-11-21T10:00:${String(second).padStart(2, "0")}Z`;
  return { ...one, metadata: { ...one.metadata, creationTimestamp } };
}

function deleted(one: IpPool): IpPool {
  return { ...one, metadata: { ...one.metadata, deletionTimestamp: "2026-11-21T11:00:00Z" } };
}

const old = made(1, "old", { cidr: "10.0.0.0/16" });
const inside = made(2, "inside", { cidr: "10.0.3.0/24" });
const apart = made(3, "apart", { cidr: "10.1.0.0/16" });

test("a pool that nothing is in the way of gives addresses", () => {
  expect(allocatability(apart, [old, inside, apart])).toEqual({
    status: "True",
    reason: "OK",
    message: "gives addresses",
  });
});

test("of pools that overlap the oldest gives, whatever their order and sizes", () => {
  const pools = [apart, inside, old];
  expect(allocatability(old, pools).reason).toBe("OK");
  expect(allocatability(inside, pools)).toEqual({
    status: "False",
    reason: "CIDROverlap",
    message: "overlaps pool old (10.0.0.0/16), which is older",
  });
  const wide = made(9, "wide", { cidr: "10.0.0.0/8" });
  expect(allocatability(wide, [...pools, wide]).message).toBe("overlaps pool old (10.0.0.0/16), which is older");
});

test("of two of one second the first by name is the older; one that is not stored yet is the youngest", () => {
  const [a, b] = [made(1, "a", { cidr: "10.0.0.0/16" }), made(1, "b", { cidr: "10.0.0.0/16" })];
  expect([allocatability(a, [b, a]).reason, allocatability(b, [b, a]).reason]).toEqual(["OK", "CIDROverlap"]);
  const draft = pool("a", { cidr: "10.0.0.0/16" });
  expect(allocatability(draft, [draft, b]).reason).toBe("CIDROverlap");
});

test("a pool that is itself refused is in nobody's way", () => {
  const third = made(4, "third", { cidr: "10.0.0.0/8" });
  const fourth = made(5, "fourth", { cidr: "10.9.0.0/16" });
  expect(allocatability(fourth, [old, third, fourth]).reason).toBe("OK");
});

test("one that cannot be read is not called disabled", () => {
  const closed = closedIpPool({ metadata: { name: "p" }, spec: { cidr: "10.0.0.0/16", nodeSelector: "all(" } });
  if (closed === undefined) throw new Error("there is no pool");
  expect(allocatability(closed, [closed])).toMatchObject({
    status: "False",
    message: "cannot be read; its conditions and the log say why",
  });
});

test("of many pools those give that overlap no older one that gives", () => {
  const network = fc.record({ block: fc.nat({ max: 15 }), length: fc.integer({ min: 20, max: 26 }) });
  fc.assert(
    fc.property(fc.array(network, { maxLength: 24 }), (networks) => {
      const pools = networks.map(({ block, length }, index) =>
        made(index, `p${String(index).padStart(2, "0")}`, { cidr: networkOf(parseIp(`10.0.${block}.0`), length) }),
      );
      const giving: IpPool[] = [];
      for (const one of pools) {
        const isFree = !giving.some((other) => cidrsOverlap(other.spec.cidr, one.spec.cidr));
        expect(allocatability(one, pools.toReversed()).status).toBe(isFree ? "True" : "False");
        if (isFree) giving.push(one);
      }
    }),
  );
});

test("one that is disabled is in nobody's way; one that is being deleted still is", () => {
  const off = { ...old, spec: { ...old.spec, disabled: true } };
  expect(allocatability(inside, [off, inside]).reason).toBe("OK");
  expect(allocatability(inside, [deleted(old), inside])).toMatchObject({
    reason: "CIDROverlap",
    message: "overlaps pool old (10.0.0.0/16), which is still being deleted",
  });
});

test("being deleted, disabled, and too small for a block are said as such", () => {
  expect(allocatability(deleted(old), [old]).reason).toBe("Terminating");
  expect(allocatability(pool("p", { cidr: "10.0.0.0/16", disabled: true }), []).reason).toBe("PoolDisabled");
  const small = { ...old, spec: { ...old.spec, blockSize: 12 } };
  expect(allocatability(small, [small])).toMatchObject({ status: "False", reason: "SmallerThanBlock" });
});

test("the allocator takes nothing from a pool that overlaps an older one", () => {
  const { usable, refused } = choosePools([inside, old], { version: 4, nodeLabels: {} });
  expect(usable).toEqual([old]);
  expect(refused).toEqual([
    { pool: "inside (10.0.3.0/24)", reason: "overlaps pool old (10.0.0.0/16), which is older" },
  ]);
});
