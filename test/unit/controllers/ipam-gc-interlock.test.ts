import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { heldReleaseId, parseHeld } from "../../../src/api/held-release.ts";
import { type Candidate, findCandidates } from "../../../src/controllers/ipam-gc/candidates.ts";
import { heldAddressOf, type InterlockInput, type Ruling, rule } from "../../../src/controllers/ipam-gc/interlock.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { blockOf, heldBy, reserveOf, snapshotOf } from "./ipam-gc-objects.ts";

const all = leaked(64);
const limits = { share: 0.1, always: 4, never: 20 };
const idle: InterlockInput = {
  ...{ wanted: [], undecided: [], total: 100, freedLately: 0, held: undefined, approved: undefined, limits },
};

describe("what a pass may free", () => {
  test.each<[string, Partial<InterlockInput>, number]>([
    ["a few of few", { wanted: all.slice(0, 4), total: 4 }, 4],
    ["more than a few of few", { wanted: all.slice(0, 5), total: 40 }, 0],
    ["a small share of many", { wanted: all.slice(0, 10), total: 100 }, 10],
    ["a large share of many", { wanted: all.slice(0, 11), total: 100 }, 0],
    ["a small share, but more than is ever plausible", { wanted: all.slice(0, 21), total: 100_000 }, 0],
    ["as many again as were freed lately", { wanted: all.slice(0, 5), total: 94, freedLately: 6 }, 0],
    ["as many as are left to free", { wanted: all.slice(0, 4), total: 94, freedLately: 6 }, 4],
  ])("%s", (_, input, freed) => {
    const ruling = rule({ ...idle, ...input });
    expect(ruling.free).toHaveLength(freed);
    expect(ruling.held?.addresses.length).toBe(freed === 0 ? input.wanted?.length : undefined);
  });
});

describe("what a node gone held for pods to come", () => {
  const reserve = reservesOf("node-1", "node-2", "node-3");

  test("counts as one, beside its pods", () => {
    const ofOne = reserve.filter(({ node }) => node === "node-1");
    expect(rule({ ...idle, wanted: [...all.slice(0, 3), ...ofOne], total: 4 }).free).toHaveLength(11);
    expect(rule({ ...idle, wanted: [...all.slice(0, 4), ...ofOne], total: 4 }).free).toEqual([]);
  });

  test("counts so while something is held, too", () => {
    const held = heldOf(rule({ ...idle, wanted: all.slice(0, 5), total: 5 }));
    expect(rule({ ...idle, wanted: reserve, total: 5, held })).toMatchObject({ free: reserve, held: undefined });
    expect(rule({ ...idle, wanted: [...all.slice(0, 2), ...reserve], total: 5, held }).free).toEqual([]);
  });
});

describe("what is held", () => {
  const wanted = all.slice(0, 20);
  const held = heldOf(rule({ ...idle, wanted }));

  test("keeps its id while nothing comes to it, whatever goes", () => {
    expect(held.id).toBe(heldReleaseId(wanted.map(heldAddressOf).toReversed()));
    for (const less of [wanted, wanted.slice(5), []]) {
      const undecided = wanted.filter((one) => !less.includes(one));
      const ruling = rule({ ...idle, wanted: less, undecided, held });
      expect(ruling).toEqual({ free: [], approvedCount: 0, held, approval: "none" });
    }
  });

  test("is held under another id when something comes to it", () => {
    const ruling = rule({ ...idle, wanted: all.slice(5, 21), undecided: all.slice(0, 5), held });
    expect(ruling.free).toEqual([]);
    expect(heldOf(ruling).id).toBe(heldReleaseId(all.slice(0, 21).map(heldAddressOf)));
  });

  test("is let go, and the rest freed, when most of it turns out to be alive", () => {
    const ruling = rule({ ...idle, wanted: wanted.slice(0, 3), held });
    expect(ruling).toMatchObject({ free: wanted.slice(0, 3), held: undefined });
  });

  test("is freed by its approval, and nothing else", () => {
    const later = all.slice(20, 40);
    const ruling = rule({ ...idle, wanted: [...wanted, ...later], held, approved: held.id });
    expect(ruling.free).toEqual(wanted);
    expect(ruling).toMatchObject({ approvedCount: 20, approval: "used" });
    expect(heldOf(ruling).addresses).toEqual(later.map(heldAddressOf));
  });

  test("waits, approved, for what is not yet ripe or whose node does not answer", () => {
    const waiting = rule({ ...idle, undecided: wanted, held, approved: held.id });
    expect(waiting).toEqual({ free: [], approvedCount: 0, held, approval: "waiting" });
    // What is not held, and few, need not wait.
    const other = rule({ ...idle, wanted: all.slice(30, 33), undecided: wanted, held, approved: held.id });
    expect(other).toMatchObject({ free: all.slice(30, 33), held, approval: "waiting", approvedCount: 0 });
  });

  test("is not freed by the approval of something else", () => {
    expect(rule({ ...idle, wanted, held, approved: "0123456789abcdef" })).toEqual({
      ...{ free: [], approvedCount: 0, held, approval: "outdated" },
    });
  });

  test("with a list cut short is freed whole by an approval of the whole", () => {
    const short = { ...held, addresses: held.addresses.slice(0, 3) };
    expect(rule({ ...idle, wanted, held: short, approved: held.id }).free).toEqual(wanted);
    expect(rule({ ...idle, wanted: all.slice(0, 21), held: short, approved: held.id }).free).toEqual(all.slice(0, 3));
  });

  test("an address given out anew to another handle is not what was held", () => {
    const again = wanted.map((one) => ({ ...one, handle: "another" }));
    expect(rule({ ...idle, wanted: again, held, approved: held.id }).free).toEqual([]);
  });
});

test("no sequence of passes frees more than the limits without an approval", () => {
  const pass = fc.record({
    ripe: fc.subarray([...all]),
    undecided: fc.subarray([...all]),
    approve: fc.constantFrom(undefined, "held", "0123456789abcdef"),
  });
  fc.assert(
    fc.property(fc.array(pass, { maxLength: 8 }), (passes) => {
      let held: Ruling["held"];
      let freedLately = 0;
      const freed = new Set<Candidate>();
      for (const { ripe, undecided, approve } of passes) {
        const wanted = ripe.filter((one) => !freed.has(one));
        const rest = undecided.filter((one) => !freed.has(one) && !wanted.includes(one));
        const approved = approve === "held" ? held?.id : approve;
        const ruling = rule({ ...idle, wanted, undecided: rest, freedLately, held, approved });
        const unapproved = ruling.free.length - ruling.approvedCount;
        const covered = approve === "held" ? new Set(held?.addresses.map(({ ip }) => ip)) : new Set();
        expect(ruling.free.filter(({ ip }) => covered.has(ip)).length).toBeGreaterThanOrEqual(ruling.approvedCount);
        expect(freedLately + unapproved).toBeLessThanOrEqual(Math.max(4, 0.1 * (100 + freedLately)));
        freedLately += unapproved;
        for (const one of ruling.free) freed.add(one);
        held = ruling.held;
      }
    }),
    { numRuns: 500 },
  );
});

test("a held release is read as it was written", () => {
  const addresses = all.slice(0, 2).map(heldAddressOf);
  const release = { id: heldReleaseId(addresses), count: 2, since: "2026-11-21T10:00:00.000Z", addresses };
  const annotations = { "ipam.margay.io/approved-release": release.id };
  expect(parseHeld({ metadata: { annotations }, status: { heldRelease: release } })).toEqual({
    ...{ release, approved: release.id, freed: [] },
  });
  expect(parseHeld({ metadata: {} })).toEqual({ release: undefined, approved: undefined, freed: [] });
  expect(heldReleaseId([{ ip: parseIp("10.0.0.1"), handle: "h" }])).toMatch(/^[0-9a-f]{16}$/);
});

// --- internal ---

function leaked(count: number): readonly Candidate[] {
  const attributes = Array.from({ length: count }, (_, index) => heldBy(`pod-${index}`));
  return findCandidates(snapshotOf({ blocks: [blockOf("10.0.0.0/26", attributes)], nodes: ["node-1"] }), [], 0);
}

/** Eight of each of these nodes, all gone. */
function reservesOf(...nodes: readonly string[]): readonly Candidate[] {
  const attributes = nodes.flatMap((node) => Array.from({ length: 8 }, () => reserveOf(node)));
  return findCandidates(snapshotOf({ blocks: [blockOf("10.1.0.0/26", attributes)] }), [], 0);
}

function heldOf({ held }: Ruling): NonNullable<Ruling["held"]> {
  if (held === undefined) throw new Error("nothing is held");
  return held;
}
