import { beforeEach, describe, expect, test } from "vitest";
import type { Clock } from "../../../src/net/clock.ts";
import { AllocatorBench } from "./allocator-bench.ts";
import { instantClock, node, request } from "./samples.ts";

let bench: AllocatorBench;
let gone: AbortController;

beforeEach(() => {
  bench = new AllocatorBench();
  bench.pools();
  gone = new AbortController();
});

function expectNothingKept(): void {
  expect([bench.held(), [...bench.cluster.handles.keys()]]).toEqual([[], []]);
}

describe("a request that is cancelled", () => {
  const sentence = "Cannot give pod default/a an address on node node-1: the request was cancelled";

  test("before it begins asks for nothing", async () => {
    gone.abort(new Error("too late"));
    await expect(bench.allocator().assign(request("a"), gone.signal)).rejects.toMatchObject({
      message: sentence,
      cause: new Error("too late"),
    });
    expect(bench.calls).toEqual([]);
  });

  test("while it waits behind another is answered at once, though the other hangs", async () => {
    const stuck = Promise.withResolvers<void>();
    const ipam = bench.allocator(node, async (call) => {
      if (call === "handles put") await stuck.promise;
      return {};
    });
    const first = ipam.assign(request("a"));
    const second = ipam.assign(request("a"), gone.signal);
    gone.abort();
    await expect(second).rejects.toThrow(sentence);
    stuck.resolve();
    expect(await first).toHaveLength(1);
    expect(bench.held()).toEqual(["a"]);
  });

  test("between its tries ends its wait, with nothing kept", async () => {
    const waits = Promise.withResolvers<void>();
    const patient: Clock = {
      ...instantClock,
      sleep: (_, signal) => {
        waits.resolve();
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      },
    };
    let away = true;
    const fault = async (call: string) => {
      if (call === "handles put" && away) throw new Error("the server is away");
      return {};
    };
    const answer = bench.allocator(node, fault, patient).assign(request("a"), gone.signal);
    await waits.promise;
    expect(bench.held()).toEqual(["a"]);
    away = false;
    gone.abort();
    await expect(answer).rejects.toThrow(sentence);
    expectNothingKept();
  });

  test("while its write is under way is taken back", async () => {
    const ipam = bench.allocator(node, async (call) => {
      if (call === "handles put") gone.abort();
      return {};
    });
    await expect(ipam.assign(request("a"), gone.signal)).rejects.toThrow(sentence);
    expectNothingKept();
  });

  test("does not lose what the handle held before", async () => {
    const given = await bench.allocator().assign(request("a"));
    const ipam = bench.allocator(node, async (call) => {
      if (call === "blocks put") gone.abort();
      return {};
    });
    await expect(ipam.assign(request("a", { v4: 2 }), gone.signal)).rejects.toThrow(sentence);
    expect(await bench.allocator().assign(request("a"))).toEqual(given);
  });

  test("leaves the others of its batch alone, and the handle free for the next", async () => {
    const ipam = bench.allocator(node, async (call) => {
      if (call === "handles put") gone.abort();
      return {};
    });
    const answers = await Promise.allSettled([
      ipam.assign(request("a"), gone.signal),
      ipam.assign(request("b")),
      ipam.assign(request("c")),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    expect(bench.held().toSorted()).toEqual(["b", "c"]);
    expect(await ipam.assign(request("a"))).toHaveLength(1);
  });
});
