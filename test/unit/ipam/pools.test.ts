import { describe, expect, test } from "vitest";
import { choosePools, type PoolQuery, poolOfAddress } from "../../../src/ipam/pools.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { pool } from "./samples.ts";

const query: PoolQuery = { version: 4, nodeLabels: { rack: "a" } };

function names(pools: Parameters<typeof choosePools>[0], more: Partial<PoolQuery> = {}): readonly string[] {
  return choosePools(pools, { ...query, ...more }).usable.map(({ metadata }) => metadata.name);
}

function reason(one: ReturnType<typeof pool>, more: Partial<PoolQuery> = {}): string | undefined {
  return choosePools([one], { ...query, ...more }).refused[0]?.reason;
}

describe("when no pool is asked for", () => {
  test("the pools of the family that select the node serve, by name", () => {
    const pools = [
      pool("b", { cidr: "10.2.0.0/16" }),
      pool("v6", { cidr: "2001:db8::/64" }),
      pool("a", { cidr: "10.1.0.0/16", nodeSelector: "rack == 'a'" }),
      pool("c", { cidr: "10.3.0.0/16", nodeSelector: "rack == 'b'" }),
    ];
    expect(names(pools)).toEqual(["a", "b"]);
    expect(names(pools, { version: 6 })).toEqual(["v6"]);
  });

  test.each([
    ["is disabled", { disabled: true }],
    ["is for Tunnel only", { allowedUses: ["Tunnel"] }],
    ["has assignmentMode Manual and was not asked for by name", { assignmentMode: "Manual" }],
    ["does not select the node: rack == 'b'", { nodeSelector: "rack == 'b'" }],
    ["does not select the namespace: team == 'x'", { namespaceSelector: "team == 'x'" }],
  ] as const)("a pool that %s does not serve, and says so", (expected, spec) => {
    expect(reason(pool("p", { cidr: "10.0.0.0/16", ...spec }))).toContain(expected);
  });

  test("a pool that is being deleted, or holds no whole block, does not serve", () => {
    const going = pool("p", { cidr: "10.0.0.0/16" });
    expect(reason({ ...going, metadata: { ...going.metadata, deletionTimestamp: "2026-11-21T10:00:00Z" } })).toBe(
      "is being deleted",
    );
    expect(reason({ ...going, spec: { ...going.spec, blockSize: 12 } })).toBe(
      "is smaller than one of its blocks (/12)",
    );
  });

  test("a namespace that is known is asked", () => {
    const team = pool("p", { cidr: "10.0.0.0/16", namespaceSelector: "team == 'x'" });
    expect(names([team], { namespaceLabels: { team: "x" } })).toEqual(["p"]);
    expect(names([pool("p", { cidr: "10.0.0.0/16", namespaceSelector: "all()" })])).toEqual([]);
  });
});

describe("pools asked for", () => {
  const pools = [
    pool("a", { cidr: "10.1.0.0/16" }),
    pool("manual", { cidr: "10.2.0.0/16", assignmentMode: "Manual", nodeSelector: "rack == 'b'" }),
    pool("off", { cidr: "10.3.0.0/16", disabled: true }),
    pool("v6", { cidr: "2001:db8::/64" }),
  ];

  test("serve in that order, once, by name or CIDR, whatever they select", () => {
    expect(names(pools, { requested: ["manual", "10.1.0.0/16", "a"] })).toEqual(["manual", "a"]);
  });

  test("may still be disabled or not there", () => {
    const choice = choosePools(pools, { ...query, requested: ["off", "typo"] });
    expect(choice.usable).toEqual([]);
    expect(choice.refused).toEqual([
      { pool: "off (10.3.0.0/16)", reason: "is disabled" },
      { pool: "typo", reason: "does not exist" },
    ]);
  });

  test("serve together or not at all, and an empty list asks for none", () => {
    expect(names(pools, { requested: ["a", "off"] })).toEqual([]);
    expect(names(pools, { requested: ["a", "typo"] })).toEqual([]);
    expect(names(pools, { requested: [] })).toEqual(["a"]);
  });

  test("are named with the reason: another family's, a CIDR that is no pool's", () => {
    const choice = choosePools(pools, { ...query, requested: ["v6", "10.9.0.0/16", "10.1.0.0/99"] });
    expect(choice.refused).toEqual([
      { pool: "v6 (2001:db8::/64)", reason: "is an IPv6 pool, and cannot give IPv4 addresses" },
      { pool: "10.9.0.0/16", reason: "does not exist: it is no IPPool's CIDR" },
      { pool: "10.1.0.0/99", reason: "does not exist: it is no IPPool's CIDR" },
    ]);
  });

  test("may be called by any writing of the CIDR; of two pools with one CIDR the one that gives addresses is meant", () => {
    expect(names(pools, { requested: ["10.1.2.3/16"] })).toEqual(["a"]);
    const twins = [pool("z", { cidr: "10.1.0.0/16", disabled: true }), pool("b", { cidr: "10.1.0.0/16" })];
    expect(names(twins, { requested: ["10.1.0.0/16"] })).toEqual(["b"]);
  });
});

describe("an address that is asked for", () => {
  const pools = [
    pool("manual", { cidr: "10.2.0.0/16", assignmentMode: "Manual", nodeSelector: "rack == 'b'" }),
    pool("tunnels", { cidr: "10.3.0.0/16", allowedUses: ["Tunnel"] }),
  ];

  test("is given by its pool, whatever that selects", () => {
    expect(poolOfAddress(pools, parseIp("10.2.0.1"))).toEqual({ pool: pools[0] });
  });

  test("is refused by a pool that is not for pods, and by none when none holds it", () => {
    expect(poolOfAddress(pools, parseIp("10.3.0.1"))).toEqual({
      refused: [{ pool: "tunnels (10.3.0.0/16)", reason: "is for Tunnel only" }],
    });
    expect(poolOfAddress(pools, parseIp("2001:db8::1"))).toEqual({ refused: [] });
  });
});
