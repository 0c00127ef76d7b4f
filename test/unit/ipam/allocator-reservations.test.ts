import { beforeEach, describe, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { type Cidr, firstIp } from "../../../src/net/cidr.ts";
import { type Ip, ipPlus } from "../../../src/net/ip.ts";
import { AllocatorBench, many } from "./allocator-bench.ts";
import { configuration, instantClock, node, pool, request } from "./samples.ts";

let bench: AllocatorBench;

beforeEach(() => {
  bench = new AllocatorBench();
  bench.pools();
});

async function giveAll(count: number): Promise<readonly string[]> {
  const ipam = bench.allocator();
  const given = await Promise.all(many(count).map((handle) => ipam.assign(request(handle))));
  return given.flat().map(({ ip }) => ip);
}

test("reserved addresses are passed over, and a block of nothing else is not claimed", async () => {
  bench.reserve("10.0.0.0/29", "10.0.0.8/31", "10.0.0.15/32");
  expect((await giveAll(5)).toSorted()).toEqual(["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14"]);
  expect([...bench.cluster.blocks.keys()]).toEqual(["10.0.0.8/29"]);
});

test("they count also in blocks that the node has already, and at once", async () => {
  const ipam = bench.allocator();
  const [first] = await ipam.assign(request("a"));
  bench.reserve(`${first?.block}`);
  const [next] = await ipam.assign(request("b"));
  expect(next?.block).not.toBe(first?.block);
});

test("they are not borrowed either", async () => {
  bench.cluster.configuration = configuration({ maxBlocksPerHost: 1 });
  await giveAll(1);
  bench.reserve("10.0.0.0/28");
  await expect(bench.allocator("node-2" as never).assign(request("b"))).rejects.toMatchObject({ reason: "exhausted" });
});

describe("what a holder cannot use", () => {
  const isUnfit = (ip: Ip, block: Cidr) => ip === firstIp(block) || ip === ipPlus(firstIp(block), 1);

  test("is passed over, and is left to others", async () => {
    bench.pools();
    const ipam = bench.allocator();
    const some = many(12).map((handle) => ipam.assign(request(handle, { isUnfit })));
    const given = (await Promise.all(some)).flat();
    expect(given.filter(({ ip, block }) => isUnfit(ip, block))).toEqual([]);
    await expect(ipam.assign(request("one more", { isUnfit }))).rejects.toThrow("no address is free");
    expect(await ipam.assign(request("another"))).toHaveLength(1);
  });

  test("is not borrowed either", async () => {
    bench.pools();
    await Promise.all(many(12).map((handle) => bench.allocator().assign(request(handle, { isUnfit }))));
    const other = bench.allocator("node-2" as NodeName);
    await expect(other.assign(request("a", { isUnfit }))).rejects.toThrow("no address is free");
    expect(await other.assign(request("b"))).toHaveLength(1);
  });
});

test("when they leave nothing, the error names them", async () => {
  bench.reserve("10.0.0.0/28");
  await expect(bench.allocator().assign(request("a"))).rejects.toThrow(
    "no address is free for this node in small (10.0.0.0/28) of 16 addresses in blocks of 8; the node has 0 blocks, and " +
      "IPReservation kept keeps addresses back. Delete pods that are not needed, add an IPPool that selects this node, or " +
      "reserve fewer addresses",
  );
  expect(bench.writes()).toEqual([]);
});

test("the one block that is left of a vast pool is found without trying the others", async () => {
  bench.pools(pool("six", { cidr: "2001:db8::/64" }));
  const halves = Array.from({ length: 58 }, (_, index) => {
    const start = 1n << BigInt(6 + index);
    const groups = [48n, 32n, 16n, 0n].map((shift) => ((start >> shift) & 0xffffn).toString(16));
    return `2001:db8:0:0:${groups.join(":")}/${122 - index}`;
  });
  const { parseCidr } = await import("../../../src/net/cidr.ts");
  bench.reserve(...halves.map((text) => parseCidr(text)));
  const [given] = await bench.allocator().assign(request("a", { v4: 0, v6: 1 }));
  expect(given?.block).toBe("2001:db8::/122");
});

test("an address that was given back is not given again before its cooldown is over, and then in one write", async () => {
  bench.pools(pool("one", { cidr: "10.0.0.0/32", blockSize: 32 }));
  bench.cluster.configuration = configuration({ ipCooldownSeconds: 60, strictAffinity: true });
  let seconds = 0;
  const clock = { ...instantClock, now: () => instantClock.now() + seconds * 1000 };
  const ipam = bench.allocator(node, undefined, clock);
  await ipam.assign(request("a"));
  await ipam.release("a", "DEL");
  seconds = 60;
  await expect(ipam.assign(request("b"))).rejects.toMatchObject({ reason: "exhausted" });
  seconds = 61;
  bench.calls.length = 0;
  expect(await ipam.assign(request("b"))).toHaveLength(1);
  expect(bench.writes()).toEqual(["blocks put", "handles put"]);
  expect(bench.held()).toEqual(["b"]);
});

test("every release is journaled with its cause, also the undoing of a failed request", async () => {
  const { releasesOf } = await import("../../../src/ipam/release-journal.ts");
  const ipam = bench.allocator();
  await ipam.assign(request("a"));
  await ipam.release("a", "DEL");
  let away = true;
  const failing = bench.allocator(node, async (call) => {
    if (call === "handles put" && away) throw new Error("the server is away");
    return {};
  });
  await expect(failing.assign(request("b"))).rejects.toThrow("the server is away");
  away = false;
  const records = [...bench.cluster.blocks.values()].flatMap(({ value }) => releasesOf(value));
  expect(records.map(({ pod, why, at }) => [pod, why, at])).toEqual([
    ["default/a", "DEL", "2026-11-21T10:00:00Z"],
    ["default/b", "undo of a request that failed", "2026-11-21T10:00:00Z"],
  ]);
});
