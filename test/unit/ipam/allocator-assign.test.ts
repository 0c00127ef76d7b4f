import { beforeEach, describe, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { AllocatorBench, many } from "./allocator-bench.ts";
import { node, pool, request } from "./samples.ts";

let bench: AllocatorBench;

beforeEach(() => {
  bench = new AllocatorBench();
});

describe("assign", () => {
  test("the first address claims a block in two steps; block and record then say who holds it", async () => {
    bench.pools();
    const given = await bench.allocator().assign(request("a"));
    expect(bench.writes()).toEqual(["affinities put", "blocks put", "affinities put", "blocks put", "handles put"]);
    const [block] = [...bench.cluster.blocks.values()];
    expect(given).toEqual([{ ip: block?.value.spec.cidr.replace("/29", ""), block: block?.value.spec.cidr }]);
    expect(block?.value.spec.attributes).toEqual([{ handle_id: "a", secondary: { pod: "a", namespace: "default" } }]);
    expect(bench.cluster.handles.get("a")?.value.spec.block).toEqual({ [block?.value.spec.cidr ?? ""]: 1 });
    expect([...bench.cluster.affinities.values()].map(({ value }) => value.spec.state)).toEqual(["confirmed"]);
  });

  test("from then on an address costs one round trip: the record goes out with the block", async () => {
    bench.pools();
    const both = Promise.withResolvers<void>();
    const started = new Set<string>();
    let together = false;
    const ipam = bench.allocator(node, async (call) => {
      bench.calls.push(call);
      if (!together || !call.endsWith("put")) return {};
      // Neither is answered before the other has been asked.
      if (started.add(call).size === 2) both.resolve();
      await both.promise;
      return {};
    });
    await ipam.assign(request("a"));
    bench.calls.length = 0;
    together = true;
    await ipam.assign(request("b"));
    expect(bench.calls.toSorted()).toEqual([
      "blocks put",
      "configuration",
      "handles put",
      "node",
      "pools",
      "reservations",
    ]);
  });

  test("calls that come together share one write of the block", async () => {
    bench.pools(pool("p", { cidr: "10.0.0.0/24" }));
    const ipam = bench.allocator();
    await ipam.assign(request("first"));
    bench.calls.length = 0;
    const given = await Promise.all(many(50).map((handle) => ipam.assign(request(handle))));
    expect(new Set(given.flat().map(({ ip }) => ip)).size).toBe(50);
    expect(bench.calls.filter((call) => call === "blocks put")).toHaveLength(1);
    await Promise.all(many(50).map((handle) => ipam.release(handle, "DEL")));
    expect(bench.calls.filter((call) => call === "blocks put")).toHaveLength(2);
    expect(bench.held()).toEqual(["first"]);
  });

  test("asking again gives the same, at once, later, and after a restart", async () => {
    bench.pools();
    const ipam = bench.allocator();
    const [first, second] = await Promise.all([ipam.assign(request("a")), ipam.assign(request("a"))]);
    expect(second).toEqual(first);
    expect(await bench.allocator().assign(request("a"))).toEqual(first);
    expect(bench.held()).toEqual(["a"]);
  });

  test("unless somebody else has taken it back meanwhile: memory alone is no proof", async () => {
    bench.pools();
    const first = bench.allocator();
    await first.assign(request("a"));
    await bench.allocator().release("a", "DEL");
    const [other] = await bench.allocator().assign(request("b", { addresses: ["10.0.0.0" as never], v4: 0 }));
    const [again] = await first.assign(request("a"));
    expect(other?.ip).toBe("10.0.0.0");
    expect(again?.ip).not.toBe(other?.ip);
    expect(bench.held().toSorted()).toEqual(["a", "b"]);
  });

  test("also when what it has is borrowed, and nobody remembers", async () => {
    bench.pools();
    await Promise.all(many(10).map((handle) => bench.allocator().assign(request(handle))));
    const other = "node-2" as NodeName;
    const mine = { pools: { 4: ["small"] } };
    const first = await bench.allocator(other).assign(request("mine", mine));
    const restarted = bench.allocator(other);
    expect(await restarted.assign(request("mine", mine))).toEqual(first);
    expect(bench.held().filter((handle) => handle === "mine")).toHaveLength(1);
  });

  test("a pod with both families has both or none", async () => {
    bench.pools(
      pool("four", { cidr: "10.0.0.0/29", blockSize: 29 }),
      pool("six", { cidr: "2001:db8::/128", blockSize: 128 }),
    );
    const ipam = bench.allocator();
    const both = await ipam.assign(request("a", { v6: 1 }));
    expect(both.map(({ ip }) => ip)).toEqual(["10.0.0.0", "2001:db8::"]);
    await expect(ipam.assign(request("b", { v6: 1 }))).rejects.toMatchObject({ reason: "exhausted" });
    expect(bench.held()).toEqual(["a", "a"]);
    expect([...bench.cluster.handles.keys()]).toEqual(["a"]);
  });

  test("several addresses of one family may come from several blocks", async () => {
    bench.pools();
    const given = await bench.allocator().assign(request("a", { v4: 12 }));
    expect(new Set(given.map(({ ip }) => ip)).size).toBe(12);
    expect(Object.values(bench.cluster.handles.get("a")?.value.spec.block ?? {}).toSorted()).toEqual([4, 8]);
  });

  test("no address wanted is none given, and nothing written", async () => {
    bench.pools();
    expect(await bench.allocator().assign(request("a", { v4: 0 }))).toEqual([]);
    expect(bench.calls).toEqual([]);
  });
});
