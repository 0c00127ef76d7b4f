import { beforeEach, describe, expect, test } from "vitest";
import type { Allocator } from "../../../src/ipam/allocator.ts";
import type { AssignRequest } from "../../../src/ipam/ipam.ts";
import { ipsOf, pod, ReserveBench } from "./reserve-bench.ts";
import { configuration, pool, request } from "./samples.ts";

let bench: ReserveBench;

beforeEach(() => {
  bench = new ReserveBench();
});

describe("what is held for pods to come", () => {
  test("is taken by the write that serves the first pod", async () => {
    await bench.agent().assign(pod("first"));
    expect(bench.askedSince().filter((call) => /blocks put/.test(call))).toHaveLength(2);
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+1": "reserve", "10.0.0.0+2": "reserve" });
  });

  test("is of both families where pods are", async () => {
    bench.pools(
      pool("four", { cidr: "10.0.0.0/28", blockSize: 29 }),
      pool("six", { cidr: "fd00::/124", blockSize: 125 }),
    );
    const ipam = bench.agent();
    await ipam.assign(pod("first", { v6: 1 }));
    bench.askedSince();
    const next = await ipam.assign(pod("next", { v6: 1 }));
    expect([ipsOf(next), bench.askedSince()]).toEqual([["10.0.0.1", "fd00::1"], []]);
    await bench.settle();
    expect(Object.values(bench.holders()).filter((holder) => holder === "next")).toHaveLength(2);
    expect(bench.reserved).toBe(4);
    expect([...bench.cluster.handles.values()].map(({ value }) => value.spec.handleID)).toContain("first");
  });

  describe("while many ask", () => {
    const mostOf = (_size: number, asked: number) => Math.max(2, Math.min(2 * asked, 8));
    const askThrice = async (ipam: Allocator, more: Partial<AssignRequest> = {}) => {
      for (const name of ["a", "b", "c"]) await ipam.assign(pod(name, more));
    };
    beforeEach(() => bench.pools(pool("main", { cidr: "10.0.0.0/25", blockSize: 26 })));

    test("is more, until they do not", async () => {
      const ipam = bench.agent({ mostOf });
      // As CNI asks for a pod that wants no particular pools.
      await askThrice(ipam, { pools: {}, addresses: [] });
      await bench.settle();
      expect(bench.reserved).toBe(6);
      await bench.pass(5);
      expect(bench.reserved).toBe(2);
      // Nobody is counted twice, however often he asks.
      for (let time = 0; time < 4; time++) await ipam.assign(pod("d"));
      await bench.settle();
      expect(bench.reserved).toBe(2);
    });

    test("is no more for those whom it cannot serve", async () => {
      await askThrice(bench.agent({ mostOf }), { pools: { 4: ["main"] } });
      await bench.settle();
      expect(bench.reserved).toBe(2);
    });

    test("is no more where the node may have no other block", async () => {
      bench.cluster.configuration = configuration({ maxBlocksPerHost: 1 });
      await askThrice(bench.agent({ mostOf }));
      await bench.settle();
      expect(bench.reserved).toBe(2);
    });

    test("is no more where what an earlier process held is not settled, and not less", async () => {
      bench.owners = { byAddress: new Map(), areAll: false };
      await bench.agent({ mostOf: () => 5 }).assign(pod("earlier"));
      await askThrice(bench.agent({ mostOf }));
      // Five strays, and two beside them.
      expect(bench.reserved).toBe(7);
    });

    test("is never more than what is held at most, beside what is not settled", async () => {
      bench.owners = { byAddress: new Map(), areAll: false };
      await bench.agent({ mostOf: () => 9 }).assign(pod("earlier"));
      await askThrice(bench.agent({ mostOf }));
      // Nine strays, and what is left of eight and two.
      expect(bench.reserved).toBe(10);
    });
  });

  test("is at most half of what is neither taken nor reserved", async () => {
    bench.reserve("10.0.0.4/30");
    await bench.agent({ mostOf: () => 8 }).assign(pod("first"));
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+1": "reserve" });
  });

  test("is not taken for those who must be named at once, nor given to them", async () => {
    const ipam = bench.agent();
    await ipam.assign(request("first"));
    expect(bench.reserved).toBe(0);
    await ipam.assign(pod("second"));
    expect(ipsOf(await ipam.assign(request("third")))).toEqual(["10.0.0.4"]);
  });

  test("is nothing without the node's lock", async () => {
    bench.isSole = false;
    const ipam = await bench.ready();
    expect(bench.reserved).toBe(0);
    await ipam.assign(pod("next"));
    expect(bench.askedSince()).toContain("blocks put");
  });

  test("is not given any more without it", async () => {
    const ipam = await bench.ready();
    bench.isSole = false;
    expect(ipsOf(await ipam.assign(pod("next")))).toEqual(["10.0.0.3"]);
  });

  test("is neither given nor settled by a process that has not the lock", async () => {
    await bench.ready();
    bench.isSole = false;
    const other = bench.agent();
    expect(ipsOf(await other.assign(pod("next")))).toEqual(["10.0.0.3"]);
    await bench.settle();
    expect(bench.holders()).toMatchObject({ "10.0.0.0+1": "reserve", "10.0.0.0+2": "reserve" });
  });
});

describe("a pod that is given what is held", () => {
  test("is answered without a call, and named later by the write that takes more", async () => {
    const ipam = await bench.ready();
    expect(ipsOf(await ipam.assign(pod("next")))).toEqual(["10.0.0.1"]);
    expect(bench.askedSince()).toEqual([]);
    await bench.settle();
    expect(bench.askedSince().filter((call) => /put/.test(call))).toEqual(["blocks put"]);
    expect(bench.holders()).toMatchObject({ "10.0.0.0+1": "next", "10.0.0.0+2": "reserve", "10.0.0.0+3": "reserve" });
    await bench.settle();
    expect([...bench.cluster.handles.keys()]).toEqual(["first", "next"]);
  });

  test("is told what it is to be, as any pod", async () => {
    const ipam = await bench.ready();
    const chosen: string[] = [];
    await ipam.assign(pod("next", { onChosen: (some) => void chosen.push(...ipsOf(some)) }));
    expect(chosen).toEqual(["10.0.0.1"]);
  });

  test("gets the same when it asks again, named or not", async () => {
    const ipam = await bench.ready();
    const given = await ipam.assign(pod("next"));
    expect(await ipam.assign(pod("next"))).toEqual(given);
    await bench.settle();
    expect(await ipam.assign(pod("next"))).toEqual(given);
  });

  test("gets the same when it asks again while it is named and its record is still to come", async () => {
    const ipam = await bench.ready();
    const given = await ipam.assign(pod("next"));
    await bench.settle();
    expect(await ipam.assign(pod("next"))).toEqual(given);
  });

  test("gives it back before it is named by one write, and never has a record", async () => {
    const ipam = await bench.ready();
    await ipam.assign(pod("next"));
    expect(await ipam.release("next", "DEL")).toEqual(["10.0.0.1"]);
    expect(bench.askedSince().filter((call) => /put|remove/.test(call))).toEqual(["blocks put"]);
    await bench.settle();
    expect(bench.holders()).not.toHaveProperty("10.0.0.0+1", "next");
    expect([...bench.cluster.handles.keys()]).toEqual(["first"]);
  });

  test("rests as any pod's when it gives it back; what nobody was given does not", async () => {
    bench.cluster.configuration = configuration({ ipCooldownSeconds: 30 });
    const ipam = await bench.ready();
    await ipam.assign(pod("next"));
    await ipam.release("next", "DEL");
    await ipam.stop();
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+1": "cooling" });
  });

  test("is another one than everybody else's, be they as many as they are", async () => {
    bench.pools(pool("main", { cidr: "10.0.0.0/26", blockSize: 29 }));
    const ipam = await bench.ready();
    const all = await Promise.all(Array.from({ length: 20 }, (_, index) => ipam.assign(pod(`pod-${index}`))));
    const ips = all.flatMap(ipsOf);
    expect(new Set(ips).size).toBe(20);
    await bench.settle();
    const named = Object.values(bench.holders()).filter((holder) => holder.startsWith("pod-"));
    expect(new Set(named).size).toBe(20);
  });
});

describe("what is held goes back", () => {
  test("a minute after the last pod", async () => {
    await bench.ready();
    await bench.pass(55);
    expect(bench.reserved).toBe(2);
    await bench.pass(10);
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first" });
  });

  test("when the agent ends, and what was given is named first", async () => {
    const ipam = await bench.ready();
    await ipam.assign(pod("next"));
    await ipam.stop();
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+1": "next" });
    await ipam.assign(pod("late"));
    expect(bench.reserved).toBe(0);
  });

  test("by another try, when another node was first to write the block, whatever else is not settled", async () => {
    const ipam = await bench.ready();
    bench.owners = { byAddress: new Map(), areAll: false };
    const race = bench.beforeNextWrite(() => bench.borrow("neighbour"));
    await bench.pass(65);
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+3": "neighbour" });
    expect(race.isDone).toBe(true);
    expect(ipsOf(await ipam.assign(pod("next")))).toHaveLength(1);
  });

  test("but for what somebody else has freed or taken meanwhile", async () => {
    await bench.ready();
    bench.owners = { byAddress: new Map(), areAll: false };
    bench.beforeNextWrite(() => bench.stealHeld("thief"));
    await bench.pass(65);
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+1": "thief", "10.0.0.0+2": "thief" });
  });

  test("or else is given no more, when it cannot be given back then", async () => {
    const ipam = await bench.ready();
    bench.fault = async (call) => {
      if (call === "pools") throw new Error("the server is away");
      return {};
    };
    await expect(ipam.stop()).rejects.toThrow("the server is away");
    bench.fault = async () => ({});
    bench.askedSince();
    await ipam.assign(pod("late"));
    expect(bench.askedSince()).toContain("blocks put");
  });

  test("and is given no more, when the write that gives it back is not answered", async () => {
    const ipam = await bench.ready();
    const later = Promise.withResolvers<void>();
    bench.fault = async (call) =>
      call === "blocks put" ? { effectAfter: later.promise, reply: new Error("timed out") } : {};
    await expect(bench.pass(60)).rejects.toThrow("timed out");
    bench.fault = async () => ({});
    bench.askedSince();
    const asked = ipam.assign(pod("next"));
    later.resolve();
    await asked;
    expect(bench.askedSince()).toContain("blocks put");
    await bench.settle();
    expect(Object.values(bench.holders()).filter((holder) => holder === "next")).toHaveLength(1);
  });

  test("also when it is just being taken as the agent ends", async () => {
    const ipam = bench.agent();
    const stored = Promise.withResolvers<void>();
    await ipam.assign(request("before"));
    bench.fault = async (call) => (call === "blocks put" ? { effectAfter: stored.promise } : {});
    const asked = ipam.assign(pod("first"));
    await new Promise(setImmediate);
    const stopped = ipam.stop();
    bench.fault = async () => ({});
    stored.resolve();
    await Promise.all([asked, stopped]);
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "before", "10.0.0.0+1": "first" });
  });

  test.each([
    ["its pool is disabled", () => bench.pools(pool("main", { cidr: "10.0.0.0/28", blockSize: 29, disabled: true }))],
    ["its pool is gone", () => bench.pools(pool("other", { cidr: "10.1.0.0/26", blockSize: 29 }))],
    [
      "its pool does not select the node",
      () => bench.pools(pool("main", { cidr: "10.0.0.0/28", blockSize: 29, nodeSelector: "zone == 'b'" })),
    ],
    ["it is reserved", () => bench.reserve("10.0.0.0/29")],
  ])("when %s, and is not given before", async (_, change) => {
    const ipam = await bench.ready();
    change();
    const given = await ipam.assign(pod("next")).then(ipsOf, () => []);
    expect(given).not.toContain("10.0.0.1");
    await bench.pass(5);
    expect(
      Object.entries(bench.holders()).filter(([ip, by]) => ip.startsWith("10.0.0.0+") && by === "reserve"),
    ).toEqual([]);
  });

  test("when no block is left for other nodes", async () => {
    bench.pools(pool("main", { cidr: "10.0.0.0/28", blockSize: 29 }));
    await bench.ready();
    await bench.allocator("node-2" as never).assign(request("other"));
    await bench.pass(5);
    expect(bench.reserved).toBe(0);
  });

  test("when nodes may claim no more blocks, and have to borrow", async () => {
    await bench.ready();
    bench.cluster.configuration = configuration({ autoAllocateBlocks: false });
    await bench.pass(5);
    expect(bench.reserved).toBe(0);
  });

  test("where its own pool has no block left, whatever others have", async () => {
    bench.pools(
      pool("full", { cidr: "10.0.0.0/29", blockSize: 29 }),
      pool("roomy", { cidr: "10.1.0.0/26", blockSize: 29, nodeSelector: "all()" }),
    );
    const ipam = bench.agent();
    await ipam.assign(pod("a", { pools: { 4: ["full"] } }));
    await bench.settle();
    expect(bench.reserved).toBe(0);
    await ipam.assign(pod("b", { pools: { 4: ["roomy"] } }));
    expect(bench.reserved).toBe(2);
  });

  test("to a pod that asks for it by name", async () => {
    const ipam = await bench.ready();
    const given = await ipam.assign(request("fixed", { v4: 0, addresses: ["10.0.0.2"] as never }));
    expect([ipsOf(given), bench.holders()["10.0.0.0+2"]]).toEqual([["10.0.0.2"], "fixed"]);
    expect(ipsOf(await ipam.assign(pod("next")))).not.toContain("10.0.0.2");
  });

  test("to a pod that finds nothing else", async () => {
    bench.pools(pool("main", { cidr: "10.0.0.0/28", blockSize: 29 }));
    bench.cluster.configuration = configuration({ maxBlocksPerHost: 1, strictAffinity: true });
    const ipam = await bench.ready();
    const others = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((index) => ipam.assign(request(`plain-${index}`))));
    expect(new Set(others.flatMap(ipsOf)).size).toBe(7);
    expect(bench.reserved).toBe(0);
    await expect(ipam.assign(pod("too many"))).rejects.toThrow("no address is free");
  });
});
