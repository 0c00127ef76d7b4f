import { beforeEach, describe, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import type { Node } from "../../../src/api/objects.ts";
import { AllocatorBench, many } from "./allocator-bench.ts";
import { configuration, instantClock, node, pool, request } from "./samples.ts";

let bench: AllocatorBench;
const other = "node-2" as NodeName;

beforeEach(() => {
  bench = new AllocatorBench();
});

function later(seconds: number) {
  return { ...instantClock, now: () => instantClock.now() + seconds * 1000 };
}

function owners(): readonly string[] {
  return [...bench.cluster.blocks.values()].map(({ value }) => `${value.spec.cidr} ${value.spec.affinity}`).toSorted();
}

describe("another node's empty block", () => {
  beforeEach(async () => {
    bench.pools(pool("one", { cidr: "10.0.0.0/32", blockSize: 32 }));
    bench.cluster.configuration = configuration({ strictAffinity: true });
    await bench.allocator(other).assign(request("a"));
  });

  test("is taken over once it is a minute old and every block is somebody's", async () => {
    await bench.allocator(other).release("a", "DEL");
    await expect(bench.allocator(node, undefined, later(59)).assign(request("b"))).rejects.toMatchObject({
      reason: "exhausted",
    });
    expect(await bench.allocator(node, undefined, later(60)).assign(request("b"))).toHaveLength(1);
    expect(owners()).toEqual(["10.0.0.0/32 host:node-1"]);
    expect([...bench.cluster.affinities.values()].map(({ value }) => value.spec.node)).toEqual([node]);
  });

  test("is left alone while it is in use or cools down", async () => {
    const ipam = bench.allocator(node, undefined, later(3600));
    await expect(ipam.assign(request("b"))).rejects.toMatchObject({ reason: "exhausted" });
    bench.cluster.configuration = configuration({ strictAffinity: true, ipCooldownSeconds: 1200 });
    await bench.allocator(other, undefined, later(3500)).release("a", "DEL");
    await expect(ipam.assign(request("b"))).rejects.toMatchObject({ reason: "exhausted" });
    expect(owners()).toEqual(["10.0.0.0/32 host:node-2"]);
  });

  test("cannot be lost by its owner while he gives an address of it", async () => {
    const owner = bench.allocator(other, undefined, later(100));
    await owner.release("a", "DEL");
    let once = true;
    const slow = bench.allocator(
      node,
      async (call) => {
        if (call === "blocks remove" && once) {
          once = false;
          await owner.assign(request("c"));
        }
        return {};
      },
      later(100),
    );
    await expect(slow.assign(request("b"))).rejects.toMatchObject({ reason: "exhausted" });
    expect([owners(), bench.held()]).toEqual([["10.0.0.0/32 host:node-2"], ["c"]]);
    expect([...bench.cluster.affinities.values()].map(({ value }) => value.spec.state)).toEqual(["confirmed"]);
  });

  test("is nobody's to write to any more for an owner that remembers it", async () => {
    const owner = bench.allocator(other);
    await owner.assign(request("a"));
    await owner.release("a", "DEL");
    await bench.allocator(node, undefined, later(100)).assign(request("b"));
    await expect(owner.assign(request("c"))).rejects.toMatchObject({ reason: "exhausted" });
    expect(bench.held()).toEqual(["b"]);
  });
});

describe("a block whose pool no longer selects the node", () => {
  const small = pool("small", { cidr: "10.0.0.0/28", blockSize: 29 });
  const spare = pool("spare", { cidr: "10.1.0.0/28", blockSize: 28 });
  const elsewhere = { ...small, spec: { ...small.spec, nodeSelector: "rack == 'b'" } };

  beforeEach(async () => {
    bench.pools(small);
    bench.cluster.nodes = [{ name: node, labels: { rack: "a" } } as unknown as Node];
    const ipam = bench.allocator();
    await Promise.all(many(9).map((handle) => ipam.assign(request(handle))));
    const full = [...bench.cluster.blocks.values()].find(({ value }) => value.spec.unallocated.length === 0);
    const handles = full?.value.spec.attributes.map(({ handle_id }) => handle_id ?? "") ?? [];
    await Promise.all(handles.map((handle) => ipam.release(handle, "DEL")));
    bench.pools(elsewhere, spare);
  });

  test("is given up when it is empty; one that is in use stays", async () => {
    const ipam = bench.allocator(node, undefined, later(100));
    await ipam.assign(request("new"));
    await ipam.assign(request("newer"));
    expect(owners()).toHaveLength(2);
    expect(owners()).toContain("10.1.0.0/28 host:node-1");
    expect(bench.cluster.affinities.size).toBe(2);
  });

  test("stays while its pool is disabled, or is not there, or the claim is young", async () => {
    for (const pools of [[spare], [{ ...elsewhere, spec: { ...elsewhere.spec, disabled: true } }, spare]]) {
      bench.pools(...pools);
      await bench.allocator(node, undefined, later(100)).assign(request("new"));
      await bench.allocator(node, undefined, later(100)).assign(request("newer"));
      expect(owners()).toHaveLength(3);
    }
    bench.pools(elsewhere, spare);
    await bench.allocator(node, undefined, later(30)).assign(request("newest"));
    expect(owners()).toHaveLength(3);
  });

  test("costs nobody an address when it cannot be given up just now", async () => {
    const fault = async (call: string) => {
      if (call === "blocks remove") throw new Error("the server is away");
      return {};
    };
    const ipam = bench.allocator(node, fault, later(100));
    expect(await ipam.assign(request("new"))).toHaveLength(1);
    expect(await ipam.assign(request("newer"))).toHaveLength(1);
    expect(owners()).toHaveLength(3);
  });
});

describe("limits", () => {
  test("only blocks of the pools that may serve count against maxBlocksPerHost", async () => {
    bench.cluster.configuration = configuration({ maxBlocksPerHost: 1, strictAffinity: true });
    bench.pools(pool("old", { cidr: "10.0.0.0/30", blockSize: 30 }));
    const ipam = bench.allocator();
    await ipam.assign(request("a"));
    bench.pools(pool("new", { cidr: "10.1.0.0/28", blockSize: 30 }));
    await Promise.all(many(4).map((handle) => ipam.assign(request(handle))));
    await expect(ipam.assign(request("x"))).rejects.toThrow("the node has 1 block, as many as it may have");
  });

  test("a request may allow fewer blocks than the configuration, not more", async () => {
    bench.pools(pool("p", { cidr: "10.0.0.0/24", blockSize: 32 }));
    bench.cluster.configuration = configuration({ maxBlocksPerHost: 2, strictAffinity: true });
    const ipam = bench.allocator();
    await ipam.assign(request("a", { maxBlocks: 1 }));
    await expect(ipam.assign(request("b", { maxBlocks: 1 }))).rejects.toMatchObject({ reason: "exhausted" });
    await ipam.assign(request("c", { maxBlocks: 9 }));
    await expect(ipam.assign(request("d", { maxBlocks: 9 }))).rejects.toMatchObject({ reason: "exhausted" });
  });
});
