import { describe, expect, test } from "vitest";
import { approvalAnnotation } from "../../../src/api/held-release.ts";
import { podKind, resourcePath } from "../../../src/api/kinds.ts";
import { KubeUnreachableError } from "../../../src/kube/client.ts";
import { aLease, aPod, blockOf, heldBy, snapshotOf } from "./ipam-gc-objects.ts";
import { graceMs, type Held, World } from "./ipam-gc-world.ts";

const leases = ["node-1", "node-2", "node-3"].map((node) => aLease(node, "2020-01-01T00:00:00.000000Z"));

describe("agents", () => {
  test("each is asked about what was given out on its node, and all others about what would be freed", async () => {
    const own = blockOf("10.0.0.0/26", [heldBy("a"), heldBy("b"), heldBy("c", "node-2")]);
    const world = new World(snapshotOf({ blocks: [own], nodes: ["node-1", "node-2"], leases }));
    world.uses.set("node-1", ["10.0.0.1"]);
    await world.ripen();
    expect(world.released).toMatchObject([{ ip: "10.0.0.0" }]);
    expect(world.asked).toEqual([
      ["node-1", ["10.0.0.0", "10.0.0.1"]],
      // The API server knows no such Node, but an agent was there.
      ["node-2", ["10.0.0.2"]],
      ["node-2", ["10.0.0.0"]],
      ["node-3", ["10.0.0.0"]],
    ]);
  });

  test("others are asked before many are held, and while they are held no more, until they are approved", async () => {
    const world = new World(leaked(30, leases));
    world.uses.set("node-2", ["10.0.0.0"]).set("node-3", []);
    await world.ripen();
    expect(held(world)).toMatchObject({ count: 29 });
    expect(others(world)).toEqual(["node-2", "node-3"]);

    world.uses.set("node-2", []);
    world.asked.length = 0;
    await world.passAfter(graceMs);
    // What was in use elsewhere comes to what is held: it is another question.
    expect([held(world)?.count, others(world)]).toEqual([30, ["node-2", "node-3"]]);

    world.asked.length = 0;
    for (let round = 0; round < 3; round++) await world.passAfter(graceMs);
    expect([world.asked.length, others(world)]).toEqual([3, []]);

    world.uses.set("node-3", ["10.0.0.7"]);
    world.configuration.metadata.annotations[approvalAnnotation] = held(world)?.id ?? "";
    await world.pass();
    expect(others(world)).toEqual(["node-2", "node-3"]);
    expect(world.released).toHaveLength(29);
    expect(world.released.map(({ ip }) => ip)).not.toContain("10.0.0.7");
  });

  test("many addresses are one question", async () => {
    const world = new World(leaked(12_000, leases.slice(0, 1)));
    await world.ripen();
    expect(world.asked.map(([node, ips]) => [node, ips.length])).toEqual([["node-1", 12_000]]);
  });
});

describe("pods", () => {
  const many = 600;

  test("a few are read one by one", async () => {
    const world = new World(leaked(500));
    await world.ripen();
    expect(podsRead(world)).toHaveLength(500);
    expect(podsRead(world)).not.toContain(podList);
  });

  test("many are read by one list, and who is in it keeps its address", async () => {
    const world = new World(leaked(many));
    world.put("pods", { items: [podJson("pod-3", "10.0.0.3"), podJson("other", "10.0.0.4")] });
    await world.ripen();
    expect(podsRead(world)).toEqual([podList]);
    expect(held(world)).toMatchObject({ count: many - 1 });
    expect(JSON.stringify(held(world))).not.toContain('"10.0.0.3"');
  });

  test("one of the list that cannot be read keeps its address", async () => {
    const world = new World(leaked(many));
    world.put("pods", { items: [{ metadata: { namespace: "shop", name: "pod-3" } }] });
    await world.ripen();
    expect(held(world)).toMatchObject({ count: many - 1 });
  });

  test.each<[string, unknown]>([
    ["no list", new KubeUnreachableError("list", "server", "cut")],
    ["half a list", { items: [], metadata: { continue: "more" } }],
    ["a list of something else", { items: [{}] }],
  ])("%s: all addresses are kept", async (_, answer) => {
    const world = new World(leaked(many));
    let asked = 0;
    world.put("pods", () => {
      if (asked++ > 0) throw new KubeUnreachableError("list", "server", "cut");
      if (answer instanceof Error) throw answer;
      return answer;
    });
    await world.ripen();
    expect(asked).toBeGreaterThan(0);
    expect([world.released, held(world), world.events]).toEqual([[], undefined, []]);
  });
});

// --- internal ---

const podList = resourcePath(podKind);

function leaked(count: number, given: typeof leases = []) {
  const attributes = Array.from({ length: count }, (_, index) => heldBy(`pod-${index}`));
  return snapshotOf({ blocks: [blockOf("10.0.0.0/18", attributes)], nodes: ["node-1"], leases: given });
}

function others({ asked }: World): readonly string[] {
  return asked.flatMap(([node]) => (node === "node-1" ? [] : node));
}

function podsRead({ read }: World): readonly string[] {
  return read.filter((path) => path.endsWith("/pods") || path.includes("/pods/"));
}

function held({ configuration }: World): Held["heldRelease"] {
  return (configuration.status as Held).heldRelease;
}

function podJson(pod: string, podIP: string): unknown {
  const { namespace, name, uid } = aPod(pod);
  return { metadata: { namespace, name, uid }, spec: { nodeName: "node-1" }, status: { podIP } };
}
