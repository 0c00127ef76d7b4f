import { describe, expect, test } from "vitest";
import { approvalAnnotation } from "../../../src/api/held-release.ts";
import { systemNamespace } from "../../../src/api/names.ts";
import { agentLeaseName } from "../../../src/api/node-query.ts";
import { KubeUnreachableError } from "../../../src/kube/client.ts";
import { aLease, aPod, blockOf, heldBy, nodeName, snapshotOf } from "./ipam-gc-objects.ts";
import { block, graceMs, type Held, World } from "./ipam-gc-world.ts";

const one = { blocks: [block("a")], nodes: ["node-1"] };

describe("a pass", () => {
  test("frees an address that has looked leaked for the grace period, with its guards", async () => {
    const world = new World(snapshotOf(one));
    await world.pass();
    await world.passAfter(graceMs - 1);
    expect(world.released).toEqual([]);
    await world.passAfter(1);
    expect(world.released).toEqual([
      { ip: "10.0.0.0", handle: "k8s-pod-network.a", sequenceNumber: 5n, why: "pod gone" },
    ]);
  });

  test("tells of what looks leaked, until it is freed", async () => {
    const world = new World(snapshotOf(one));
    expect(world.controller.figures).toEqual({ candidates: [], held: undefined });
    await world.pass();
    expect(world.controller.figures).toMatchObject({ candidates: [{ ip: "10.0.0.0" }], held: 0 });
    await world.passAfter(graceMs);
    expect(world.controller.figures).toEqual({ candidates: [], held: 0 });
    expect(world.freed).toEqual(["10.0.0.0"]);
  });

  test("what was not freed after all still looks leaked", async () => {
    const world = new World(snapshotOf(one));
    world.outcome = "changed";
    await world.pass();
    await world.passAfter(graceMs);
    expect(world.controller.figures.candidates).toHaveLength(1);
    expect(world.freed).toEqual([]);
  });

  test.each<[string, (world: World) => void]>([
    ["an old cache: the pod lives", (world) => world.put("pod", podJson())],
    ["a pod that cannot be read", (world) => world.put("pod", { metadata: { name: "a" } })],
    ["no answer about the pod", (world) => world.put("pod", new KubeUnreachableError("read", "server", "cut"))],
    ["no answer about the node", (world) => world.put("node", new KubeUnreachableError("read", "server", "cut"))],
    ["no answer from the agent", (world) => world.uses.delete("node-1")],
    ["in use", (world) => world.uses.set("node-1", ["10.0.0.0"])],
    ["in use elsewhere", (world) => world.uses.set("node-2", ["10.0.0.0"])],
    ["no configuration", (world) => world.settings.set(undefined)],
  ])("frees nothing: %s", async (_, change) => {
    const world = new World(snapshotOf({ ...one, leases: [aLease("node-2", "2020-01-01T00:00:00.000000Z")] }));
    change(world);
    await world.pass();
    await world.passAfter(graceMs);
    await world.passAfter(graceMs);
    expect(world.released).toEqual([]);
  });

  test("an old cache: a Node that is there is asked", async () => {
    const world = new World(snapshotOf({ blocks: [block("a")] }));
    world.uses.delete("node-1");
    await world.pass();
    await world.passAfter(10 * graceMs);
    expect(world.released).toEqual([]);
  });

  test("a deleted Node's addresses stay while its agent's Lease is renewed, if only past the cache", async () => {
    const world = new World(snapshotOf({ blocks: [block("a")] }));
    world.remove("node");
    for (let round = 0; round < 5; round++) {
      world.put("lease", leaseJson(`2020-01-01T00:00:0${round}.000000Z`));
      await world.passAfter(graceMs);
    }
    expect(world.released).toEqual([]);
    await world.passAfter(graceMs - 1);
    expect(world.released).toEqual([]);
    await world.passAfter(1);
    expect(world.released).toHaveLength(1);
  });

  test("all Nodes deleted, all pods with them, agents alive: nothing is freed", async () => {
    const pods = Array.from({ length: 40 }, (_, index) => `pod-${index}`);
    const world = new World(
      snapshotOf({ blocks: [block(...pods)], leases: [aLease("node-1", "2020-01-01T00:00:00.000000Z")] }),
    );
    world.remove("node");
    for (let round = 0; round < 5; round++) {
      world.put("lease", leaseJson(`2020-01-01T00:00:0${round + 1}.000000Z`));
      await world.passAfter(graceMs);
    }
    expect([world.released, world.patches]).toEqual([[], []]);
  });

  test("after a restart each grace period begins anew", async () => {
    const world = new World(snapshotOf(one));
    await world.pass();
    world.restart();
    await world.passAfter(graceMs);
    expect(world.released).toEqual([]);
  });

  test("writes nothing once it leads no more", async () => {
    const world = new World(snapshotOf(one));
    await world.pass();
    const lost = new AbortController();
    world.onAsk = () => lost.abort(new Error("leads no more"));
    world.clock.pass(graceMs);
    await expect(world.controller.pass(lost.signal)).rejects.toThrow("leads no more");
    expect([world.released, world.patches]).toEqual([[], []]);
  });

  test("stops between two writes when it leads no more", async () => {
    const pods = Array.from({ length: 200 }, (_, index) => `pod-${index}`);
    const blocks = ["10.0.0.0/24", "10.0.1.0/24"].map((cidr) =>
      blockOf(
        cidr,
        pods.map((pod) => heldBy(`${pod}-${cidr}`)),
      ),
    );
    const world = new World(snapshotOf({ blocks, nodes: ["node-1"] }));
    await world.pass();
    await world.passAfter(graceMs);
    world.configuration.metadata.annotations[approvalAnnotation] =
      (world.configuration.status as Held).heldRelease?.id ?? "";
    const lost = new AbortController();
    world.onRelease = () => lost.abort(new Error("leads no more"));
    await expect(world.controller.pass(lost.signal)).rejects.toThrow("leads no more");
    expect(world.released).toHaveLength(200);
  });

  test("hands every write the signal that ends with the leadership", async () => {
    const orphan = blockOf("10.0.2.0/26", [], "");
    const ofGone = blockOf("10.0.3.0/26", [], "host:node-9");
    const cooling = blockOf("10.0.4.0/26", [{ ...heldBy("c"), releasedAt: "2026-11-21T10:00:00Z" }]);
    const world = new World(snapshotOf({ blocks: [block("a"), orphan, ofGone, cooling], nodes: ["node-1"] }));
    const { signal } = new AbortController();
    await world.controller.pass(signal);
    world.clock.pass(graceMs);
    await world.controller.pass(signal);
    expect(new Set(world.signals.keys())).toEqual(
      new Set(["releaseAddresses", "releaseBlock", "deleteOrphan", "repairHandles", "endCooldowns"]),
    );
    expect([...world.signals.values()].every((given) => given === signal)).toBe(true);
  });

  test("what is held for a network goes with its node, and then the node's block does", async () => {
    const gateway = { handle_id: "bridged:node-1:10.0.0.0", secondary: { node: "node-1" } };
    const world = new World(snapshotOf({ blocks: [blockOf("10.0.0.0/26", [gateway])] }));
    await world.pass();
    await world.passAfter(graceMs);
    expect([world.released, world.blocksReleased]).toEqual([[], []]);
    world.remove("node");
    await world.passAfter(graceMs);
    expect(world.released).toMatchObject([{ ip: "10.0.0.0", why: "network's address of a node gone" }]);
  });

  test("grace switched off frees nothing, however long it was on", async () => {
    const world = new World(snapshotOf(one));
    await world.pass();
    world.settings.set(undefined);
    await world.passAfter(graceMs);
    expect(world.released).toEqual([]);
  });

  test("tells once of an address that looks leaked and is in use", async () => {
    const world = new World(snapshotOf(one));
    world.uses.set("node-1", ["10.0.0.0"]);
    await world.pass();
    for (let round = 0; round < 3; round++) await world.passAfter(graceMs);
    expect(world.events).toEqual(["IPAMAddressStillInUse"]);
    // Whatever comes between.
    world.uses.delete("node-1");
    await world.passAfter(graceMs);
    world.uses.set("node-1", ["10.0.0.0"]);
    await world.passAfter(graceMs);
    expect(world.events).toEqual(["IPAMAddressStillInUse"]);
  });
});

describe("a pod's second interface", () => {
  const pods = [aPod("a", { ips: ["10.0.0.9"] })];
  const world = () => {
    const made = new World(snapshotOf({ ...one, pods }));
    made.put("pod", podJson("10.0.0.9"));
    return made;
  };

  test("keeps its address while its node uses it, with no word to people", async () => {
    const made = world();
    made.uses.set("node-1", ["10.0.0.0"]);
    await made.ripen();
    await made.passAfter(graceMs);
    expect([made.released, made.events, made.controller.figures.candidates]).toEqual([[], [], []]);
  });

  test("loses it when its node does not", async () => {
    const made = world();
    await made.ripen();
    expect(made.released).toMatchObject([{ ip: "10.0.0.0" }]);
  });

  test("counts as leaked while nobody says that it is used", async () => {
    const made = world();
    made.uses.set("node-1", ["10.0.0.0"]);
    await made.ripen();
    made.uses.delete("node-1");
    await made.passAfter(graceMs);
    expect([made.released, made.controller.figures.candidates.length]).toEqual([[], 1]);
  });
});

describe("what fails", () => {
  const leftover = blockOf("10.0.3.0/26", [], "");
  const world = () => new World(snapshotOf({ ...one, blocks: [...one.blocks, leftover] }));

  test("in taking addresses back does not keep from tidying up", async () => {
    const made = world();
    await made.pass();
    made.put("configuration", new KubeUnreachableError("read", "server", "cut"));
    await expect(made.passAfter(graceMs)).rejects.toThrow("no answer from the API server");
    expect(made.signals.has("deleteOrphan")).toBe(true);
  });

  test("in both is told of both", async () => {
    const made = world();
    await made.pass();
    made.put("configuration", new KubeUnreachableError("read", "server", "cut"));
    made.onTidy = () => {
      throw new Error("the block is stuck");
    };
    const failure = made.passAfter(graceMs);
    await expect(failure).rejects.toThrow("no answer from the API server");
    await expect(failure).rejects.toThrow("the block is stuck");
  });

  test("in a release is told of with what was freed before", async () => {
    const made = new World(snapshotOf({ blocks: [block("a", "b", "c")], nodes: ["node-1"] }));
    made.answered = 2;
    await made.pass();
    await expect(made.passAfter(graceMs)).rejects.toThrow("the next block's write failed");
    expect(made.freed).toEqual(["10.0.0.0", "10.0.0.1"]);
    expect(made.logged.filter((line) => line === "took a leaked address back")).toHaveLength(2);
    expect(made.controller.figures.candidates).toMatchObject([{ ip: "10.0.0.2" }]);
  });
});

describe("the interlock", () => {
  const pods = Array.from({ length: 30 }, (_, index) => `pod-${index}`);
  const many = { blocks: [block(...pods)], nodes: ["node-1"] };

  test("holds many back, tells of it, and frees them by approval, also of a leader that came later", async () => {
    const world = new World(snapshotOf(many));
    await world.pass();
    await world.passAfter(graceMs);
    await world.passAfter(graceMs);
    expect(world.released).toEqual([]);
    expect(world.events).toEqual(["IPAMGarbageCollectionHeld"]);
    const { heldRelease, conditions } = world.configuration.status as Held;
    expect(world.controller.figures).toMatchObject({ candidates: { length: 30 }, held: 30 });
    expect(heldRelease).toMatchObject({ count: 30, addresses: { length: 30 } });
    expect(conditions).toMatchObject([{ type: "IPAMGarbageCollectionHeld", status: "True" }]);

    world.restart();
    world.configuration.metadata.annotations[approvalAnnotation] = heldRelease?.id ?? "";
    await world.pass();
    expect([world.released, (world.configuration.status as Held).heldRelease?.id]).toEqual([[], heldRelease?.id]);
    expect(world.controller.figures.held).toBe(30);
    await world.passAfter(graceMs);
    expect(world.released).toHaveLength(30);
    expect(world.events).toEqual(["IPAMGarbageCollectionHeld", "IPAMGarbageCollectionApproved"]);
    expect(world.controller.figures).toMatchObject({ candidates: [], held: 0 });
    expect(world.configuration).toMatchObject({ status: {}, metadata: { annotations: {} } });
    expect((world.configuration.status as Held).heldRelease).toBeUndefined();
    expect(world.configuration.metadata.annotations).toEqual({});
  });

  test("tells how many are held though a list that was cut short is all that is left of them", async () => {
    const world = new World(snapshotOf(many));
    await world.pass();
    await world.passAfter(graceMs);
    const { heldRelease } = world.configuration.status as Held;
    const addresses = heldRelease?.addresses?.slice(0, 20);
    world.configuration.status = { heldRelease: { ...heldRelease, addresses } };
    world.restart();
    await world.pass();
    expect(world.controller.figures.held).toBe(30);
  });

  test("frees nothing when it cannot say what it holds", async () => {
    const world = new World(snapshotOf(many));
    world.remove("configuration");
    await world.pass();
    await expect(world.passAfter(graceMs)).rejects.toThrow("there is no KubeControllersConfiguration default");
    expect(world.released).toEqual([]);
  });

  test("leaves an approval that came during the pass", async () => {
    const world = new World(snapshotOf(many));
    const { annotations } = world.configuration.metadata;
    await world.ripen();
    annotations[approvalAnnotation] = (world.configuration.status as Held).heldRelease?.id ?? "";
    world.onRelease = () => {
      annotations[approvalAnnotation] = "0123456789abcdef";
    };
    await world.pass();
    expect(world.released).toHaveLength(30);
    expect(world.configuration.metadata.annotations).toEqual({ [approvalAnnotation]: "0123456789abcdef" });
  });

  test("takes an approval of something else away, and frees nothing", async () => {
    const world = new World(snapshotOf(many));
    world.configuration.metadata.annotations[approvalAnnotation] = "0123456789abcdef";
    await world.pass();
    await world.passAfter(graceMs);
    expect(world.released).toEqual([]);
    expect(world.configuration.metadata.annotations).toEqual({});
    expect(world.events).toEqual(["IPAMApprovalOutdated", "IPAMGarbageCollectionHeld"]);
  });
});

// --- internal ---

function podJson(podIP = "10.0.0.0"): unknown {
  const { namespace, name, uid } = aPod("a");
  return { metadata: { namespace, name, uid }, spec: { nodeName: "node-1" }, status: { podIP } };
}

function leaseJson(renewTime: string): unknown {
  const name = agentLeaseName(nodeName("node-1"));
  return { metadata: { namespace: systemNamespace, name }, spec: { holderIdentity: "node-1", renewTime } };
}
