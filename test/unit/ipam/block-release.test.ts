import { describe, expect, test } from "vitest";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import {
  addressesOf,
  allocationOf,
  assignAddress,
  assignFromBlock,
  countsOf,
  isEmptyBlock,
  newBlock,
} from "../../../src/ipam/block.ts";
import {
  endCooldownsIn,
  giveBackUnused,
  handOver,
  releaseAddressesFromBlock,
  releaseFromBlock,
} from "../../../src/ipam/block-release.ts";
import type { AddressRelease } from "../../../src/ipam/reclaimer.ts";
import { releasesOf } from "../../../src/ipam/release-journal.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { cause, node } from "./samples.ts";

const empty = newBlock(parseCidr("10.0.0.0/30"), { node, claimedAt: "2026-11-21T09:00:00Z", sequenceNumber: 100n });
const [first, second] = [parseIp("10.0.0.0"), parseIp("10.0.0.1")];

function take(block: IpamBlock, handle: string, count = 1) {
  return assignFromBlock(block, { handle, count, attributes: { pod: handle, namespace: "default" } }).block;
}

function at(seconds: number, cooldownSeconds = 60) {
  return { why: "DEL", nowMs: cause.nowMs + seconds * 1000, cooldownSeconds };
}

function release(block: IpamBlock, ip: typeof first, more: Partial<AddressRelease> = {}): AddressRelease {
  const found = allocationOf(block, ip);
  const [handle, sequenceNumber] = [found?.attribute.handle_id, found?.sequenceNumber];
  return { ip, handle, sequenceNumber, why: "pod gone", ...more };
}

describe("a release of single addresses", () => {
  const both = take(take(empty, "a"), "b");

  test("frees those that are as they were looked at, in one change, and journals each", () => {
    const { block, answers } = releaseAddressesFromBlock(both, [release(both, first), release(both, second)], cause);
    expect(answers.map(({ outcome }) => outcome)).toEqual(["released", "released"]);
    expect(isEmptyBlock(block)).toBe(true);
    expect(block.spec.sequenceNumber).toBe(both.spec.sequenceNumber + 1n);
    expect(releasesOf(block)).toEqual([
      { ip: first, handle: "a", pod: "default/a", why: "pod gone", at: "2026-11-21T10:00:00Z" },
      { ip: second, handle: "b", pod: "default/b", why: "pod gone", at: "2026-11-21T10:00:00Z" },
    ]);
  });

  test("never frees an address that has a new holder, or the same one anew", () => {
    const stale = release(both, first);
    const emptied = releaseFromBlock(both, "a", cause).block;
    for (const handle of ["c", "a"]) {
      const again = assignAddress(emptied, first, { handle, attributes: {} }) as IpamBlock;
      const { block, answers } = releaseAddressesFromBlock(again, [stale], cause);
      expect(answers).toEqual([{ ip: first, outcome: "changed" }]);
      expect(block).toBe(again);
    }
  });

  test("wants both the handle and the number, also where nothing was said", () => {
    const outcome = (more: Partial<AddressRelease>) =>
      releaseAddressesFromBlock(both, [release(both, first, more)], cause).answers[0]?.outcome;
    expect(outcome({ handle: "b" })).toBe("changed");
    expect(outcome({ handle: undefined })).toBe("changed");
    expect(outcome({ sequenceNumber: undefined })).toBe("changed");
    const bare = { ...both, spec: { ...both.spec, attributes: [{}, {}], sequenceNumberForAllocation: {} } };
    const { answers } = releaseAddressesFromBlock(bare, [release(bare, first)], cause);
    expect(answers[0]?.outcome).toBe("released");
  });

  test("says what is free already, and frees nothing twice", () => {
    const { block, answers } = releaseAddressesFromBlock(empty, [release(empty, first)], cause);
    expect([answers[0]?.outcome, block]).toEqual(["free", empty]);
    const twice = releaseAddressesFromBlock(both, [release(both, first), release(both, first)], cause);
    expect(twice.block.spec.unallocated.toSorted()).toEqual([0, 2, 3]);
  });
});

describe("cooldown", () => {
  const resting = releaseFromBlock(take(empty, "a"), "a", at(0)).block;

  test("an address that was given back is nobody's, not free, and as upstream writes it", () => {
    expect(resting.spec.attributes).toEqual([{ releasedAt: "2026-11-21T10:00:00Z" }]);
    expect(resting.spec.allocations).toEqual([0, null, null, null]);
    expect(countsOf(resting)).toEqual({ total: 4, used: 0, cooling: 1, free: 3 });
    expect([addressesOf(resting, "a"), isEmptyBlock(resting)]).toEqual([[], false]);
    expect(assignAddress(resting, first, { handle: "b", attributes: {} })).toBeUndefined();
    expect(addressesOf(take(resting, "b", 9), "b")).toHaveLength(3);
    const { answers } = releaseAddressesFromBlock(resting, [release(resting, first)], at(1));
    expect(answers[0]?.outcome).toBe("free");
  });

  test("ends after its time and not before, and then the address comes last", () => {
    expect(endCooldownsIn(resting, at(60))).toBe(resting);
    const over = endCooldownsIn(resting, at(61));
    expect(over.spec).toMatchObject({ attributes: [], unallocated: [1, 2, 3, 0], sequenceNumberForAllocation: {} });
    expect(endCooldownsIn(over, at(99))).toBe(over);
  });

  test("the longest rested comes first; those of one second share an attribute", () => {
    const full = take(take(take(empty, "a"), "b"), "c", 2);
    const one = releaseFromBlock(full, "c", at(0)).block;
    const two = releaseFromBlock(releaseFromBlock(one, "a", at(1)).block, "b", at(1)).block;
    expect(two.spec.attributes).toHaveLength(2);
    expect(endCooldownsIn(two, at(70)).spec.unallocated).toEqual([2, 3, 0, 1]);
    expect(endCooldownsIn(two, at(61)).spec.unallocated).toEqual([2, 3]);
  });

  test("none at all, or one that was turned off, frees at once", () => {
    expect(releaseFromBlock(take(empty, "a"), "a", at(0, 0)).block.spec.attributes).toEqual([]);
    expect(endCooldownsIn(resting, at(-3600, 0)).spec.attributes).toEqual([]);
  });

  test("a time that only a wrong clock can have written begins the rest anew, and does not hold the address for ever", () => {
    const future = { ...resting, spec: { ...resting.spec, attributes: [{ releasedAt: "2099-01-01T00:00:00Z" }] } };
    const restamped = endCooldownsIn(future, at(0));
    expect(restamped.spec.attributes).toEqual([{ releasedAt: "2026-11-21T10:00:00Z" }]);
    expect(isEmptyBlock(endCooldownsIn(restamped, at(61)))).toBe(true);
    expect(endCooldownsIn(resting, at(-30))).toBe(resting);
  });
});

describe("a block that others have damaged", () => {
  test("an address that somebody holds is never taken from the queue", () => {
    const held = take(empty, "a");
    const queued = { ...held, spec: { ...held.spec, unallocated: [0, 0, 9, 1, 1, 2] } };
    expect(addressesOf(take(queued, "b", 9), "b")).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(addressesOf(take(queued, "b", 9), "a")).toEqual([first]);
  });

  test("an allocation without its attribute stays somebody's", () => {
    const lost = { ...empty, spec: { ...empty.spec, allocations: [3, null, null, null], unallocated: [1, 2, 3] } };
    const next = take(take(lost, "a"), "b");
    expect(allocationOf(next, first)?.attribute).toEqual({});
    const after = releaseFromBlock(next, "a", cause).block;
    expect(allocationOf(after, first)?.attribute).toEqual({});
    expect(addressesOf(after, "b")).toEqual(["10.0.0.2"]);
  });
});

test("what Windows keeps for itself leaves a block empty", () => {
  const reserved = take(empty, "Windows-Reserved-IPAM-Handle", 3);
  expect(isEmptyBlock(reserved)).toBe(true);
  expect(isEmptyBlock(take(reserved, "a"))).toBe(false);
});

describe("an address that is handed over", () => {
  const held = take(take(empty, "a", 2), "other");
  const to = { handle: "b", attributes: { pod: "b" } };
  const handed = handOver(held, second, { from: "a", to });

  test("is the other's, under a number of its own, and all else stays", () => {
    const { spec } = handed ?? held;
    expect(spec.attributes.map(({ handle_id }) => handle_id)).toEqual(["a", "other", "b"]);
    expect([spec.allocations, spec.unallocated]).toEqual([[0, 2, 1, null], [3]]);
    expect(spec.attributes[2]?.secondary).toEqual({ pod: "b" });
    expect(spec.sequenceNumberForAllocation).toEqual({ 0: 100n, 1: held.spec.sequenceNumber, 2: 101n });
    expect(spec.sequenceNumber).toBe(held.spec.sequenceNumber + 1n);
  });

  test("leaves nothing of the one that held nothing else", () => {
    const all = handOver(handed ?? held, first, { from: "a", to: { handle: "b", attributes: { pod: "b" } } });
    expect(all?.spec.attributes.map(({ handle_id }) => handle_id)).not.toContain("a");
    expect(addressesOf(all ?? empty, "b")).toEqual([first, second]);
  });

  test("is not freed by a release that was decided on before", () => {
    const stale = release(held, second);
    const { answers } = releaseAddressesFromBlock(handed ?? held, [stale, { ...stale, handle: "b" }], cause);
    expect(answers.map(({ outcome }) => outcome)).toEqual(["changed", "changed"]);
  });

  test("must be what the one holds, and neither free, nor at rest, nor of another block", () => {
    const resting = releaseFromBlock(held, "a", at(0)).block;
    for (const [block, ip] of [
      [held, parseIp("10.0.0.2")],
      [held, parseIp("10.0.0.3")],
      [held, parseIp("10.0.9.0")],
      [resting, first],
    ] as const) {
      expect(handOver(block, ip, { from: "a", to })).toBeUndefined();
    }
  });
});

describe("what nobody has had", () => {
  test("is free at once, at the end of the queue, without a word in the journal", () => {
    const block = giveBackUnused(take(empty, "a", 2), [first], "a");
    expect([addressesOf(block, "a"), block.spec.unallocated]).toEqual([[second], [2, 3, 0]]);
    expect(block.spec.sequenceNumberForAllocation).toEqual({ 1: 100n });
    expect(releasesOf(block)).toEqual([]);
  });

  test("is nothing that another holds", () => {
    const held = take(take(empty, "a"), "b");
    expect(giveBackUnused(held, [second, parseIp("10.0.0.2"), parseIp("10.0.9.0")], "a")).toBe(held);
  });
});
