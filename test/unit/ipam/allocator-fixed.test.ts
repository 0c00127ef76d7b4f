import { beforeEach, describe, expect, test } from "vitest";
import { reserveHandle } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { claimBlock, loadOwnBlocks } from "../../../src/ipam/affinity.ts";
import { assignFromBlock, newBlock } from "../../../src/ipam/block.ts";
import type { AssignRequest } from "../../../src/ipam/ipam.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { FakeIpamStore } from "../../fakes/ipam-store.ts";
import { AllocatorBench } from "./allocator-bench.ts";
import { configuration, instantClock, node, pool, request } from "./samples.ts";

let bench: AllocatorBench;
const other = "node-2" as NodeName;

beforeEach(() => {
  bench = new AllocatorBench();
  bench.pools();
});

/** Only these addresses. */
function fixed(handle: string, ...ips: readonly string[]): AssignRequest {
  return request(handle, { v4: 0, addresses: ips.map(parseIp) });
}

function affinityOf(cidr: string): string | undefined {
  return bench.cluster.blocks.get(cidr)?.value.spec.affinity;
}

describe("an address that is asked for", () => {
  test("is given, and its block claimed when nobody has it", async () => {
    const given = await bench.allocator().assign(fixed("a", "10.0.0.11"));
    expect(given).toEqual([{ ip: "10.0.0.11", block: "10.0.0.8/29" }]);
    expect(affinityOf("10.0.0.8/29")).toBe("host:node-1");
    expect(bench.cluster.handles.get("a")?.value.spec.block).toEqual({ "10.0.0.8/29": 1 });
    expect([...bench.cluster.affinities.values()].map(({ value }) => value.spec.state)).toEqual(["confirmed"]);
  });

  test("comes beside what is given freely, and asking again gives the same", async () => {
    bench.cluster.pools = [...bench.cluster.pools, pool("six", { cidr: "2001:db8::/120" })];
    const wanted = request("a", { v6: 1, addresses: [parseIp("10.0.0.3"), parseIp("10.0.0.3")] });
    const given = await bench.allocator().assign(wanted);
    expect(given.map(({ ip }) => ip)).toEqual([
      "10.0.0.3",
      expect.stringMatching(/^10\./),
      expect.stringMatching(/^2001/),
    ]);
    expect(new Set(given.map(({ ip }) => ip)).size).toBe(3);
    expect(await bench.allocator().assign(wanted)).toEqual(given);
  });

  test("that another handle holds is refused, and the holder named", async () => {
    await bench.allocator().assign(fixed("a", "10.0.0.1"));
    const refused = { reason: "taken" };
    for (const ipam of [bench.allocator(), bench.allocator(other)]) {
      await expect(ipam.assign(fixed("b", "10.0.0.1"))).rejects.toMatchObject(refused);
    }
    await expect(bench.allocator().assign(fixed("b", "10.0.0.2", "10.0.0.1"))).rejects.toThrow(
      "Cannot give pod default/b the address 10.0.0.1 on node node-1: pod default/a (handle a) holds it, in pool small " +
        "(10.0.0.0/28). Ask for another, or remove its holder",
    );
    expect([bench.held(), [...bench.cluster.handles.keys()]]).toEqual([["a"], ["a"]]);
  });

  test("that another node holds for pods to come is refused, with a way to get it", async () => {
    const ipam = bench.allocator(other);
    await bench.allocator().assign(fixed("a", "10.0.0.1"));
    const [cidr, stored] = [...bench.cluster.blocks][0] ?? [];
    if (cidr === undefined || stored === undefined) throw new Error("there is no block");
    const reserve = { handle: reserveHandle(node), count: 1, attributes: { node } };
    bench.cluster.blocks.set(cidr, { ...stored, value: assignFromBlock(stored.value, reserve).block });
    await expect(ipam.assign(fixed("b", "10.0.0.0"))).rejects.toThrow(
      "Cannot give pod default/b the address 10.0.0.0 on node node-2: node node-1 holds it for its next pods, in pool small " +
        "(10.0.0.0/28). Ask for another, or keep it by an IPReservation: the node then gives it back",
    );
  });

  test("that was freed behind this node's back is found free", async () => {
    const ipam = bench.allocator();
    await ipam.assign(fixed("a", "10.0.0.1"));
    await bench.allocator().release("a", "pod gone");
    expect(await ipam.assign(fixed("b", "10.0.0.1"))).toHaveLength(1);
  });

  test("may be reserved, and of a pool that selects neither the node nor anybody by itself", async () => {
    bench.pools(pool("p", { cidr: "10.0.0.0/28", blockSize: 29, nodeSelector: "!all()", assignmentMode: "Manual" }));
    bench.reserve("10.0.0.0/28");
    expect(await bench.allocator().assign(fixed("a", "10.0.0.1"))).toHaveLength(1);
  });

  test.each([
    ["it lies in no IPPool", "192.0.2.1", {}],
    ["no pool gives it: pool p (10.0.0.0/28) is disabled", "10.0.0.1", { disabled: true }],
    ["no pool gives it: pool p (10.0.0.0/28) is for LoadBalancer only", "10.0.0.1", { allowedUses: ["LoadBalancer"] }],
  ] as const)("is refused when %s", async (why, ip, spec) => {
    bench.pools(pool("p", { cidr: "10.0.0.0/28", blockSize: 29, ...spec }));
    await expect(bench.allocator().assign(fixed("a", ip))).rejects.toMatchObject({
      reason: "outside",
      message: `Cannot give pod default/a the address ${ip} on node node-1: ${why}. Ask for an address of a pool that serves pods`,
    });
    expect(bench.writes()).toEqual([]);
  });

  test("that the handle holds already is answered also when its pool gives no more", async () => {
    const given = await bench.allocator().assign(fixed("a", "10.0.0.1"));
    bench.pools(pool("small", { cidr: "10.0.0.0/28", blockSize: 29, disabled: true }));
    expect(await bench.allocator().assign(fixed("a", "10.0.0.1"))).toEqual(given);
  });

  test("that still cools down is not given yet", async () => {
    bench.cluster.configuration = configuration({ ipCooldownSeconds: 60 });
    await bench.allocator().assign(fixed("a", "10.0.0.1"));
    await bench.allocator().release("a", "DEL");
    await expect(bench.allocator().assign(fixed("b", "10.0.0.1"))).rejects.toMatchObject({
      reason: "taken",
      message: expect.stringContaining("it was given back at 2026-11-21T10:00:00Z and still cools down"),
    });
    const later = { ...instantClock, now: () => instantClock.now() + 61_000 };
    expect(await bench.allocator(node, undefined, later).assign(fixed("b", "10.0.0.1"))).toHaveLength(1);
  });
});

describe("in another node's block", () => {
  beforeEach(async () => {
    await bench.allocator(other).assign(fixed("theirs", "10.0.0.1"));
  });

  test("it is borrowed", async () => {
    expect(await bench.allocator().assign(fixed("a", "10.0.0.2"))).toEqual([{ ip: "10.0.0.2", block: "10.0.0.0/29" }]);
    expect(affinityOf("10.0.0.0/29")).toBe("host:node-2");
    expect(bench.cluster.affinities.size).toBe(1);
  });

  test("it is refused under strictAffinity, and the owner named", async () => {
    bench.cluster.configuration = configuration({ strictAffinity: true });
    await expect(bench.allocator().assign(fixed("a", "10.0.0.2"))).rejects.toMatchObject({
      reason: "taken",
      message: expect.stringContaining("its block 10.0.0.0/29 of pool small (10.0.0.0/28) belongs to host:node-2"),
    });
    expect(await bench.allocator().assign(fixed("a", "10.0.0.9"))).toHaveLength(1);
  });
});

test("a block that is nobody's becomes this node's", async () => {
  const orphan = newBlock(parseCidr("10.0.0.0/29"), { node: other, claimedAt: "", sequenceNumber: 1n });
  const spec = { ...orphan.spec, affinity: undefined, affinityClaimTime: undefined };
  bench.cluster.blocks.set("10.0.0.0/29", { value: { ...orphan, spec }, revision: bench.cluster.nextRevision() });
  await bench.allocator().assign(fixed("a", "10.0.0.2"));
  expect([affinityOf("10.0.0.0/29"), bench.held()]).toEqual(["host:node-1", ["a"]]);
});

test("blocks of another size: one that holds the address serves, one beside it stands in the way", async () => {
  const cidr = parseCidr("10.0.0.0/30");
  const claim = { node: other, cidr, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 1n };
  await claimBlock(new FakeIpamStore(bench.cluster), claim);
  expect(await bench.allocator().assign(fixed("a", "10.0.0.2"))).toEqual([{ ip: "10.0.0.2", block: "10.0.0.0/30" }]);
  await expect(bench.allocator().assign(fixed("b", "10.0.0.5"))).rejects.toThrow(
    "its block 10.0.0.0/29 cannot be made while there is block 10.0.0.0/30",
  );
});

test("nothing is borrowed from a block before its owner has made sure that it overlaps no other", async () => {
  const cidr = parseCidr("10.0.0.0/30");
  const store = new FakeIpamStore(bench.cluster, async (call) => {
    if (call === "block networks") throw new Error("crashed");
    return {};
  });
  const claim = { node: other, cidr, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 1n };
  await claimBlock(store, claim).catch(() => undefined);
  await expect(bench.allocator().assign(fixed("a", "10.0.0.2"))).rejects.toThrow(
    "the claim of host:node-2 on its block 10.0.0.0/30 is not confirmed",
  );
  expect((await bench.allocator().assign(request("b"))).map(({ block }) => block)).toEqual(["10.0.0.8/29"]);
  await loadOwnBlocks(new FakeIpamStore(bench.cluster), other);
  expect(await bench.allocator().assign(fixed("a", "10.0.0.2"))).toEqual([{ ip: "10.0.0.2", block: cidr }]);
});

test("of two nodes that ask for one address at once one gets it", async () => {
  const answers = await Promise.allSettled([
    bench.allocator().assign(fixed("a", "10.0.0.1")),
    bench.allocator(other).assign(fixed("b", "10.0.0.1")),
  ]);
  expect(answers.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(bench.held()).toHaveLength(1);
});
