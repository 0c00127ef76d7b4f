import { describe, expect, test } from "vitest";
import { approvalAnnotation, type FreedCount } from "../../../src/api/held-release.ts";
import { KubeUnreachableError } from "../../../src/kube/client.ts";
import { blockOf, heldBy, reserveOf, snapshotOf } from "./ipam-gc-objects.ts";
import { graceMs, type Held, World } from "./ipam-gc-world.ts";

const hourMs = 3_600_000;
const cut = new KubeUnreachableError("write", "server", "cut");

describe("what was freed in the last hour", () => {
  test("counts for the next leader too, which frees no more than is left", async () => {
    const world = new World(leaked("10.0.0.0/26", 8));
    await world.ripen();
    expect(world.released).toHaveLength(8);
    expect(freedLately(world)).toMatchObject([{ count: 8 }]);

    world.restart();
    world.show(leaked("10.0.1.0/26", 8));
    await world.ripen();
    expect(world.released).toHaveLength(8);
    expect(heldRelease(world)).toMatchObject({ count: 8 });
    expect(freedLately(world)).toMatchObject([{ count: 8 }]);

    world.restart();
    world.show(leaked("10.0.2.0/26", 2));
    await world.ripen();
    expect(world.released).toHaveLength(10);
    expect(heldRelease(world)).toBeUndefined();
    expect(freedLately(world)).toMatchObject([{ count: 8 }, { count: 2 }]);
  });

  test("counts for an hour, and is forgotten at the next write", async () => {
    const world = new World(leaked("10.0.0.0/26", 8));
    await world.ripen();
    world.restart();
    world.clock.pass(hourMs - graceMs);
    world.show(leaked("10.0.1.0/26", 8));
    await world.ripen();
    expect(world.released).toHaveLength(16);
    expect(freedLately(world)).toMatchObject([{ count: 8 }]);
  });

  test("counts from now on when the other leader's clock was ahead", async () => {
    const world = new World(leaked("10.0.0.0/26", 8));
    world.configuration.status = { freedLately: [{ at: "1980-01-01T00:00:00Z", count: 8 }] };
    await world.ripen();
    expect(world.released).toEqual([]);
    world.clock.pass(hourMs);
    await world.pass();
    expect(world.released).toHaveLength(8);
  });

  test("counts though somebody has deleted the settings it stood in", async () => {
    const world = new World(leaked("10.0.0.0/26", 8));
    await world.ripen();
    world.configuration.status = {};
    world.show(leaked("10.0.1.0/26", 8));
    await world.ripen();
    expect(world.released).toHaveLength(8);
    world.show(leaked("10.0.2.0/26", 1));
    world.configuration.status = {};
    await world.ripen();
    expect(freedLately(world)).toMatchObject([{ count: 8 }, { count: 1 }]);
  });

  test("is without what was approved, and stays when something is held or let go", async () => {
    const world = new World(leaked("10.0.0.0/26", 2));
    await world.ripen();
    world.show(leaked("10.0.1.0/26", 20));
    await world.ripen();
    expect(freedLately(world)).toMatchObject([{ count: 2 }]);
    world.configuration.metadata.annotations[approvalAnnotation] = heldRelease(world)?.id ?? "";
    await world.pass();
    expect(world.released).toHaveLength(22);
    expect(heldRelease(world)).toBeUndefined();
    expect(freedLately(world)).toMatchObject([{ count: 2 }]);
  });

  test("counts what a node gone held for pods to come as one", async () => {
    const world = new World(goneWithReserve(8));
    world.remove("node");
    await world.ripen();
    expect(world.released).toHaveLength(16);
    expect(freedLately(world)).toMatchObject([{ count: 9 }]);
  });

  test("is not more for what nodes hold for pods to come", async () => {
    const world = new World(leakedBesideReserves(11, 13));
    await world.ripen();
    expect(world.released).toEqual([]);
    expect(heldRelease(world)).toMatchObject({ count: 11 });
  });

  test("is written only when something is freed", async () => {
    const world = new World(leaked("10.0.0.0/26", 8));
    world.uses.delete("node-1");
    await world.ripen();
    expect(world.patches).toEqual([]);
  });
});

describe("nothing is freed", () => {
  test("when what was freed cannot be written down, and all of it once it can", async () => {
    const world = new World(leaked("10.0.0.0/26", 8));
    world.refused = cut;
    await expect(world.ripen()).rejects.toThrow("no answer from the API server");
    await expect(world.pass()).rejects.toThrow("no answer from the API server");
    expect(world.released).toEqual([]);
    world.refused = undefined;
    await world.pass();
    expect(world.released).toHaveLength(8);
    expect(freedLately(world)).toMatchObject([{ count: 8 }]);
  });

  test("when what was freed cannot be read", async () => {
    const world = new World(leaked("10.0.0.0/26", 8));
    world.put("configuration", cut);
    await expect(world.ripen()).rejects.toThrow("no answer from the API server");
    world.put("configuration", { ...world.configuration, status: { freedLately: [{ at: "yesterday", count: 1 }] } });
    await expect(world.pass()).rejects.toThrow("freedLately");
    expect(world.released).toEqual([]);
  });

  test("when there is nowhere to write it", async () => {
    const world = new World(leaked("10.0.0.0/26", 1));
    world.remove("configuration");
    await expect(world.ripen()).rejects.toThrow("there is no KubeControllersConfiguration default");
    expect(world.released).toEqual([]);
  });
});

test("what failed, and is tried again, counts once", async () => {
  const world = new World(leaked("10.0.0.0/26", 8));
  world.answered = 0;
  await expect(world.ripen()).rejects.toThrow("the next block's write failed");
  world.answered = Number.POSITIVE_INFINITY;
  await world.pass();
  expect(world.freed).toHaveLength(8);
  expect(freedLately(world)).toMatchObject([{ count: 8 }]);
});

// --- internal ---

function leaked(cidr: string, count: number) {
  const attributes = Array.from({ length: count }, (_, index) => heldBy(`pod-${cidr}-${index}`));
  return snapshotOf({ blocks: [blockOf(cidr, attributes)], nodes: ["node-1"] });
}

/** So many pods, and eight addresses for pods to come, of a node gone. */
function goneWithReserve(count: number) {
  const attributes = Array.from({ length: count }, (_, index) => heldBy(`pod-${index}`));
  const reserve = Array.from({ length: 8 }, () => reserveOf());
  return snapshotOf({ blocks: [blockOf("10.0.0.0/26", [...attributes, ...reserve])] });
}

/** So many leaked addresses, and so many nodes that hold eight each. */
function leakedBesideReserves(count: number, nodeCount: number) {
  const nodes = Array.from({ length: nodeCount }, (_, index) => `node-${index + 1}`);
  const reserves = nodes.flatMap((node) => Array.from({ length: 8 }, () => reserveOf(node)));
  const view = leaked("10.0.0.0/26", count);
  const ofNodes = snapshotOf({ blocks: [blockOf("10.1.0.0/25", reserves)], nodes });
  return { ...ofNodes, ipamBlock: new Map([...view.ipamBlock, ...ofNodes.ipamBlock]) };
}

function freedLately({ configuration }: World): readonly FreedCount[] | undefined {
  return (configuration.status as { readonly freedLately?: readonly FreedCount[] }).freedLately;
}

function heldRelease({ configuration }: World): Held["heldRelease"] {
  return (configuration.status as Held).heldRelease;
}
