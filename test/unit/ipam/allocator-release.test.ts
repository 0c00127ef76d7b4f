import { beforeEach, describe, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { handleRecord } from "../../../src/ipam/handle-records.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { AllocatorBench, many } from "./allocator-bench.ts";
import { pool, request } from "./samples.ts";

let bench: AllocatorBench;

beforeEach(() => {
  bench = new AllocatorBench();
});

describe("release", () => {
  test("frees all that the handle holds, the record last, and answers what came free", async () => {
    bench.pools(pool("four", { cidr: "10.0.0.0/28", blockSize: 29 }), pool("six", { cidr: "2001:db8::/120" }));
    const ipam = bench.allocator();
    const given = await ipam.assign(request("a", { v4: 10, v6: 1 }));
    bench.calls.length = 0;
    const freed = await ipam.release("a", "DEL");
    expect(freed.toSorted()).toEqual(given.map(({ ip }) => ip).toSorted());
    expect(bench.calls).toEqual(["configuration", "blocks put", "blocks put", "blocks put", "handles remove"]);
    expect([bench.held(), bench.cluster.handles.size]).toEqual([[], 0]);
    expect(await ipam.release("a", "DEL")).toEqual([]);
  });

  test("works without the record, and with a record of what is not there", async () => {
    bench.pools();
    await bench.allocator().assign(request("a"));
    bench.cluster.handles.clear();
    expect(await bench.allocator().release("a", "DEL")).toHaveLength(1);
    expect(bench.held()).toEqual([]);
    const record = handleRecord("ghost", [{ ip: "10.9.0.0" as never, block: parseCidr("10.9.0.0/29") }]);
    bench.cluster.handles.set("ghost", { value: record, revision: bench.cluster.nextRevision() });
    expect(await bench.allocator().release("ghost", "DEL")).toEqual([]);
    expect(bench.cluster.handles.size).toBe(0);
  });

  test("finds what was borrowed before a restart by the record", async () => {
    bench.pools();
    await Promise.all(many(10).map((handle) => bench.allocator().assign(request(handle))));
    const other = "node-2" as NodeName;
    await bench.allocator(other).assign(request("mine"));
    expect(await bench.allocator(other).release("mine", "DEL")).toHaveLength(1);
    expect(bench.held()).not.toContain("mine");
  });

  test("answers nothing for what somebody else has freed before", async () => {
    bench.pools();
    const behind = bench.allocator();
    await behind.assign(request("a"));
    await bench.allocator().release("a", "DEL");
    await bench.allocator().assign(request("b", { addresses: ["10.0.0.0" as never], v4: 0 }));
    expect(await behind.release("a", "DEL")).toEqual([]);
    expect(bench.held()).toEqual(["b"]);
  });

  test("comes after an assign of the same handle that is still under way", async () => {
    bench.pools();
    const ipam = bench.allocator();
    const [given, freed] = await Promise.all([ipam.assign(request("a")), ipam.release("a", "DEL")]);
    expect(freed).toEqual(given.map(({ ip }) => ip));
    expect([bench.held(), bench.cluster.handles.size]).toEqual([[], 0]);
  });
});
