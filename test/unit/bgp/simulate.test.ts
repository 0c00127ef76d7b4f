import { describe, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import type { Session } from "../../../src/bgp/plan/bird-config.ts";
import type { BirdFilter, BirdFilterRule } from "../../../src/bgp/plan/bird-filter.ts";
import { unreachablePairs } from "../../../src/bgp/simulate/lost-pairs.ts";
import { simulate } from "../../../src/bgp/simulate/simulate.ts";
import type { Cidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { at, blockOf, configsOf, type SimulatedNode } from "./simulated-nodes.ts";

describe("what RFC 4271 says of internal and external neighbours", () => {
  test("a full mesh of iBGP reaches everywhere", () => {
    expect(
      lost({ 1: { peers: { 2: {}, 3: {} } }, 2: { peers: { 1: {}, 3: {} } }, 3: { peers: { 1: {}, 2: {} } } }),
    ).toEqual([]);
  });

  test("a chain of iBGP does not pass on: its ends do not reach each other", () => {
    expect(lost(chain({}))).toEqual(["1 > 3", "3 > 1"]);
  });

  test("a chain of eBGP passes on, and each hop is on the way", () => {
    const ends = { 2: { neighborAs: 65002 } };
    const middle = { 1: { neighborAs: 65001 }, 3: { neighborAs: 65003 } };
    const nodes = { 1: { as: 65001, peers: ends }, 2: { as: 65002, peers: middle }, 3: { as: 65003, peers: ends } };
    expect(lost(nodes)).toEqual([]);
  });

  test("a route with the own AS in its path is a loop, as often as it is not allowed to be", () => {
    const edge = (allowedLocalAs: number) => ({ 2: { neighborAs: 65002, allowedLocalAs } });
    const nodes = (allowed: number) => ({
      1: { as: 65001, peers: edge(allowed) },
      2: { as: 65002, peers: { 1: { neighborAs: 65001 }, 3: { neighborAs: 65001 } } },
      3: { as: 65001, peers: edge(allowed) },
    });
    expect(lost(nodes(0))).toEqual(["1 > 3", "3 > 1"]);
    expect(lost(nodes(1))).toEqual([]);
  });

  test("a way through two nodes that each take the other for it is none", () => {
    // 4's block comes to 1 and 2 as if it came from 3, who never has it.
    const path = { exportFilters: ["long"], nextHop: "self" } as const;
    const nodes = {
      1: { as: 65001, peers: { 2: { neighborAs: 65002 } } },
      2: { as: 65002, peers: { 1: { neighborAs: 65001 }, 4: { neighborAs: 65004 } } },
      4: {
        as: 65004,
        peers: { 2: { neighborAs: 65002, ...path } },
        config: { filters: [filterOf("long", "export", long)] },
      },
    };
    expect(lost(nodes)).toEqual([]);
    expect(lost({ ...nodes, 2: { ...nodes[2], exports: { pools: [] } } })).toEqual(["1 > 4", "4 > 1"]);
  });
});

describe("what RFC 4456 says of reflectors", () => {
  const client = { reflectorCluster: parseIp("244.0.0.1") };

  test("a reflector passes on between clients, and from a client to who is none", () => {
    expect(lost(chain({ 1: client, 3: client }))).toEqual([]);
    expect(lost(chain({ 1: client }))).toEqual([]);
  });

  test("two reflectors of one cluster do not take each other's: a client of only one is out of the other clients' reach", () => {
    const pair = {
      1: { peers: { 2: {} } },
      2: { peers: { 1: client, 3: {} } },
      3: { peers: { 2: {}, 4: client } },
      4: { peers: { 3: {} } },
    };
    expect(lost(pair)).toEqual(["1 > 4", "4 > 1"]);
    // Were they each other's clients, they would refuse all that has been in their cluster.
    const mutual = { ...pair, 2: { peers: { 1: client, 3: client } }, 3: { peers: { 2: client, 4: client } } };
    expect(lost(mutual)).toEqual(["1 > 4", "2 > 4", "3 > 1", "4 > 1"]);
  });
});

describe("sessions", () => {
  test.each<[string, Partial<Session>, Partial<Session>, string]>([
    ["both wait", { passive: true }, { passive: true }, "node-2 waits to be called, too"],
    ["held", { held: "no Secret" }, {}, "no Secret"],
    ["held by the other", {}, { held: "no Secret" }, "node-2 holds it down: no Secret"],
    ["no password there", { password: "a" }, {}, "node-2 has no password"],
    ["no password here", {}, { password: "a" }, "node-2 wants a password"],
    ["another password", { password: "a" }, { password: "b" }, "node-2 has another password"],
    ["another AS", { neighborAs: 65001 }, {}, "node-2 is AS 64512, and AS 65001 is expected"],
    ["another AS there", {}, { neighborAs: 65001 }, "node-2 expects AS 65001, and this is AS 64512"],
    ["another AS shown", { localAs: 65001 }, {}, "node-2 expects AS 64512, and this is AS 65001"],
    ["TTL security", { ttlSecurityHops: 1 }, {}, "node-2 has no TTL security"],
    ["another port", { port: 1790 }, { passive: true }, "node-2 listens on port 179, not 1790"],
    ["another port there", { passive: true }, { port: 1790 }, "node-2 calls port 1790, not 179"],
    ["another source", {}, { source: parseIp("10.0.9.9") }, "node-2 speaks from 10.0.9.9"],
  ])("%s: it stays down", (_, mine, theirs, reason) => {
    const { down, established } = simulate(configsOf({ 1: { peers: { 2: mine } }, 2: { peers: { 1: theirs } } }));
    expect(down[0]).toMatchObject({ node: "node-1", neighbor: "10.0.0.2", reason });
    expect(down).toHaveLength(2);
    expect(established).toBe(0);
  });

  test("what agrees comes up: passwords, ports, shown AS, TTL security, and one who waits", () => {
    const both = { password: "a", ttlSecurityHops: 1 };
    const mine = { ...both, localAs: 65001, port: 1790 };
    const nodes = {
      1: { peers: { 2: { ...mine, neighborAs: 64512 } } },
      2: { peers: { 1: { ...both, neighborAs: 65001, passive: true } }, config: { listenPort: 1790 } },
    };
    expect(simulate(configsOf(nodes))).toMatchObject({ established: 1, down: [] });
  });

  test("one router ID on both sides is no internal session, and may be an external one (RFC 6286)", () => {
    const nodes = (as: number) => ({
      1: { peers: { 2: { neighborAs: as } } },
      2: { as, peers: { 1: {} }, config: { routerId: at(1) } },
    });
    expect(simulate(configsOf(nodes(64512))).down[0]?.reason).toBe("both have the router ID 10.0.0.1");
    expect(simulate(configsOf(nodes(65002)))).toMatchObject({ established: 1, down: [] });
  });

  test("a neighbour that knows nothing of it is named", () => {
    const { down } = simulate(configsOf({ 1: { peers: { 2: {} } }, 2: { peers: {} } }));
    expect(down).toMatchObject([{ node: "node-1", reason: "node-2 has no session with 10.0.0.1" }]);
  });
});

describe("filters and policy", () => {
  const pair = (mine: Partial<Session>, filters: readonly BirdFilter[], exports: SimulatedNode["exports"] = {}) => ({
    1: { peers: { 2: mine }, config: { filters }, exports },
    2: { peers: { 1: {} } },
  });
  const net = (
    operator: "Equal" | "NotEqual" | "In" | "NotIn",
    cidr: string,
    length?: { min: number; max: number },
  ) => ({
    net: { operator, cidr: cidr as Cidr, length },
  });

  test.each<[string, Partial<BirdFilterRule>, boolean]>([
    ["Equal to the block", net("Equal", blockOf(1)), true],
    ["Equal to what is around it", net("Equal", "192.168.1.0/24"), false],
    ["NotEqual to another", net("NotEqual", blockOf(2)), true],
    ["In what is around it", net("In", "192.168.1.0/24"), true],
    ["In what is around it, of another length", net("In", "192.168.1.0/24", { min: 27, max: 32 }), false],
    ["NotIn another", net("NotIn", "192.168.2.0/24"), true],
    ["NotIn what is around it, of another length", net("NotIn", "192.168.1.0/24", { min: 27, max: 32 }), true],
    ["of remote peers", { fromRemotePeers: true }, false],
    ["to internal peers", { peerType: "iBGP" }, true],
    ["to external peers", { peerType: "eBGP" }, false],
    ["with a community", { communities: [[64512, 1]] }, false],
    ["with a path", { asPathPrefix: [65001] }, false],
    ["of the normal priority", { priority: 1024 }, true],
    ["of another priority", { priority: 1000 }, false],
    ["of an interface", { interface: "eth0" }, false],
  ])("an export rule that rejects, %s", (_, rule, drops) => {
    const nodes = pair({ exportFilters: ["f"] }, [filterOf("f", "export", { ...rule, action: "reject" })]);
    expect(lost(nodes)).toEqual(drops ? ["2 > 1"] : []);
  });

  test("an import rule that rejects", () => {
    const nodes = pair({ importFilters: ["f"] }, [
      filterOf("f", "import", { fromRemotePeers: true, action: "reject" }),
    ]);
    expect(lost(nodes)).toEqual(["1 > 2"]);
  });

  test("the first rule that fits decides, and one that accepts overrides a hidden pool", () => {
    const accepts = filterOf("f", "export", { action: "accept" }, { action: "reject" });
    const hidden = { hidden: ["192.168.0.0/16" as Cidr], pools: [] };
    expect(lost(pair({}, [], hidden))).toEqual(["2 > 1"]);
    expect(lost(pair({ exportFilters: ["f"] }, [accepts], hidden))).toEqual([]);
  });

  test("NO_ADVERTISE stays with who hears it (RFC 1997)", () => {
    const client = { reflectorCluster: parseIp("244.0.0.1") };
    const tag = { kind: "addCommunity", community: [65535, 65282] } as const;
    const nodes = chain({ 1: client, 3: client });
    const tagged = { ...nodes[1], config: { filters: [filterOf("f", "export", { operations: [tag] })] } };
    expect(lost({ ...nodes, 1: { ...tagged, peers: { 2: { exportFilters: ["f"] } } } })).toEqual(["3 > 1"]);
  });
});

test("a block that two nodes have is reached at neither for sure", () => {
  const both = { blocks: [blockOf(1)] };
  const nodes = {
    1: { peers: { 2: {}, 3: {} } },
    2: { peers: { 1: {}, 3: {} }, exports: both },
    3: { peers: { 1: {}, 2: {} } },
  };
  expect(lost(nodes)).toEqual(["1 > 2", "2 > 1", "3 > 1", "3 > 2"]);
});

describe("outside routers", () => {
  const tor = { neighbor: at(201), neighborAs: 65100 };

  test("an unknown router passes on, so nodes of other AS numbers reach each other through it", () => {
    expect(lost({ 1: { as: 65001, peers: { 201: tor } }, 2: { as: 65002, peers: { 201: tor } } })).toEqual([]);
  });

  test("nodes of one AS do not: what comes back has their AS in its path", () => {
    expect(lost({ 1: { peers: { 201: tor } }, 2: { peers: { 201: tor } } })).toEqual(["1 > 2", "2 > 1"]);
  });

  test("an unknown internal neighbour reflects", () => {
    expect(lost({ 1: { peers: { 201: {} } }, 2: { peers: { 201: {} } } })).toEqual([]);
  });

  test("two routers are two, unless they are said to be one", () => {
    const nodes = { 1: { as: 65001, peers: { 201: tor } }, 2: { as: 65002, peers: { 202: { neighborAs: 65100 } } } };
    expect(lost(nodes)).toEqual(["1 > 2", "2 > 1"]);
    const one = simulate(configsOf(nodes), [{ addresses: [at(201), at(202)], role: "passes on" }]);
    expect(unreachablePairs(one)).toEqual([]);
  });

  test("one that keeps what it hears helps nobody; at an address where nobody is, no session comes up", () => {
    const nodes = { 1: { peers: { 201: {} } }, 2: { peers: { 201: {} } } };
    const keeps = simulate(configsOf(nodes), [{ addresses: [at(201)], role: "keeps" }]);
    expect(unreachablePairs(keeps)).toHaveLength(2);
    expect(keeps.established).toBe(2);
    const absent = simulate(configsOf(nodes), [{ addresses: [at(201)], role: "is absent" }]);
    expect(absent.down.map(({ reason }) => reason)).toEqual(["nobody is at 10.0.0.201", "nobody is at 10.0.0.201"]);
  });
});

test("external peers that pass on everything to each other: ways are followed up to a bound, and that is said", () => {
  const count = 9;
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const nodes = Object.fromEntries(
    numbers.map((node) => {
      const peers = numbers.filter((other) => other !== node).map((other) => [other, { neighborAs: 65000 + other }]);
      return [node, { as: 65000 + node, peers: Object.fromEntries(peers) }];
    }),
  );
  const { doubtful, ...rest } = simulate(configsOf(nodes));
  expect(doubtful).toHaveLength(count);
  expect(doubtful[0]).toEqual({ network: blockOf(1), doubt: "too many ways" });
  expect(unreachablePairs(rest)).toEqual([]);
});

// --- internal ---

const long: Partial<BirdFilterRule> = { operations: [{ kind: "prependAsPath", asNumbers: [65004, 65004] }] };

function filterOf(
  name: string,
  direction: BirdFilter["direction"],
  ...rules: readonly Partial<BirdFilterRule>[]
): BirdFilter {
  const nothing = { net: undefined, fromRemotePeers: false, interface: undefined, peerType: undefined } as const;
  const rest = { communities: [], asPathPrefix: [], priority: undefined, operations: [], action: "accept" } as const;
  return { name, version: 4, direction, rules: rules.map((rule) => ({ ...nothing, ...rest, ...rule })) };
}

/** 1 and 3 peer with 2 alone; what 2's sessions are beyond that. */
function chain(middle: Readonly<Record<string, Partial<Session>>>) {
  return { 1: { peers: { 2: {} } }, 2: { peers: { 1: {}, 3: {}, ...middle } }, 3: { peers: { 2: {} } } };
}

function lost(nodes: Readonly<Record<string, SimulatedNode>>): readonly string[] {
  const short = (name: NodeName) => name.slice("node-".length);
  return unreachablePairs(simulate(configsOf(nodes)))
    .map(({ from, to }) => `${short(from)} > ${short(to)}`)
    .sort();
}
