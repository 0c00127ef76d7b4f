import { expect, test } from "vitest";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import { IpPoolController } from "../../../src/controllers/ip-pool/ip-pool-controller.ts";
import type { BlockRelease, Reclaimer } from "../../../src/ipam/reclaimer.ts";
import { KubeError } from "../../../src/kube/client.ts";
import { noAgents } from "../../fakes/no-agents.ts";
import { type Responder, stubClient } from "../../fakes/stub-client.ts";
import { type TestClock, testClock } from "../../fakes/test-clock.ts";
import { blockOf, heldBy } from "./ipam-gc-objects.ts";

const finalizer = "projectcalico.org/ippool-finalizer";
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const group = "/apis/projectcalico.org/v3";
const alive = new AbortController().signal;

test("a new pool gets the finalizer beside those that it has, and then its condition", async () => {
  const world = new World({ finalizers: ["other/one"] });
  await world.controller.pass(alive);
  expect(world.writes).toEqual([
    ["", { metadata: { uid: "u", resourceVersion: "1", finalizers: ["other/one", finalizer] } }],
    ["/status", { status: { conditions: [expect.objectContaining({ type: "Allocatable", status: "True" })] } }],
  ]);
  expect(world.events).toEqual([]);
});

test("what stands already is not written again", async () => {
  const world = new World({ finalizers: [finalizer] });
  await world.controller.pass(alive);
  expect(world.writes).toHaveLength(1);
  await world.controller.pass(alive);
  expect(world.writes).toHaveLength(1);
  expect(world.controller.dueInMs()).toBeGreaterThan(60_000);
});

test("another writer's change is no error: the next pass comes soon", async () => {
  const world = new World({ finalizers: [] });
  world.refuse = new KubeError("change", 409, "Conflict", "changed meanwhile");
  await world.controller.pass(alive);
  expect(world.controller.dueInMs()).toBeLessThan(1000);
  world.refuse = new KubeError("change", 403, "Forbidden", "not allowed");
  await expect(world.controller.pass(alive)).rejects.toThrow("not allowed");
});

test("a deleted pool goes when the API server has seen it empty for a while", async () => {
  const world = new World({ deletionTimestamp: "2026-11-21T10:00:00Z", finalizers: [finalizer, "other/one"] });
  await world.controller.pass(alive);
  expect(world.finalizers).toBeUndefined();
  expect(world.controller.dueInMs()).toBeLessThan(5000);
  world.clock.pass(1000);
  await world.controller.pass(alive);
  expect(world.finalizers).toBeUndefined();
  world.clock.pass(1000);
  await world.controller.pass(alive);
  expect(world.finalizers).toEqual(["other/one"]);
  expect(world.events).toEqual(["Normal Terminating", "Normal Drained"]);
});

test.each([
  ["a block that the watch cache has not seen", "ipamblocks", { spec: { cidr: "10.0.0.0/26" } }],
  ["a claim", "blockaffinities", { spec: { cidr: "10.0.0.0/26" } }],
  ["a block that cannot be read", "ipamblocks", { spec: { cidr: "nonsense" } }],
])("%s holds a deleted pool, and the wait begins anew", async (_, plural, record) => {
  const world = new World({ deletionTimestamp: "2026-11-21T10:00:00Z", finalizers: [finalizer] });
  await world.controller.pass(alive);
  world.records.set(plural, [record]);
  world.clock.pass(60_000);
  await world.controller.pass(alive);
  world.records.clear();
  await world.controller.pass(alive);
  expect(world.finalizers).toBeUndefined();
  world.clock.pass(2000);
  await world.controller.pass(alive);
  expect(world.finalizers).toEqual([]);
});

test("an address in use holds a deleted pool; only what is empty is given up", async () => {
  const world = new World({ deletionTimestamp: "2026-11-21T10:00:00Z", finalizers: [finalizer] });
  world.snapshot.ipamBlock.set("used", blockOf("10.0.0.0/30", [heldBy("web")]));
  world.snapshot.ipamBlock.set("empty", blockOf("10.0.0.4/30", []));
  world.snapshot.ipamBlock.set("orphan", blockOf("10.0.0.8/30", [], ""));
  for (let pass = 0; pass < 3; pass++) {
    await world.controller.pass(alive);
    world.clock.pass(60_000);
  }
  expect(world.finalizers).toBeUndefined();
  expect(new Set(world.reclaimed)).toEqual(new Set(["10.0.0.4/30 of node-1", "10.0.0.8/30"]));
  expect(world.condition).toMatchObject({ reason: "Terminating", message: expect.stringContaining("pod shop/web") });
});

test("a deleted pool that others hold is left alone", async () => {
  const world = new World({ deletionTimestamp: "2026-11-21T10:00:00Z", finalizers: ["other/one"] });
  await world.controller.pass(alive);
  expect(world.writes).toEqual([]);
});

test("who leads no more writes nothing", async () => {
  const world = new World({ finalizers: [] });
  const ending = new AbortController();
  world.onList = () => ending.abort(new Error("leads no more"));
  await expect(world.controller.pass(ending.signal)).rejects.toThrow("leads no more");
  expect(world.writes).toEqual([]);
});

// --- internal ---

/** One pool on an API server that remembers what is written. */
class World {
  readonly snapshot = { ...emptySnapshot(), ipamBlock: new Map() };
  readonly clock: TestClock = testClock();
  readonly records = new Map<string, readonly unknown[]>();
  readonly writes: [path: string, body: unknown][] = [];
  readonly events: string[] = [];
  readonly reclaimed: string[] = [];
  readonly controller: IpPoolController;
  refuse: KubeError | undefined;
  onList: () => void = () => {};
  condition: unknown;
  finalizers: unknown;
  readonly #metadata: object;

  constructor(metadata: object) {
    this.#metadata = { name: "main", uid: "u", resourceVersion: "1", generation: 1, ...metadata };
    this.controller = new IpPoolController({
      ...{ client: stubClient(this.#respond), snapshot: this.snapshot, clock: this.clock, logger: silent },
      agents: noAgents,
      events: { record: (_, type, reason) => this.events.push(`${type} ${reason}`) },
      reclaimer: this.#reclaimer(),
    });
  }

  readonly #respond: Responder = (request, body) => {
    const [method = "", path = ""] = request.split(" ");
    const plural = path.slice(`${group}/`.length);
    if (method === "GET" && plural === "ippools") {
      this.onList();
      const status = this.condition === undefined ? {} : { status: { conditions: [this.condition] } };
      return { items: [{ metadata: this.#metadata, spec: { cidr: "10.0.0.0/16" }, ...status }] };
    }
    if (method === "GET") return { items: this.records.get(plural) ?? [] };
    if (this.refuse !== undefined) throw this.refuse;
    const { metadata, status } = body as { metadata: { finalizers?: unknown }; status?: { conditions: unknown[] } };
    this.writes.push([plural.slice("ippools/main".length), status === undefined ? { metadata } : { status }]);
    if (status === undefined) this.finalizers = metadata.finalizers;
    else this.condition = status.conditions[0];
    return {};
  };

  #reclaimer(): Reclaimer {
    const never = () => Promise.reject(new Error("not for this controller"));
    return {
      releaseAddresses: never,
      repairHandles: never,
      endCooldowns: async () => {},
      releaseBlock: async ({ cidr, node, evenIfUsed }: BlockRelease) => {
        this.reclaimed.push(`${cidr} of ${node}${evenIfUsed ? " even if used" : ""}`);
        return "deleted";
      },
      deleteOrphan: async (cidr) => {
        this.reclaimed.push(cidr);
        return "deleted";
      },
    };
  }
}
