import { beforeEach, describe, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { newBlock } from "../../../src/ipam/block.ts";
import { releaseFromBlock } from "../../../src/ipam/block-release.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { AllocatorBench, many } from "./allocator-bench.ts";
import { cause, configuration, node, pool, request } from "./samples.ts";

let bench: AllocatorBench;

beforeEach(() => {
  bench = new AllocatorBench();
});

describe("finding room", () => {
  test("another node's block lends when every block is somebody's", async () => {
    bench.pools();
    await Promise.all(many(10).map((handle) => bench.allocator().assign(request(handle))));
    const other = "node-2" as NodeName;
    const [borrowed] = await bench.allocator(other).assign(request("b"));
    expect(bench.cluster.blocks.get(borrowed?.block ?? "")?.value.spec.affinity).toBe("host:node-1");
    expect([...bench.cluster.affinities.values()].every(({ value }) => value.spec.node === node)).toBe(true);
  });

  test("strictAffinity keeps it from that, and says so", async () => {
    bench.pools();
    bench.cluster.configuration = configuration({ strictAffinity: true });
    await Promise.all(many(10).map((handle) => bench.allocator().assign(request(handle))));
    const other = "node-2" as NodeName;
    await expect(bench.allocator(other).assign(request("b"))).rejects.toThrow(
      "Cannot give pod default/b an IPv4 address on node node-2: no address is free for this node in small (10.0.0.0/28) of " +
        "16 addresses in blocks of 8; the node has 0 blocks, and strictAffinity keeps it from using other nodes' blocks. " +
        "Delete pods that are not needed, add an IPPool that selects this node, or turn strictAffinity off",
    );
  });

  test("a node claims no more blocks than it may have", async () => {
    bench.pools(pool("p", { cidr: "10.0.0.0/24", blockSize: 32 }));
    bench.cluster.configuration = configuration({ maxBlocksPerHost: 3, strictAffinity: true });
    const ipam = bench.allocator();
    const given = await Promise.allSettled(many(5).map((handle) => ipam.assign(request(handle))));
    expect(given.map(({ status }) => status).toSorted()).toEqual(
      [...Array(3).fill("fulfilled"), "rejected", "rejected"].toSorted(),
    );
    await expect(ipam.assign(request("x"))).rejects.toThrow("3 blocks, as many as it may have");
    bench.cluster.configuration = undefined;
    await Promise.all(many(20).map((handle) => ipam.assign(request(handle))));
    await expect(ipam.assign(request("x"))).rejects.toThrow("the node has 20 blocks, as many as it may have");
  });

  test("without autoAllocateBlocks it claims none", async () => {
    bench.pools();
    bench.cluster.configuration = configuration({ autoAllocateBlocks: false, strictAffinity: true });
    await expect(bench.allocator().assign(request("a"))).rejects.toThrow("autoAllocateBlocks is off");
    expect(bench.cluster.affinities.size).toBe(0);
  });

  test("what somebody else freed in our blocks is found before more is claimed", async () => {
    bench.pools();
    const ipam = bench.allocator();
    await Promise.all(many(8).map((handle) => ipam.assign(request(handle))));
    for (const [cidr, { value }] of bench.cluster.blocks) {
      const { block } = releaseFromBlock(value, "pod-3", cause);
      bench.cluster.blocks.set(cidr, { value: block, revision: bench.cluster.nextRevision() });
    }
    await ipam.assign(request("late"));
    expect(bench.cluster.blocks.size).toBe(1);
  });

  test("no pool, and none that fits, are told apart from full ones", async () => {
    await expect(bench.allocator().assign(request("a"))).rejects.toMatchObject({
      reason: "no-pool",
      message: expect.stringContaining("there is no IPv4 pool"),
    });
    bench.pools(pool("off", { cidr: "10.0.0.0/28", blockSize: 29, disabled: true }));
    await expect(bench.allocator().assign(request("a"))).rejects.toMatchObject({
      reason: "no-pool",
      message: expect.stringContaining("pool off (10.0.0.0/28) is disabled"),
    });
    expect(bench.calls.filter((call) => call.endsWith("put"))).toEqual([]);
  });

  test("blocks of a pool that is off by now give no more, but what is held stays", async () => {
    bench.pools();
    const ipam = bench.allocator();
    const first = await ipam.assign(request("a"));
    bench.pools(pool("small", { cidr: "10.0.0.0/28", blockSize: 29, disabled: true }));
    expect(await ipam.assign(request("a"))).toEqual(first);
    await expect(ipam.assign(request("b"))).rejects.toMatchObject({ reason: "no-pool" });
  });

  test("a block of another size in the pool is kept clear of", async () => {
    bench.pools(pool("p", { cidr: "10.0.0.0/28", blockSize: 29 }));
    const old = newBlock(parseCidr("10.0.0.0/30"), { node: "old" as NodeName, claimedAt: "", sequenceNumber: 1n });
    bench.cluster.blocks.set(old.spec.cidr, { value: old, revision: bench.cluster.nextRevision() });
    const [given] = await bench.allocator().assign(request("a"));
    expect(given?.block).toBe("10.0.0.8/29");
  });
});
