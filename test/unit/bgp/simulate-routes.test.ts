import { expect, test } from "vitest";
import type { BirdFilter, BirdFilterOperation, BirdFilterRule } from "../../../src/bgp/plan/bird-filter.ts";
import { BlockFacts, ownersOfBlocks } from "../../../src/bgp/simulate/block-facts.ts";
import { buildNetwork } from "../../../src/bgp/simulate/build-network.ts";
import { bestRoute } from "../../../src/bgp/simulate/compare-routes.ts";
import { propagate } from "../../../src/bgp/simulate/propagate.ts";
import type { Route } from "../../../src/bgp/simulate/route.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { at, blockOf, configsOf, type SimulatedNode } from "./simulated-nodes.ts";

const cluster = (number: number) => ({ reflectorCluster: parseIp(`244.0.0.${number}`) });

test("who hears of a network from its originator's own reflectors does not take it (RFC 4456, ORIGINATOR_ID)", () => {
  const own = (number: number) => ({ ...cluster(number), nextHop: "self" }) as const;
  const nodes = {
    1: { peers: { 2: {}, 3: {} } },
    2: { peers: { 1: own(2), 3: own(2) } },
    3: { peers: { 1: own(3), 2: own(3) } },
  };
  expect(waysTo(1, nodes).get("10.0.0.1")).toHaveLength(1);
  // One from 1 itself, one by the other reflector.
  expect(waysTo(1, nodes).get("10.0.0.2")).toHaveLength(2);
});

test("a neighbour is not told of a way through itself", () => {
  const nodes = {
    1: { peers: { 2: { ...cluster(1), nextHop: "self" }, 3: {}, 4: {} } },
    2: { peers: { 1: {}, 4: cluster(2) } },
    3: { peers: { 1: {} } },
    4: { peers: { 1: cluster(4), 2: {} } },
  } as const;
  expect(
    waysTo(3, nodes)
      .get("10.0.0.1")
      ?.map(({ attributes }) => attributes.nextHop),
  ).toEqual([at(3)]);
});

test("an external router prefers the owner to a node that passes its network on", () => {
  const peers = { 201: { neighborAs: 65100 } };
  const nodes = { 1: { peers: { 2: {}, ...peers } }, 2: { peers: { 1: {}, ...peers } } };
  const ways = waysTo(2, nodes).get("10.0.0.201") ?? [];
  expect(ways.map(({ attributes }) => attributes.med).sort()).toEqual([0, 100]);
  expect(bestRoute(ways)?.attributes.nextHop).toBe(at(2));
});

test("a metric does not leave the AS that it came to", () => {
  const nodes = {
    1: { as: 65001, peers: { 2: { neighborAs: 65002 } } },
    2: { as: 65002, peers: { 1: { neighborAs: 65001 }, 3: { neighborAs: 65003 } } },
    3: { as: 65003, peers: { 2: { neighborAs: 65002 }, 201: { neighborAs: 65100 } } },
  };
  const [way] = waysTo(1, nodes).get("10.0.0.3") ?? [];
  expect(way?.attributes).toMatchObject({ med: 100, asPath: [65002, 65001], localPref: undefined });
});

test("two internal neighbours by another AS than the node's own are no clients either", () => {
  const edge = { 2: { neighborAs: 65001 } };
  const shown = { localAs: 65001, neighborAs: 65001 };
  const nodes = {
    1: { as: 65001, peers: edge },
    2: { as: 65002, peers: { 1: shown, 3: shown } },
    3: { as: 65001, peers: edge },
  };
  expect(waysTo(1, nodes).get("10.0.0.2")).toHaveLength(1);
  expect(waysTo(1, nodes).get("10.0.0.3")).toEqual([]);
});

test("what a node announces while it goes away is taken with the least preference (RFC 8326)", () => {
  const nodes = { 1: { peers: { 2: {} }, exports: { isDraining: true } }, 2: { peers: { 1: {} } } };
  const [way] = waysTo(1, nodes).get("10.0.0.2") ?? [];
  expect(way?.attributes).toMatchObject({ localPref: 0, communities: [[65535, 0]] });
});

test("nobody gets back what came from it, even if it would take it", () => {
  const nodes = {
    1: { as: 65001, peers: { 2: { neighborAs: 65002, allowedLocalAs: 1 } } },
    2: { as: 65002, peers: { 1: { neighborAs: 65001 } } },
  };
  expect(waysTo(1, nodes).get("10.0.0.1")).toHaveLength(1);
});

test("the originator is who it was, however often a route is reflected", () => {
  const chain = {
    1: { peers: { 2: {} } },
    2: { peers: { 1: cluster(2), 3: cluster(2) } },
    3: { peers: { 2: cluster(3), 4: cluster(3) } },
    4: { peers: { 3: {} } },
  };
  const [way] = waysTo(1, chain).get("10.0.0.4") ?? [];
  const number = (text: string) => text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  expect(way?.attributes).toMatchObject({
    originator: number("10.0.0.1"),
    clusters: [number("244.0.0.3"), number("244.0.0.2")],
    nextHop: at(1),
  });
});

test("the next hop is the sender between ASs, unless it is to be kept", () => {
  const nodes = (nextHop: "auto" | "keep") => ({
    1: { peers: { 2: {} } },
    2: { peers: { 1: {}, 3: { neighborAs: 65003, nextHop } } },
    3: { as: 65003, peers: { 2: {} } },
  });
  const nextHopOf = (nextHop: "auto" | "keep") => waysTo(1, nodes(nextHop)).get("10.0.0.3")?.[0]?.attributes.nextHop;
  expect([nextHopOf("auto"), nextHopOf("keep")]).toEqual([at(2), at(1)]);
});

test("NO_EXPORT stays in the AS (RFC 1997)", () => {
  const filters = doing({ kind: "addCommunity", community: [65535, 65281] });
  const nodes = {
    1: { peers: { 2: { exportFilters: ["f"] } }, config: { filters } },
    2: { peers: { 1: {}, 3: { neighborAs: 65003 } } },
    3: { as: 65003, peers: { 2: {} } },
  };
  const ways = waysTo(1, nodes);
  expect([ways.get("10.0.0.2"), ways.get("10.0.0.3")].map((one) => one?.length)).toEqual([1, 0]);
});

test("a node's priority travels inside the AS as local preference, and wins over what comes from outside", () => {
  const outside = { 201: { neighborAs: 65100, allowedLocalAs: 1 } };
  const filters = doing({ kind: "prependAsPath", asNumbers: [65009, 65009, 65009] });
  const nodes = {
    1: { peers: { 2: { exportFilters: ["f"] }, ...outside }, config: { filters } },
    2: { peers: { 1: {}, ...outside } },
  };
  const ways = waysTo(1, nodes).get("10.0.0.2") ?? [];
  expect(ways.map(({ attributes }) => attributes.localPref)).toEqual([2147483647 - 1024, undefined]);
  expect(bestRoute(ways)?.attributes.nextHop).toBe(at(1));
  expect(bestRoute(ways.toReversed())?.attributes.nextHop).toBe(at(1));
});

test("a node speaks for its own blocks alone: it passes on neither them nor what is inside", () => {
  const nodes = (block: string): Readonly<Record<string, SimulatedNode>> => ({
    1: { as: 65001, peers: { 2: { neighborAs: 65002 } } },
    2: {
      as: 65002,
      peers: { 1: { neighborAs: 65001 }, 3: { neighborAs: 65003 } },
      exports: { blocks: [parseCidr(block)] },
    },
    3: { as: 65003, peers: { 2: { neighborAs: 65002 } } },
  });
  const pathsAt3 = (block: string) =>
    (waysTo(1, nodes(block)).get("10.0.0.3") ?? []).map(({ attributes }) => attributes.asPath);
  expect(pathsAt3("192.168.2.0/26")).toEqual([[65002, 65001]]);
  expect(pathsAt3(blockOf(1))).toEqual([[65002]]);
  expect(pathsAt3("192.168.0.0/20")).toEqual([]);
});

test("a priority that a filter sets is a local preference", () => {
  const filters = doing({ kind: "setPriority", priority: 100 });
  const nodes = { 1: { peers: { 2: { exportFilters: ["f"] } }, config: { filters } }, 2: { peers: { 1: {} } } };
  expect(waysTo(1, nodes).get("10.0.0.2")?.[0]?.attributes.localPref).toBe(2147483547);
});

test("who tells only its best route takes it back for a better one, and so does everybody who had it", () => {
  const toTor = { neighborAs: 65100 };
  const nodes = {
    // The worse way, by 1, is the first that the router hears of.
    1: {
      as: 65001,
      peers: { 3: { neighborAs: 65003 }, 201: { ...toTor, exportFilters: ["f"] } },
      config: { filters: doing({ kind: "prependAsPath", asNumbers: [65001, 65001] }) },
    },
    2: { as: 65002, peers: { 3: { neighborAs: 65003 }, 201: toTor } },
    3: { as: 65003, peers: { 1: { neighborAs: 65001 }, 2: { neighborAs: 65002 } } },
    4: { as: 65004, peers: { 201: toTor, 5: { neighborAs: 65005 } } },
    5: { as: 65005, peers: { 4: { neighborAs: 65004 } } },
  };
  const ways = waysTo(3, nodes);
  const pathsAt = (address: string) => (ways.get(address) ?? []).map(({ attributes }) => attributes.asPath);
  expect(pathsAt("10.0.0.201")).toEqual([
    [65001, 65001, 65001, 65003],
    [65002, 65003],
  ]);
  expect(pathsAt("10.0.0.4")).toEqual([[65100, 65002, 65003]]);
  expect(pathsAt("10.0.0.5")).toEqual([[65004, 65100, 65002, 65003]]);
});

// --- internal ---

/** A filter `f` that lets everything out with something done to it. */
function doing(operation: BirdFilterOperation): readonly BirdFilter[] {
  const rule: BirdFilterRule = {
    ...{ net: undefined, fromRemotePeers: false, interface: undefined, peerType: undefined, communities: [] },
    ...{ asPathPrefix: [], priority: undefined, action: "accept", operations: [operation] },
  };
  return [{ name: "f", version: 4, direction: "export", rules: [rule] }];
}

/** Every router's routes to the block of a node, by an address of the router's sessions. */
function waysTo(node: number, nodes: Readonly<Record<string, SimulatedNode>>): ReadonlyMap<string, readonly Route[]> {
  const network = buildNetwork(4, configsOf(nodes), []);
  const owners = ownersOfBlocks(network).get(blockOf(node));
  if (owners === undefined) throw new Error(`node ${node} has no block`);
  const { routes } = propagate(network, new BlockFacts(blockOf(node), owners), owners.owners);
  return new Map([...network.routerAt].map(([address, { index }]) => [address, routes[index] ?? []]));
}
