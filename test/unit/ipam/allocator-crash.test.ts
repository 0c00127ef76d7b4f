import { beforeEach, describe, expect, test } from "vitest";
import { newBlock } from "../../../src/ipam/block.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { AllocatorBench } from "./allocator-bench.ts";
import { configuration, node, request } from "./samples.ts";

let bench: AllocatorBench;

beforeEach(() => {
  bench = new AllocatorBench();
});

describe("after a crash", () => {
  const [first, second] = ["10.0.0.0/29", "10.0.0.8/29"].map(parseCidr) as [
    ReturnType<typeof parseCidr>,
    ReturnType<typeof parseCidr>,
  ];
  const claim = { node, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 7n };

  test("a claim that has its block is finished, one that has none is taken back", async () => {
    bench.pools();
    for (const cidr of [first, second]) pending(cidr);
    bench.cluster.blocks.set(first, { value: newBlock(first, claim), revision: bench.cluster.nextRevision() });
    const [given] = await bench.allocator().assign(request("a"));
    expect(given?.block).toBe(first);
    const states = [...bench.cluster.affinities.values()].map(({ value }) => [value.spec.cidr, value.spec.state]);
    expect(states).toEqual([[first, "confirmed"]]);
  });

  test("a block of ours that no affinity names is used again", async () => {
    bench.pools();
    bench.cluster.blocks.set(first, { value: newBlock(first, claim), revision: bench.cluster.nextRevision() });
    const [given] = await bench.allocator().assign(request("a"));
    expect(given?.block).toBe(first);
    expect(bench.cluster.affinities.get(`${node} ${first}`)?.value.spec.state).toBe("confirmed");
  });

  test("a block that is being given up is left alone", async () => {
    bench.pools();
    pending(first, "pendingDeletion");
    bench.cluster.blocks.set(first, { value: newBlock(first, claim), revision: bench.cluster.nextRevision() });
    bench.cluster.configuration = configuration({ autoAllocateBlocks: false, strictAffinity: true });
    await expect(bench.allocator().assign(request("a"))).rejects.toMatchObject({ reason: "exhausted" });
  });

  function pending(cidr: typeof first, state: "pending" | "pendingDeletion" = "pending"): void {
    const value = {
      metadata: { name: "", labels: {}, annotations: {} },
      spec: { state, node, type: "host", cidr, deleted: false },
    };
    bench.cluster.affinities.set(`${node} ${cidr}`, { value, revision: bench.cluster.nextRevision() });
  }
});
