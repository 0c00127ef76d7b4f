import { setImmediate as turnOfEvents } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import type { IpamHandle } from "../../../src/api/ipam-handle.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { Allocator } from "../../../src/ipam/allocator.ts";
import type { LateWork } from "../../../src/ipam/record-keeper.ts";
import { FakeIpamStore, type Fault } from "../../fakes/ipam-store.ts";
import { AllocatorBench } from "./allocator-bench.ts";
import { configuration, instantClock, node, pool, request } from "./samples.ts";

/** Late work that is done when a test says so. */
class WorkToDo implements LateWork {
  readonly waiting = new Map<string, () => Promise<void>>();
  #under = new Map<string, Promise<void>>();

  put(key: string, work: () => Promise<void>): void {
    this.waiting.set(key, work);
  }

  drop(key: string): Promise<void> | undefined {
    this.waiting.delete(key);
    return this.#under.get(key)?.catch(() => undefined);
  }

  /** Begins what waits for this key; resolves when it has ended. */
  begin(key: string): Promise<void> {
    const work = this.waiting.get(key) ?? (() => Promise.reject(new Error(`nothing waits for ${key}`)));
    this.waiting.delete(key);
    const running = work().finally(() => {
      if (this.#under.get(key) === running) this.#under.delete(key);
    });
    this.#under.set(key, running);
    return running;
  }
}

let bench: AllocatorBench;
let late: WorkToDo;

beforeEach(() => {
  bench = new AllocatorBench();
  bench.pools();
  late = new WorkToDo();
});

function allocator(of: NodeName = node, fault?: Fault): Allocator {
  return new Allocator({ store: new FakeIpamStore(bench.cluster, fault), node: of, clock: instantClock, late });
}

const records = () => [...bench.cluster.handles.values()].map(({ value }) => [value.spec.handleID, value.spec.block]);

describe("records that may come late", () => {
  test("an address is answered when its block is written; its record comes when it suits", async () => {
    const [given] = await allocator().assign(request("a"));
    expect(bench.held()).toEqual(["a"]);
    expect(records()).toEqual([]);
    await late.begin("a");
    expect(records()).toEqual([["a", { [given?.block ?? ""]: 1 }]]);
  });

  test("who gives it back before never has a record", async () => {
    const writes: string[] = [];
    const ipam = allocator(node, async (call) => {
      if (/handles (put|remove)/.test(call)) writes.push(call);
      return {};
    });
    const [given] = await ipam.assign(request("a"));
    expect(await ipam.release("a", "DEL")).toEqual([given?.ip]);
    expect([bench.held(), records(), [...late.waiting], writes]).toEqual([[], [], [], []]);
  });

  test("who gives it back while the record is written leaves none", async () => {
    const answer = Promise.withResolvers<void>();
    const ipam = allocator(node, async (call) => (/handles put/.test(call) ? { effectAfter: answer.promise } : {}));
    await ipam.assign(request("a"));
    const writing = late.begin("a");
    const released = ipam.release("a", "DEL");
    await turnOfEvents();
    answer.resolve();
    await Promise.all([writing, released]);
    expect([bench.held(), records()]).toEqual([[], []]);
  });

  test("who gives it back while it is still being given leaves no record", async () => {
    const stored = Promise.withResolvers<void>();
    await allocator().assign(request("before"));
    const ipam = allocator(node, async (call) => (/blocks put/.test(call) ? { effectAfter: stored.promise } : {}));
    const giving = ipam.assign(request("a"));
    await turnOfEvents();
    const released = ipam.release("a", "DEL");
    await turnOfEvents();
    stored.resolve();
    expect([(await giving).length, (await released).length]).toEqual([1, 1]);
    expect([bench.held(), [...late.waiting.keys()]]).toEqual([["before"], ["before"]]);
  });

  test("asking again gives the same, and its record comes once", async () => {
    const ipam = allocator();
    const first = await ipam.assign(request("a"));
    expect(await ipam.assign(request("a"))).toEqual(first);
    await late.begin("a");
    expect(records()).toEqual([["a", { [first[0]?.block ?? ""]: 1 }]]);
    expect(await ipam.assign(request("a"))).toEqual(first);
    expect([...late.waiting]).toEqual([]);
  });

  test("a record that says something else is put right", async () => {
    await allocator().assign(request("a"));
    const wrong: IpamHandle = {
      metadata: { name: "a", labels: {}, annotations: {} },
      spec: { handleID: "a", block: { "10.0.0.8/29": 3 }, deleted: false },
    };
    bench.cluster.handles.set("a", { value: wrong, revision: bench.cluster.nextRevision() });
    await late.begin("a");
    expect(records()).toEqual([["a", { "10.0.0.0/29": 1 }]]);
  });

  test("an agent that starts anew finds what has no record", async () => {
    const [given] = await allocator().assign(request("a"));
    const next = allocator();
    expect(await next.assign(request("a"))).toEqual([given]);
    expect(await allocator().release("a", "DEL")).toEqual([given?.ip]);
    expect(bench.held()).toEqual([]);
  });
});

describe("in another node's block", () => {
  const other = "node-2" as NodeName;
  const attributes = { pod: "b", namespace: "default", node: other };

  beforeEach(async () => {
    bench.pools(pool("small", { cidr: "10.0.0.0/29", blockSize: 29 }));
    bench.cluster.configuration = configuration({ strictAffinity: false });
    await allocator().assign(request("a"));
  });

  test("an address is answered with its record", async () => {
    await allocator(other).assign(request("b", { attributes }));
    expect(records()).toEqual([["b", { "10.0.0.0/29": 1 }]]);
    expect([...late.waiting.keys()]).toEqual(["a"]);
  });

  test("it is found by an agent that starts anew, also when its record is lost", async () => {
    const [given] = await allocator(other).assign(request("b", { attributes }));
    bench.cluster.handles.clear();
    bench.pools(pool("large", { cidr: "10.0.0.0/28", blockSize: 29 }));
    const next = allocator(other);
    await next.assign(request("c", { attributes: { ...attributes, pod: "c" } }));
    expect(await next.assign(request("b", { attributes }))).toEqual([given]);
    bench.cluster.handles.clear();
    expect(await allocator(other).release("b", "DEL")).toEqual([given?.ip]);
  });
});

test("who waits is told the addresses before the store has answered, and again after a lost race", async () => {
  const chosen: string[] = [];
  let rivals = 0;
  const ipam = allocator(node, async (call) => {
    if (/blocks put/.test(call) && rivals++ === 0) await bench.allocator().assign(request("rival"));
    return {};
  });
  await bench.allocator().assign(request("before"));
  const onChosen = (some: readonly { readonly ip: string }[]) => void chosen.push(...some.map(({ ip }) => ip));
  const [given] = await ipam.assign(request("a", { onChosen }));
  expect(chosen).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(given?.ip).toBe("10.0.0.2");
});
