import { describe, expect, test } from "vitest";
import type { BlockAffinity } from "../../../src/api/block-affinity.ts";
import type { IpPool } from "../../../src/api/ip-pool.ts";
import type { AllocationAttribute, IpamBlock } from "../../../src/api/ipam-block.ts";
import { goesWith, planDrain } from "../../../src/controllers/ip-pool/plan-drain.ts";
import { poolFindings } from "../../../src/controllers/ip-pool/pool-conditions.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { pool } from "../ipam/samples.ts";
import { blockOf, heldBy, reserveOf } from "./ipam-gc-objects.ts";

const main = pool("main", { cidr: "10.0.0.0/16" });
const cooling: AllocationAttribute = { ...heldBy("c"), releasedAt: "2026-11-21T10:00:00Z" };
const windows: AllocationAttribute = { handle_id: "Windows-Reserved-IPAM-Handle" };

function affinity(node: string, cidr: string, more: Partial<BlockAffinity["spec"]> = {}): BlockAffinity {
  const spec = { state: "confirmed", node, type: "host", cidr: parseCidr(cidr), deleted: false, ...more } as const;
  return { metadata: { name: `${node}-${cidr}`, labels: {}, annotations: {} }, spec };
}

function deleted(one: IpPool): IpPool {
  return { ...one, metadata: { ...one.metadata, deletionTimestamp: "2026-11-21T10:00:00Z" } };
}

describe("poolFindings", () => {
  const facts = { pool: main, pools: [main], blocks: [], waitsFor: undefined, fault: undefined };
  const of = (more: Partial<Parameters<typeof poolFindings>[0]>) =>
    poolFindings({ ...facts, ...more }).map(({ type, status, reason, message }) => [type, status, reason, message]);

  test("a pool with nothing special has one condition", () => {
    expect(of({})).toEqual([["Allocatable", "True", "OK", "The pool gives addresses."]]);
  });

  test.each([
    ["10.0.0.0/28", "1 block of another size, such as 10.0.0.0/28, lies in it"],
    ["10.0.0.0/26", undefined],
    ["10.7.0.0/28", undefined],
    ["10.1.0.0/16", undefined],
  ])("a block %s in it is told of when its size is another", (block, message) => {
    const found = of({ blocks: [parseCidr(block)] }).filter(([type]) => type === "BlockSizeUniform");
    expect(found).toEqual(
      message === undefined
        ? []
        : [["BlockSizeUniform", "False", "BlockSizeMismatch", expect.stringContaining(message)]],
    );
  });

  test.each([
    [{ ipipMode: "Always" } as const, "ipipMode is Always"],
    [{ vxlanMode: "CrossSubnet" } as const, "vxlanMode is CrossSubnet"],
  ])("a pool with %j is routed as it is", (spec, message) => {
    const wrapped = pool("wrapped", { cidr: "10.9.0.0/16", ...spec });
    expect(of({ pool: wrapped, pools: [wrapped] })).toContainEqual([
      ...["Encapsulated", "False", "NotImplemented"],
      expect.stringContaining(message),
    ]);
  });

  test("what a deletion waits for is said, also of a pool that cannot be read", () => {
    const going = deleted(main);
    const message = "The pool is being deleted: 2 addresses are in use.";
    const expected = [["Allocatable", "False", "Terminating", message]];
    expect(of({ pool: going, pools: [going], waitsFor: "2 addresses are in use" })).toEqual(expected);
    expect(of({ pool: going, pools: [going], waitsFor: "2 addresses are in use", fault: "x" })).toEqual(expected);
    expect(of({ fault: "Cannot read IPPool main: why" })).toEqual([
      ...[["Allocatable", "False", "NotReadable", expect.stringContaining("Cannot read IPPool main: why.")]],
    ]);
  });

  test("a pool for Services says that these get nothing, unless something else keeps it from giving", () => {
    const services = pool("services", { cidr: "10.9.0.0/16", allowedUses: ["LoadBalancer"] });
    expect(of({ pool: services, pools: [services] })[0]?.[2]).toBe("LoadBalancerNotServed");
    const off = pool("services", { cidr: "10.9.0.0/16", allowedUses: ["LoadBalancer"], disabled: true });
    expect(of({ pool: off, pools: [off] })[0]?.[2]).toBe("PoolDisabled");
  });
});

describe("goesWith", () => {
  const inner = pool("inner", { cidr: "10.0.1.0/24" });

  test.each([
    ["10.0.0.0/26", [main], true],
    ["10.1.0.0/26", [main], false],
    ["10.0.0.0/12", [main], true],
    ["10.0.1.64/26", [main, inner], false],
    ["10.0.1.64/26", [main, deleted(inner)], true],
    ["10.0.0.0/23", [main, inner], true],
    ["fd00::/122", [main], false],
  ])("%s, among %#", (network, pools, expected) => {
    expect(goesWith(main, pools)(parseCidr(network))).toBe(expected);
  });
});

describe("planDrain", () => {
  const plan = (blocks: readonly IpamBlock[], affinities: readonly BlockAffinity[] = []) =>
    planDrain({ blocks, affinities }, goesWith(main, [main]));
  const idle = { claims: [], orphans: [], cooling: [], waitsFor: undefined };

  test("empty blocks go, by whose they are", () => {
    expect(plan([blockOf("10.0.0.0/30", []), blockOf("10.0.0.4/30", [], "")])).toEqual({
      ...idle,
      claims: [{ cidr: "10.0.0.0/30", node: "node-1" }],
      orphans: ["10.0.0.4/30"],
    });
    expect(plan([blockOf("10.0.0.0/30", [windows])]).claims).toHaveLength(1);
    expect(plan([blockOf("10.0.0.0/30", [], "virtual:load-balancer")])).toEqual({
      ...idle,
      waitsFor: "virtual:load-balancer has blocks in it",
    });
  });

  test("a block in use stays, with its owner's claim; others' claims on it go", () => {
    const used = blockOf("10.0.0.0/30", [heldBy("web"), heldBy("db")]);
    expect(plan([used], [affinity("node-1", "10.0.0.0/30"), affinity("node-2", "10.0.0.0/30")])).toEqual({
      ...idle,
      claims: [{ cidr: "10.0.0.0/30", node: "node-2" }],
      waitsFor: "2 addresses are in use, for example 10.0.0.0 by pod shop/web",
    });
  });

  test("a claim on no block goes once, and what is marked as deleted is no more", () => {
    const claim = affinity("node-2", "10.0.0.0/30");
    expect(plan([blockOf("10.0.0.0/30", [], "host:node-2")], [claim]).claims).toEqual([
      { cidr: "10.0.0.0/30", node: "node-2" },
    ]);
    expect(plan([], [claim]).claims).toHaveLength(1);
    const gone = blockOf("10.0.0.0/30", [heldBy("web")]);
    expect(
      plan([{ ...gone, spec: { ...gone.spec, deleted: true } }], [affinity("a", "10.0.0.0/30", { deleted: true })]),
    ).toEqual(idle);
  });

  test.each<[string, readonly AllocationAttribute[], string]>([
    ["an address that cools down", [cooling], "1 address cools down after use"],
    [
      "one in use before one that cools",
      [cooling, heldBy("web")],
      "1 address is in use, for example 10.0.0.1 by pod shop/web",
    ],
    ["one of no pod", [{ handle_id: "x" }], "1 address is in use, for example 10.0.0.0 by handle x"],
    ["one of nobody known", [{}], "1 address is in use, for example 10.0.0.0 by an unknown holder"],
    [
      "what is held for pods to come",
      [reserveOf(), reserveOf()],
      "2 addresses are in use, for example 10.0.0.0 by the reserve of node node-1",
    ],
    [
      "a pod's before what is held for pods to come",
      [reserveOf(), heldBy("web")],
      "2 addresses are in use, for example 10.0.0.1 by pod shop/web",
    ],
    ["one beside Windows' own", [windows, heldBy("web")], "1 address is in use, for example 10.0.0.1 by pod shop/web"],
  ])("%s is waited for", (_, attributes, waitsFor) => {
    const drain = plan([blockOf("10.0.0.0/30", attributes)]);
    expect(drain).toMatchObject({ claims: [], orphans: [], waitsFor });
    expect(drain.cooling).toEqual(attributes.includes(cooling) ? ["10.0.0.0/30"] : []);
  });

  test("blocks and claims of other pools are none of its business", () => {
    expect(plan([blockOf("10.7.0.0/30", [heldBy("web")])], [affinity("a", "10.7.0.0/26")])).toEqual(idle);
  });
});
