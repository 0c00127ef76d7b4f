import { setImmediate as turnOfEvents } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { reserveHandle } from "../../../src/api/ipam-block.ts";
import { releaseFromBlock } from "../../../src/ipam/block-release.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { ipsOf, pod, ReserveBench } from "./reserve-bench.ts";
import { cause, configuration, node, pool, request } from "./samples.ts";

let bench: ReserveBench;

beforeEach(() => {
  bench = new ReserveBench();
});

/** Whoever releases addresses by force. */
function freeByForce(handle: string): void {
  bench.changeBlocks((block) => releaseFromBlock(block, handle, cause).block);
}

/** From now on so many writes of blocks are not answered: lost, or of effect once the promise resolves. */
function loseWrites(count: number, effect: "none" | Promise<void>): void {
  let left = count;
  bench.fault = async (call) => {
    if (call !== "blocks put" || left-- <= 0) return {};
    if (effect === "none") throw new Error("the request was lost");
    return { effectAfter: effect, reply: new Error("the reply was lost") };
  };
}

const owner = (handle: string) => ({ handle, attributes: { pod: handle, namespace: "default" } });

describe.each(["none", "at once", "later"] as const)(
  "writes whose answers are lost, of which the effect is %s",
  (effect) => {
    test.each([1, 2, 9])("never lead to one address being given twice, be they %i", async (count) => {
      const ipam = await bench.ready();
      const given = new Map(ipsOf(await ipam.assign(pod("next"))).map((ip) => [ip, "next"]));
      const later = Promise.withResolvers<void>();
      if (effect === "at once") later.resolve();
      loseWrites(count, effect === "none" ? "none" : later.promise);
      await bench.settle().catch(() => undefined);
      for (const handle of ["a", "b", "c", "d"]) {
        const answer = await ipam.assign(pod(handle)).then(ipsOf, () => []);
        for (const ip of answer) {
          expect(given.get(ip)).toBeUndefined();
          given.set(ip, handle);
        }
        if (handle === "b") later.resolve();
        await turnOfEvents();
        await bench.settle().catch(() => undefined);
      }
      bench.fault = async () => ({});
      await ipam.stop();
      const held = Object.values(bench.holders());
      expect(held.toSorted()).toEqual(["first", ...given.values()].toSorted());
      expect(bench.lost).toEqual([]);
    });
  },
);

describe("while the API server is away", () => {
  test("pods are given what is held, then told why not, and are named once it is back", async () => {
    const ipam = await bench.ready();
    bench.fault = async (call) => {
      if (/^(blocks|handles|affinities)/.test(call)) throw new Error("the server is away");
      return {};
    };
    expect(ipsOf(await ipam.assign(pod("a")))).toEqual(["10.0.0.1"]);
    expect(ipsOf(await ipam.assign(pod("b")))).toEqual(["10.0.0.2"]);
    await expect(ipam.assign(pod("c"))).rejects.toThrow("the server is away");
    await expect(bench.settle()).rejects.toThrow("the server is away");
    bench.fault = async () => ({});
    await bench.pass(5);
    expect(bench.holders()).toMatchObject({ "10.0.0.0+1": "a", "10.0.0.0+2": "b" });
  });

  test("one whose naming was not answered has its record all the same", async () => {
    let most = 2;
    const ipam = bench.agent({ mostOf: () => most });
    await ipam.assign(pod("first"));
    await bench.settle();
    await ipam.assign(pod("next"));
    most = 0;
    loseWrites(1, Promise.resolve());
    await bench.settle();
    await bench.settle();
    expect([...bench.cluster.handles.keys()]).toEqual(["first", "next"]);
  });
});

describe("a node that is cut off", () => {
  test("gives nothing any more after a while, as others may take it for gone, and looks first once it is back", async () => {
    const agent = bench.agent();
    await agent.assign(pod("a"));
    bench.fault = async (call) => {
      if (/^(blocks|handles|affinities)/.test(call)) throw new Error("no route to the API server");
      return {};
    };
    const passInVain = () => expect(bench.pass(5)).rejects.toThrow("no route to the API server");
    for (let passed = 0; passed < 15; passed += 5) await passInVain();
    expect(await agent.assign(pod("b"))).toHaveLength(1);
    await passInVain();
    await expect(agent.assign(pod("c"))).rejects.toThrow("no route to the API server");
    freeByForce(reserveHandle(node));
    bench.fault = async () => ({});
    const [ip = ""] = ipsOf(await agent.assign(pod("d")));
    expect(bench.holders()[`10.0.0.0+${ip.split(".").at(-1)}`]).toBe("d");
  });
});

describe("what somebody else takes away", () => {
  test("is given no more once that was looked for", async () => {
    const agent = bench.agent();
    await agent.assign(pod("a"));
    freeByForce(reserveHandle(node));
    expect(bench.reserved).toBe(0);
    await bench.pass(5);
    const [ip = ""] = ipsOf(await agent.assign(pod("b")));
    expect(bench.holders()[`10.0.0.0+${ip.split(".").at(-1)}`]).toBe("reserve");
    expect(bench.lost).toEqual([]);
  });

  test("is the pod's again, when it is still free", async () => {
    const ipam = await bench.ready();
    await ipam.assign(pod("next"));
    freeByForce(reserveHandle(node));
    await bench.settle();
    expect([bench.holders()["10.0.0.0+1"], bench.lost]).toEqual(["next", []]);
  });

  test("is told of, when somebody else has it", async () => {
    const ipam = await bench.ready();
    await ipam.assign(pod("next"));
    freeByForce(reserveHandle(node));
    await bench.allocator().assign(request("thief", { v4: 0, addresses: [parseIp("10.0.0.1")] }));
    await bench.settle();
    expect(bench.holders()["10.0.0.0+1"]).toBe("thief");
    expect(bench.lost).toEqual([
      "Cannot write down that next has 10.0.0.1 of block 10.0.0.0/29: the block is another, in which thief holds it",
    ]);
  });

  test("is not told of, when it was the pod's own release", async () => {
    bench.cluster.configuration = configuration({ ipCooldownSeconds: 30 });
    const ipam = await bench.ready();
    await ipam.assign(pod("next"));
    loseWrites(1, Promise.resolve());
    expect(await ipam.release("next", "DEL")).toEqual(["10.0.0.1"]);
    await bench.settle();
    expect([bench.holders()["10.0.0.0+1"], bench.lost]).toEqual(["cooling", []]);
  });
});

test("a release that shares its write with an ADD, and was not answered, is told of as no loss", async () => {
  bench.cluster.configuration = configuration({ ipCooldownSeconds: 30 });
  const ipam = await bench.ready();
  await ipam.assign(pod("next"));
  loseWrites(1, Promise.resolve());
  const both = [ipam.release("next", "DEL"), ipam.assign(request("other"))];
  await turnOfEvents();
  await Promise.all([...both, ipam.assign(request("another"))]);
  await bench.settle();
  expect([bench.holders()["10.0.0.0+1"], bench.lost]).toEqual(["cooling", []]);
});

test("a release that was not answered, and had its effect, writes nothing more", async () => {
  const ipam = await bench.ready();
  await ipam.assign(pod("next"));
  loseWrites(1, Promise.resolve());
  bench.askedSince();
  expect(await ipam.release("next", "DEL")).toEqual(["10.0.0.1"]);
  expect(bench.askedSince().filter((call) => /put|remove/.test(call))).toEqual(["blocks put"]);
  expect(bench.holders()).not.toHaveProperty("10.0.0.0+1");
});

describe("what an earlier agent held", () => {
  const [first, second] = [parseIp("10.0.0.1"), parseIp("10.0.0.2")];

  beforeEach(async () => {
    await bench.ready();
  });

  test("becomes the pod's that has it, as the node has written down, and else nobody's", async () => {
    bench.owners = { byAddress: new Map([[first, owner("next")]]), areAll: true };
    bench.agent().begin();
    await bench.settle();
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+1": "next" });
  });

  test("stays while somebody may have it of whom nothing is written down yet", async () => {
    bench.owners = { byAddress: new Map([[first, owner("next")]]), areAll: false };
    bench.agent().begin();
    await expect(bench.settle()).rejects.toThrow("Cannot free yet what an earlier process of node node-1 held");
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+1": "next", "10.0.0.0+2": "reserve" });
  });

  test("is not given as the new one's own", async () => {
    bench.owners = { byAddress: new Map(), areAll: false };
    const ipam = bench.agent();
    const answers = [await ipam.assign(pod("a")), await ipam.assign(pod("b")), await ipam.assign(pod("c"))];
    expect(answers.flatMap(ipsOf)).not.toContain(first);
    expect(answers.flatMap(ipsOf)).not.toContain(second);
  });

  test("is nobody's to settle without the node's lock", async () => {
    bench.isSole = false;
    bench.agent().begin();
    await bench.settle();
    expect(bench.reserved).toBe(2);
  });

  test("is freed by its pod's release, also before it was settled", async () => {
    bench.owners = { byAddress: new Map([[first, owner("next")]]), areAll: true };
    expect(await bench.agent().release("next", "DEL")).toEqual([first]);
    expect(bench.holders()).toEqual({ "10.0.0.0+0": "first", "10.0.0.0+2": "reserve" });
  });

  test("is found by its pod when that asks again", async () => {
    bench.owners = { byAddress: new Map([[second, owner("next")]]), areAll: false };
    expect(ipsOf(await bench.agent().assign(pod("next")))).toEqual([second]);
  });

  test("is found by its pod when that asks again, also when the write that was to name it was lost", async () => {
    bench.pools(pool("main", { cidr: "10.0.0.0/27", blockSize: 29 }));
    bench.isSole = false;
    await Promise.all([1, 2, 3, 4, 5].map((index) => bench.agent().assign(request(`plain-${index}`))));
    bench.isSole = true;
    bench.owners = { byAddress: new Map([[second, owner("next")]]), areAll: false };
    const ipam = bench.agent();
    // The first block is full. What names `next` there is lost each time; what is made of the other block is stored.
    const isLost = [true, false, false, true];
    bench.fault = async (call) => {
      if (call === "blocks put" && isLost.shift() === true) throw new Error("the request was lost");
      return {};
    };
    const [other = ""] = ipsOf(await ipam.assign(pod("other")));
    const ordinal = Number(other.split(".").at(-1));
    expect(ordinal).toBeGreaterThan(7);
    expect(bench.holders()).toMatchObject({ "10.0.0.0+2": "reserve", [`10.0.0.${ordinal}+1`]: "reserve" });
    expect(ipsOf(await ipam.assign(pod("next")))).toEqual([second]);
  });
});
