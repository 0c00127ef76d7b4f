import { describe, expect, test } from "vitest";
import { type IpPool, parseIpPool } from "../../../src/api/ip-pool.ts";
import { parseIpReservation } from "../../../src/api/ip-reservation.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Node } from "../../../src/api/objects.ts";
import type { Snapshot } from "../../../src/api/snapshot.ts";
import { controllersMetrics, type MetricsFacts } from "../../../src/controllers/metrics/controllers-metrics.ts";
import { printMetrics } from "../../../src/controllers/metrics/print-metrics.ts";
import { Reclamations } from "../../../src/controllers/metrics/reclamations.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { blockOf, heldBy, nodeName, reserveOf, snapshotOf } from "./ipam-gc-objects.ts";

const candidate = (block: string, node: string) => ({ block: parseCidr(block), node: nodeName(node) });

describe("controllersMetrics", () => {
  test("a process that does not lead tells nothing of IPAM", () => {
    expect(figures({ leads: false, blocks: [blockOf("10.0.0.0/30", [heldBy("a")])] })).toEqual({
      margay_controllers_leader: 0,
    });
  });

  test("addresses and blocks are counted by pool and node, and a node that has none is told as 0", () => {
    const blocks = [
      blockOf("10.0.0.0/30", [heldBy("a"), undefined, heldBy("b"), heldBy("c", "node-2")]),
      blockOf("10.0.0.4/30", [heldBy("d", "node-2")], ""),
      blockOf("fd00::/126", [heldBy("a")], "host:node-2"),
      blockOf("10.9.0.0/30", [heldBy("e")]),
      blockOf("10.0.0.8/30", [], "virtual:load-balancer"),
    ];
    const found = figures({ blocks });
    expect(of(found, "ipam_allocations_in_use")).toEqual({
      '{ippool="four",node="node-1"}': 2,
      '{ippool="four",node="node-2"}': 2,
      '{ippool="six",node="node-1"}': 1,
      '{ippool="six",node="node-2"}': 0,
      '{ippool="no_ippool",node="node-1"}': 1,
    });
    expect(of(found, "ipam_allocations_borrowed")).toEqual({
      '{ippool="four",node="node-1"}': 0,
      '{ippool="four",node="node-2"}': 2,
      '{ippool="six",node="node-1"}': 1,
      '{ippool="six",node="node-2"}': 0,
    });
    expect(of(found, "ipam_blocks")).toEqual({
      '{ippool="four",node="node-1"}': 1,
      '{ippool="four",node="no_affinity"}': 2,
      '{ippool="six",node="node-2"}': 1,
      '{ippool="no_ippool",node="node-1"}': 1,
    });
    expect(of(found, "ipam_allocations_per_node")).toEqual({ '{node="node-1"}': 4, '{node="node-2"}': 2 });
    expect(of(found, "ipam_allocations_borrowed_per_node")).toEqual({ '{node="node-2"}': 2, '{node="node-1"}': 1 });
    expect(of(found, "ipam_blocks_per_node")).toEqual({
      '{node="node-1"}': 2,
      '{node="node-2"}': 1,
      '{node="no_affinity"}': 2,
    });
  });

  test("what was given back, or stands in a block that is deleted, is not in use", () => {
    const resting = blockOf("10.0.0.0/30", [heldBy("a"), { ...heldBy("b"), releasedAt: "2026-11-21T10:00:00Z" }]);
    const deleted = blockOf("10.0.0.4/30", [heldBy("c")]);
    const found = figures({ blocks: [resting, { ...deleted, spec: { ...deleted.spec, deleted: true } }] });
    expect(of(found, "ipam_allocations_per_node")).toEqual({ '{node="node-1"}': 1 });
    expect(of(found, "ipam_blocks_per_node")).toEqual({ '{node="node-1"}': 1 });
  });

  test("what a node holds for pods to come is in use, and not borrowed", () => {
    const found = figures({ blocks: [blockOf("10.0.0.0/30", [heldBy("a"), reserveOf(), reserveOf()])] });
    expect(of(found, "ipam_allocations_per_node")).toEqual({ '{node="node-1"}': 3 });
    expect(of(found, "ipam_allocations_borrowed_per_node")).toEqual({});
    expect(of(found, "ipam_allocations_gc_candidates")).toMatchObject({ '{ippool="four",node="node-1"}': 0 });
  });

  test("names of no object make no label of their own", () => {
    const blocks = [
      blockOf("10.0.0.0/30", [heldBy("a", "invented-1"), heldBy("b", "invented-2"), { handle_id: "x" }]),
      blockOf("10.0.0.4/30", [heldBy("c", "gone")], "host:gone"),
    ];
    const candidates = [candidate("10.0.0.0/30", "invented-1"), candidate("10.0.0.4/30", "gone")];
    const found = figures({ blocks, candidates });
    expect(of(found, "ipam_allocations_per_node")).toEqual({ '{node="unknown_node"}': 3, '{node="gone"}': 1 });
    expect(of(found, "ipam_allocations_borrowed_per_node")).toEqual({ '{node="unknown_node"}': 2 });
    expect(of(found, "ipam_allocations_gc_candidates")).toMatchObject({
      '{ippool="four",node="unknown_node"}': 1,
      '{ippool="four",node="gone"}': 1,
      '{ippool="four",node="node-1"}': 0,
    });
  });

  test("a block of the other family is not in a pool, though its numbers are", () => {
    const found = figures({ blocks: [blockOf("::a00:0/126", [])] });
    expect(of(found, "ipam_blocks")).toEqual({ '{ippool="no_ippool",node="node-1"}': 1 });
  });

  test("a pool's size, and what is reserved of it, once where reservations overlap", () => {
    const found = figures({ reserved: ["10.0.0.0/29", "10.0.0.4/30", "10.0.1.0/24", "192.0.2.0/24"] });
    expect(of(found, "ipam_ippool_size")).toEqual({ '{ippool="four"}': 65_536, '{ippool="six"}': 2 ** 64 });
    expect(of(found, "ipam_ippool_reserved")).toEqual({ '{ippool="four"}': 264, '{ippool="six"}': 0 });
  });

  test("what waits for an approval is told once it is known", () => {
    expect(figures({ held: 1200 })).toMatchObject({ margay_controllers_leader: 1, margay_ipam_held_release: 1200 });
    expect(figures({ held: 0 })).toMatchObject({ margay_ipam_held_release: 0 });
    expect(figures({})).not.toHaveProperty("margay_ipam_held_release");
  });

  test("is printed as Prometheus reads it", async () => {
    const blocks = [blockOf("10.0.0.0/30", [heldBy("a")])];
    const reclaimed = [{ labels: { ippool: "four", node: "node-1" }, value: 3 }];
    const metrics = controllersMetrics(factsOf({ blocks, reclaimed }));
    const { text, contentType } = await printMetrics(metrics);
    expect(contentType).toContain("text/plain; version=0.0.4");
    const lines = text.split("\n");
    expect(lines).toContain("# TYPE ipam_allocations_gc_reclamations counter");
    expect(lines).toContain('ipam_allocations_gc_reclamations{ippool="four",node="node-1"} 3');
    expect(lines).toContain("# TYPE ipam_allocations_in_use gauge");
    expect(lines).toContain('ipam_allocations_in_use{ippool="four",node="node-1"} 1');
    expect(lines).toContain("margay_controllers_leader 1");
    // A second time in the same process: nothing is left in a registry that all share.
    expect((await printMetrics(metrics)).text).toBe(text);
  });
});

describe("Reclamations", () => {
  const samples = (reclamations: Reclamations) =>
    Object.fromEntries(
      reclamations.samples().map(({ labels, value }) => [`${labels["ippool"]} ${labels["node"]}`, value]),
    );

  test("counts by pool and node; a deleted node's count for the unknown one", () => {
    const reclamations = new Reclamations(viewOf({}));
    reclamations.add([candidate("10.0.0.0/30", "node-1"), candidate("10.0.0.0/30", "node-1")]);
    reclamations.add([candidate("10.9.0.0/30", "node-2"), candidate("fd00::/126", "gone")]);
    reclamations.add([candidate("10.0.0.4/30", "node-1")]);
    expect(samples(reclamations)).toEqual({ "four node-1": 3, "no_ippool node-2": 1, "six unknown_node": 1 });
  });

  test("forgets a node and a pool that went", () => {
    const view = viewOf({});
    const reclamations = new Reclamations(view);
    const freed = ["10.0.0.0/30", "fd00::/126"].flatMap((block) => [
      candidate(block, "node-1"),
      candidate(block, "node-2"),
    ]);
    reclamations.add(freed);
    (view.node as Map<NodeName, Node>).delete(nodeName("node-2"));
    (view.ipPool as Map<string, IpPool>).delete("six");
    expect(samples(reclamations)).toEqual({ "four node-1": 1 });
  });
});

// --- internal ---

interface World extends Partial<Omit<MetricsFacts, "view">> {
  readonly blocks?: Parameters<typeof snapshotOf>[0]["blocks"] & {};
  readonly reserved?: readonly string[];
}

function viewOf({ blocks = [], reserved = [] }: World): Snapshot {
  const pools = Object.entries({ four: "10.0.0.0/16", six: "fd00::/64" }).map(([name, cidr]) =>
    parseIpPool({ metadata: { name }, spec: { cidr } }),
  );
  const reservation = parseIpReservation({ metadata: { name: "r" }, spec: { reservedCIDRs: reserved } });
  return {
    ...snapshotOf({ blocks, nodes: ["node-1", "node-2"] }),
    ipPool: new Map(pools.map((pool) => [pool.metadata.name, pool])),
    ipReservation: new Map([["r", reservation]]),
  };
}

function factsOf(world: World): MetricsFacts {
  const { leads = true, candidates = [], held, reclaimed = [] } = world;
  return { view: viewOf(world), leads, candidates, held, reclaimed, rejected: new Map(world.rejected) };
}

/** Each sample as Prometheus would name it. */
function figures(world: World): Readonly<Record<string, number>> {
  return Object.fromEntries(
    controllersMetrics(factsOf(world)).flatMap(({ name, labels: names, samples }) =>
      samples.map(({ labels, value }) => {
        expect(Object.keys(labels).toSorted()).toEqual([...names].toSorted());
        const text = names.map((label) => `${label}="${labels[label]}"`).join(",");
        return [text === "" ? name : `${name}{${text}}`, value];
      }),
    ),
  );
}

/** The samples of one metric, without its name. */
function of(found: Readonly<Record<string, number>>, name: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(found).flatMap(([key, value]) =>
      key.startsWith(`${name}{`) ? [[key.slice(name.length), value]] : [],
    ),
  );
}
