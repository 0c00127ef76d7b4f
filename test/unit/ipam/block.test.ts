import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import { addressesOf, allocationOf, assignFromBlock, countsOf, newBlock } from "../../../src/ipam/block.ts";
import { releaseFromBlock } from "../../../src/ipam/block-release.ts";
import { cidrSize, parseCidr } from "../../../src/net/cidr.ts";
import { type Ip, parseIp } from "../../../src/net/ip.ts";
import { cause, node } from "./samples.ts";

const claim = { node, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 100n };
const cidr = parseCidr("10.0.0.0/30");
const empty = newBlock(cidr, claim);

function take(block: IpamBlock, handle: string, count = 1) {
  return assignFromBlock(block, { handle, count, attributes: { pod: handle } });
}

test("a new block is its node's, and every address is free, the first and the last too", () => {
  expect(empty.metadata.name).toBe("10-0-0-0-30");
  expect(empty.spec).toMatchObject({ affinity: "host:node-1", affinityClaimTime: claim.claimedAt });
  expect(countsOf(empty)).toEqual({ total: 4, used: 0, cooling: 0, free: 4 });
  expect(take(empty, "a", 9).ips).toEqual(["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"]);
});

test("an IPv6 block counts in its last group", () => {
  const { ips } = take(newBlock(parseCidr("2001:db8::ffc0/122"), claim), "a", 64);
  expect([ips[0], ips.at(-1)]).toEqual(["2001:db8::ffc0", "2001:db8::ffff"]);
});

describe("assignFromBlock", () => {
  test("one set of attributes stands for all addresses that share it", () => {
    const first = take(empty, "a").block;
    const second = take(first, "a").block;
    expect(second.spec.attributes).toEqual([{ handle_id: "a", secondary: { pod: "a" } }]);
    expect(second.spec.allocations).toEqual([0, 0, null, null]);
    const other = assignFromBlock(second, { handle: "a", count: 1, attributes: { pod: "b" } }).block;
    expect(other.spec.attributes).toHaveLength(2);
  });

  test("a full block gives nothing and stays the same object", () => {
    const full = take(empty, "a", 4).block;
    expect(take(full, "b")).toEqual({ block: full, ips: [] });
    expect(take(full, "b").block).toBe(full);
  });

  test("a freed address is given again last", () => {
    const { block } = take(empty, "a", 2);
    const freed = releaseFromBlock(block, "a", cause).block;
    expect(take(freed, "b", 4).ips).toEqual(["10.0.0.2", "10.0.0.3", "10.0.0.0", "10.0.0.1"]);
  });
});

describe("releaseFromBlock", () => {
  test("what others hold stays theirs, under its new number", () => {
    const both = take(take(empty, "a").block, "b", 2).block;
    const { block, ips } = releaseFromBlock(both, "a", cause);
    expect(ips).toEqual(["10.0.0.0"]);
    expect(block.spec.attributes).toEqual([{ handle_id: "b", secondary: { pod: "b" } }]);
    expect(block.spec.allocations).toEqual([null, 0, 0, null]);
    expect(addressesOf(block, "b")).toEqual(["10.0.0.1", "10.0.0.2"]);
  });

  test("a handle that holds nothing frees nothing, and the block stays the same object", () => {
    expect(releaseFromBlock(empty, "a", cause).block).toBe(empty);
  });
});

test("an address that is given anew has another number than before, so that a late release can be told", () => {
  const numberOf = ({ spec }: IpamBlock) => spec.sequenceNumberForAllocation["0"];
  const first = take(empty, "a").block;
  const others = take(first, "b", 3).block;
  const again = take(releaseFromBlock(others, "a", cause).block, "a").block;
  expect(addressesOf(again, "a")).toEqual(["10.0.0.0"]);
  expect([numberOf(first), numberOf(again)]).toEqual([100n, 103n]);
});

test("allocationOf finds who holds an address of the block", () => {
  const { block } = take(empty, "a");
  expect(allocationOf(block, parseIp("10.0.0.0"))).toEqual({
    ip: "10.0.0.0",
    attribute: { handle_id: "a", secondary: { pod: "a" } },
    sequenceNumber: 100n,
  });
  expect(allocationOf(block, parseIp("10.0.0.1"))).toBeUndefined();
  expect(allocationOf(block, parseIp("10.0.1.0"))).toBeUndefined();
});

type Step = { readonly handle: string; readonly count: number };

test("after any history each address is free or one handle's, and numbers only grow", () => {
  const step = fc.record({ handle: fc.constantFrom("a", "b", "c"), count: fc.integer({ min: 0, max: 5 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const held = new Map<string, Set<Ip>>();
      let block = newBlock(parseCidr("10.0.0.0/29"), claim);
      for (const one of steps) {
        const next = applyStep(block, one, held);
        expect(next.spec.sequenceNumber >= block.spec.sequenceNumber).toBe(true);
        block = next;
        expectWhole(block);
        for (const [handle, ips] of held) expect(new Set(addressesOf(block, handle))).toEqual(ips);
      }
    }),
  );
});

/** A count of 0 releases. */
function applyStep(block: IpamBlock, { handle, count }: Step, held: Map<string, Set<Ip>>): IpamBlock {
  const mine = held.get(handle) ?? new Set();
  const change = count === 0 ? releaseFromBlock(block, handle, cause) : take(block, handle, count);
  if (count === 0) expect(new Set(change.ips)).toEqual(mine);
  else expect(change.ips).toHaveLength(Math.min(count, countsOf(block).free));
  held.set(handle, count === 0 ? new Set() : new Set([...mine, ...change.ips]));
  return change.block;
}

/** What upstream expects of a block that it reads. */
function expectWhole({ spec }: IpamBlock): void {
  const used = spec.allocations.flatMap((index, ordinal) => (index === null ? [] : [ordinal]));
  expect([...spec.unallocated, ...used].toSorted((a, b) => a - b)).toEqual([
    ...Array(Number(cidrSize(spec.cidr))).keys(),
  ]);
  const indexes = new Set(spec.allocations.filter((index) => index !== null));
  expect(indexes).toEqual(new Set(spec.attributes.keys()));
  expect(Object.keys(spec.sequenceNumberForAllocation)).toEqual(used.map(String));
}
