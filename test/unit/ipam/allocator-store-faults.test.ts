import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { assignFromBlock } from "../../../src/ipam/block.ts";
import { AllocatorBench } from "./allocator-bench.ts";
import { node, request } from "./samples.ts";

let bench: AllocatorBench;

beforeEach(() => {
  bench = new AllocatorBench();
});

describe("when the store is in the way", () => {
  test("a block that somebody changed meanwhile is read again, and his change stays", async () => {
    bench.pools();
    const ipam = bench.allocator();
    await ipam.assign(request("a"));
    bench.changeBlocks((block) => assignFromBlock(block, { handle: "theirs", count: 1, attributes: {} }).block);
    const [given] = await ipam.assign(request("b"));
    expect(bench.held()).toEqual(["a", "theirs", "b"]);
    expect(given?.ip).toMatch(/\.(2|10)$/);
  });

  test.each(["blocks put", "handles put", "affinities put"])(
    "a reply to %s that is lost once does no harm",
    async (lost) => {
      bench.pools();
      let once = true;
      const ipam = bench.allocator(node, async (call) => {
        if (call !== lost || !once) return {};
        once = false;
        return { reply: new Error("the reply was lost") };
      });
      const given = await ipam.assign(request("a"));
      expect(given).toHaveLength(1);
      expect([bench.held(), [...bench.cluster.handles.keys()]]).toEqual([["a"], ["a"]]);
    },
  );

  test("an error that stays is passed on, with nothing kept", async () => {
    bench.pools();
    const ipam = bench.allocator(node, async (call) => {
      if (call === "handles put") throw new Error("the server is away");
      return {};
    });
    await expect(ipam.assign(request("a"))).rejects.toThrow("the server is away");
    expect([bench.held(), bench.cluster.handles.size]).toEqual([[], 0]);
  });

  test("a write that is not answered takes no effect once its request was refused", async () => {
    bench.pools();
    await bench.allocator().assign(request("first"));
    const later = Promise.withResolvers<void>();
    let puts = 0;
    const ipam = bench.allocator(node, async (call) => {
      if (call !== "blocks put" || ++puts > 4) return {};
      return { effectAfter: later.promise, reply: new Error("timed out") };
    });
    await expect(ipam.assign(request("a"))).rejects.toThrow("timed out");
    later.resolve();
    await setImmediate();
    expect([bench.held(), [...bench.cluster.handles.keys()]]).toEqual([["first"], ["first"]]);
  });

  test("what another process of the node gave the same handle is not taken back with a request that failed", async () => {
    bench.pools();
    const controller = new AbortController();
    let away = false;
    const behind = bench.allocator(node, async (call) => {
      if (!away || call !== "handles put") return {};
      controller.abort();
      throw new Error("the server is away");
    });
    await behind.assign(request("first"));
    const given = await bench.allocator().assign(request("a"));
    away = true;
    await expect(behind.assign(request("a"), controller.signal)).rejects.toThrow("cancelled");
    expect(bench.held()).toEqual(["first", "a"]);
    expect(await bench.allocator().assign(request("a"))).toEqual(given);
  });

  test("what cannot be taken back is said", async () => {
    bench.pools();
    let away = false;
    const ipam = bench.allocator(node, async (call) => {
      if (call === "handles put") away = true;
      if (away) throw new Error("the server is away");
      return {};
    });
    await expect(ipam.assign(request("a"))).rejects.toThrow(
      /the server is away; and what handle a was given .* still held/,
    );
    away = false;
    expect(await bench.allocator().release("a", "DEL")).toHaveLength(1);
  });

  test("what a pod held before is not taken from it when more cannot be had", async () => {
    bench.pools();
    const given = await bench.allocator().assign(request("a"));
    await expect(bench.allocator().assign(request("a", { v6: 1 }))).rejects.toMatchObject({ reason: "no-pool" });
    await expect(bench.allocator().assign(request("a", { v4: 99 }))).rejects.toMatchObject({ reason: "exhausted" });
    expect(await bench.allocator().assign(request("a"))).toEqual(given);
  });

  test("losing every race ends with contended", async () => {
    bench.pools();
    const ipam = bench.allocator();
    await ipam.assign(request("a"));
    const busy = bench.allocator(node, async (call) => {
      if (call === "blocks put") bench.changeBlocks((block) => block);
      return {};
    });
    await expect(busy.assign(request("b"))).rejects.toMatchObject({ reason: "contended" });
    expect(bench.held()).toEqual(["a"]);
  });
});
