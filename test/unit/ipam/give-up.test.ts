import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { claimBlock, loadOwnBlocks } from "../../../src/ipam/affinity.ts";
import { assignFromBlock } from "../../../src/ipam/block.ts";
import { StoreReclaimer } from "../../../src/ipam/store-reclaimer.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { FakeCluster, FakeIpamStore, type Fault } from "../../fakes/ipam-store.ts";
import { configuration, instantClock, node } from "./samples.ts";

const cidr = parseCidr("10.0.0.0/29");
const other = "node-2" as NodeName;
const claim = { node, cidr, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 7n };

let cluster: FakeCluster;
let store: FakeIpamStore;

beforeEach(async () => {
  cluster = new FakeCluster();
  store = new FakeIpamStore(cluster);
  await claimBlock(store, claim);
});

function reclaimer(fault?: Fault): StoreReclaimer {
  return new StoreReclaimer({ store: new FakeIpamStore(cluster, fault), clock: instantClock });
}

function use(handle = "a"): void {
  const { value } = cluster.blocks.get(cidr) ?? {};
  if (value === undefined) throw new Error("there is no block");
  const { block } = assignFromBlock(value, { handle, count: 1, attributes: {} });
  cluster.blocks.set(cidr, { value: block, revision: cluster.nextRevision() });
}

function mark(state: "pending" | "pendingDeletion"): void {
  for (const [key, { value }] of cluster.affinities)
    cluster.affinities.set(key, {
      value: { ...value, spec: { ...value.spec, state } },
      revision: cluster.nextRevision(),
    });
}

function states(): readonly string[] {
  return [...cluster.affinities.values()].map(({ value }) => `${value.spec.node} ${value.spec.state}`);
}

function giveUp(evenIfUsed = false, fault?: Fault) {
  return reclaimer(fault).releaseBlock({ cidr, node, evenIfUsed });
}

describe("releaseBlock", () => {
  test("deletes an empty block, between two steps of its affinity", async () => {
    const writes: string[] = [];
    const fault: Fault = async (call) => {
      if (/put|remove/.test(call)) writes.push(call);
      return {};
    };
    expect(await giveUp(false, fault)).toBe("deleted");
    expect(writes).toEqual(["affinities put", "blocks remove", "affinities remove"]);
    expect([cluster.blocks.size, cluster.affinities.size]).toEqual([0, 0]);
    expect(await giveUp()).toBe("deleted");
  });

  test("keeps a block that is in use, and takes back the mark that a crash has left", async () => {
    use();
    mark("pendingDeletion");
    expect(await giveUp()).toBe("kept");
    expect(states()).toEqual(["node-1 confirmed"]);
    expect(cluster.blocks.get(cidr)?.value.spec.affinity).toBe("host:node-1");
  });

  test("gives a block that is in use the claim that it lacks", async () => {
    use();
    cluster.affinities.clear();
    expect(await giveUp()).toBe("kept");
    expect(states()).toEqual(["node-1 confirmed"]);
  });

  test("makes the claim on a block that is in use whole that a crash has left half made", async () => {
    use();
    mark("pending");
    expect(await giveUp()).toBe("kept");
    expect(states()).toEqual(["node-1 confirmed"]);
  });

  test("makes a block nobody's when asked to, and its addresses stay", async () => {
    use();
    expect(await giveUp(true)).toBe("orphaned");
    expect(cluster.blocks.get(cidr)?.value.spec).toMatchObject({
      affinity: undefined,
      attributes: [{ handle_id: "a" }],
    });
    expect(cluster.affinities.size).toBe(0);
    expect(await giveUp(true)).toBe("orphaned");
  });

  test("is not misled by an address that is taken at the last moment", async () => {
    const fault: Fault = async (call) => {
      if (call === "blocks remove") use();
      return {};
    };
    expect(await giveUp(false, fault)).toBe("kept");
    expect([states(), cluster.blocks.size]).toEqual([["node-1 confirmed"], 1]);
  });

  test("of another node's block only takes away the claim that is wrong", async () => {
    const key = { node: other, cidr };
    const { value } = (await store.affinities.get({ node, cidr })) ?? {};
    if (value === undefined) throw new Error("there is no affinity");
    await store.affinities.put(key, { ...value, spec: { ...value.spec, node: other } }, undefined);
    expect(await reclaimer().releaseBlock({ ...key, evenIfUsed: true })).toBe("kept");
    expect(states()).toEqual(["node-1 confirmed"]);
  });

  test.each(["claims anew", "makes the block"])(
    "of a claim without a block takes it away, but not from under a node that just then %s",
    async (deed) => {
      const block = cluster.blocks.get(cidr);
      cluster.blocks.clear();
      mark("pending");
      let once = true;
      const fault: Fault = async (call) => {
        if (call !== "affinities put" || !once || block === undefined) return {};
        once = false;
        if (deed === "claims anew") await claimBlock(store, claim);
        else cluster.blocks.set(cidr, { ...block, revision: cluster.nextRevision() });
        use();
        return {};
      };
      expect(await giveUp(false, fault)).toBe("kept");
      expect([states(), cluster.blocks.size]).toEqual([["node-1 confirmed"], 1]);
      cluster.blocks.clear();
      expect(await giveUp()).toBe("deleted");
      expect(cluster.affinities.size).toBe(0);
    },
  );

  test.each([
    [0, false],
    [1, false],
    [2, false],
    [0, true],
    [1, true],
    [2, true],
  ])("a crash before write %i is finished by doing it again (used: %s)", async (nth, used) => {
    if (used) use();
    let writes = 0;
    const fault: Fault = async (call) => {
      if (/put|remove/.test(call) && writes++ === nth) throw new Error("crashed");
      return {};
    };
    await expect(giveUp(true, fault)).rejects.toThrow("crashed");
    expect(await giveUp(true)).toBe(used ? "orphaned" : "deleted");
    expect(cluster.affinities.size).toBe(0);
    expect(cluster.blocks.get(cidr)?.value.spec.affinity).toBeUndefined();
  });

  test.each(["affinities put", "blocks remove", "affinities remove"])(
    "a lost reply to %s does no harm",
    async (lost) => {
      let once = true;
      const fault: Fault = async (call) => {
        if (call !== lost || !once) return {};
        once = false;
        return { reply: new Error("the reply was lost") };
      };
      await giveUp(false, fault).catch(() => {});
      expect(await giveUp()).toBe("deleted");
      expect([cluster.blocks.size, cluster.affinities.size]).toEqual([0, 0]);
    },
  );

  test("a block whose addresses still cool down is not empty; when they have, it is", async () => {
    cluster.configuration = configuration({ ipCooldownSeconds: 60 });
    use();
    const { value } = cluster.blocks.get(cidr) ?? {};
    if (value === undefined) throw new Error("there is no block");
    const cooling = (releasedAt: string) => ({ ...value, spec: { ...value.spec, attributes: [{ releasedAt }] } });
    cluster.blocks.set(cidr, { value: cooling("2026-11-21T09:59:30Z"), revision: cluster.nextRevision() });
    expect(await giveUp()).toBe("kept");
    cluster.blocks.set(cidr, { value: cooling("2026-11-21T09:58:00Z"), revision: cluster.nextRevision() });
    expect(await giveUp()).toBe("deleted");
  });
});

describe("deleteOrphan", () => {
  test("deletes what is nobody's and empty, and nothing else", async () => {
    expect(await reclaimer().deleteOrphan(cidr)).toBe("kept");
    use();
    await giveUp(true);
    expect(await reclaimer().deleteOrphan(cidr)).toBe("kept");
    const { value } = cluster.blocks.get(cidr) ?? {};
    if (value === undefined) throw new Error("there is no block");
    const empty = { ...value, spec: { ...value.spec, allocations: Array(8).fill(null), attributes: [] } };
    cluster.blocks.set(cidr, { value: empty, revision: cluster.nextRevision() });
    expect(await reclaimer().deleteOrphan(cidr)).toBe("deleted");
    expect(await reclaimer().deleteOrphan(cidr)).toBe("deleted");
    expect(cluster.blocks.size).toBe(0);
  });
});

describe("whenever the node takes the block up while it is being given up", () => {
  const before = ["confirmed", "pending", "pendingDeletion", "without a claim", "in use, without a claim"] as const;
  const takeUp = {
    "claims it": () => claimBlock(store, claim),
    "starts and loads what it claimed": () => loadOwnBlocks(store, node),
    "claims it and starts anew before that is confirmed": async () => {
      const fault: Fault = async (call) => {
        if (call === "blocks put") throw new Error("crashed");
        return {};
      };
      await claimBlock(new FakeIpamStore(cluster, fault), claim).catch(() => undefined);
      await loadOwnBlocks(store, node);
    },
  };
  const cases = before.flatMap((state) => Object.entries(takeUp).map(([what, act]) => ({ state, what, act })));

  test.each(cases)("$state, $what: no claim is confirmed without its block", async ({ state, act }) => {
    let isAt = true;
    for (let at = 0; isAt; at++) {
      cluster = new FakeCluster();
      store = new FakeIpamStore(cluster);
      await claimBlock(store, claim);
      if (state === "in use, without a claim") use();
      if (state.endsWith("without a claim")) cluster.affinities.clear();
      else if (state === "pending" || state === "pendingDeletion") mark(state);
      let calls = 0;
      isAt = false;
      const fault: Fault = async () => {
        if (calls++ === at) {
          isAt = true;
          await act();
        }
        return {};
      };
      for (const evenIfUsed of [true, false]) await giveUp(evenIfUsed, fault);
      const isOwned = cluster.blocks.get(cidr)?.value.spec.affinity === `host:${node}`;
      expect({ at, isOwned, states: states() }).toEqual({ at, isOwned, states: isOwned ? [`${node} confirmed`] : [] });
    }
  });
});

test.each(["confirmed", "pending", "pendingDeletion"] as const)(
  "a claim (%s before) that waits at any of its calls, begun at any call of a giving up, is not confirmed without its block",
  async (state) => {
    for (let at = 0; at < 8; at++) {
      for (let pause = 0; pause < 9; pause++) {
        cluster = new FakeCluster();
        store = new FakeIpamStore(cluster);
        await claimBlock(store, claim);
        if (state !== "confirmed") mark(state);
        const gate = Promise.withResolvers<void>();
        const counts = { node: 0, collector: 0 };
        const nodeStore = new FakeIpamStore(cluster, async () => {
          if (counts.node++ === pause) await gate.promise;
          return {};
        });
        let claimed: Promise<unknown> | undefined;
        await giveUp(true, async () => {
          if (counts.collector++ === at) {
            claimed = claimBlock(nodeStore, claim);
            await setImmediate();
          }
          return {};
        });
        gate.resolve();
        await claimed;
        const isOwned = cluster.blocks.get(cidr)?.value.spec.affinity === `host:${node}`;
        const isConfirmed = states().includes(`${node} confirmed`);
        expect({ at, pause, isConfirmed: isConfirmed && !isOwned }).toEqual({ at, pause, isConfirmed: false });
      }
    }
  },
);

test("a block that is nobody's can be claimed with what is in it", async () => {
  use();
  await giveUp(true);
  const block = await claimBlock(store, { ...claim, node: other });
  if (block === "taken") throw new Error("it was taken");
  expect(block.value.spec).toMatchObject({ affinity: "host:node-2", attributes: [{ handle_id: "a" }] });
  expect(states()).toEqual(["node-2 confirmed"]);
});
