import { beforeEach, describe, expect, test } from "vitest";
import { InvalidObjectError } from "../../../src/api/invalid-object-error.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { claimBlock, isConfirmed, isLendable, loadOwnBlocks } from "../../../src/ipam/affinity.ts";
import { assignFromBlock, newBlock } from "../../../src/ipam/block.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { FakeCluster, FakeIpamStore, type Fault } from "../../fakes/ipam-store.ts";
import { node } from "./samples.ts";

const cidr = parseCidr("10.0.0.0/29");
const other = "node-2" as NodeName;
const claim = { node, cidr, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 7n };

let cluster: FakeCluster;
let store: FakeIpamStore;

beforeEach(() => {
  cluster = new FakeCluster();
  store = new FakeIpamStore(cluster);
});

function affinities(): readonly string[] {
  return [...cluster.affinities].map(([key, { value }]) => `${key} ${value.spec.state}`);
}

test("of two nodes that want one block one has it, and the other leaves nothing behind", async () => {
  const answers = await Promise.all([node, other].map((one) => claimBlock(store, { ...claim, node: one })));
  expect(answers.filter((answer) => answer === "taken")).toHaveLength(1);
  const owner = cluster.blocks.get(cidr)?.value.spec.affinity?.replace("host:", "");
  expect(affinities()).toEqual([`${owner} ${cidr} confirmed`]);
});

describe("of two blocks of different sizes that overlap", () => {
  const inner = { ...claim, node: other, cidr: parseCidr("10.0.0.4/30") };

  test("one that is confirmed keeps the other from being made", async () => {
    await claimBlock(store, claim);
    expect(await claimBlock(store, inner)).toBe("taken");
    expect([[...cluster.blocks.keys()], affinities()]).toEqual([[cidr], [`${node} ${cidr} confirmed`]]);
  });

  test("one at most is confirmed, whichever call of the one claim the other comes between", async () => {
    for (const [first, second] of [[claim, inner] as const, [inner, claim] as const]) {
      for (let at = 0, isAt = true; isAt; at++) {
        cluster = new FakeCluster();
        store = new FakeIpamStore(cluster);
        let calls = 0;
        isAt = false;
        const fault: Fault = async () => {
          if (calls++ !== at) return {};
          isAt = true;
          await claimBlock(store, second);
          return {};
        };
        await claimBlock(new FakeIpamStore(cluster, fault), first);
        expect([...cluster.blocks.keys()].length).toBeLessThanOrEqual(1);
        expect(affinities().length).toBe(cluster.blocks.size);
      }
    }
  });

  test("one that a crash left unconfirmed is taken back when it is loaded", async () => {
    const fault: Fault = async (call) => {
      if (call === "block networks") throw new Error("crashed");
      return {};
    };
    await expect(claimBlock(new FakeIpamStore(cluster, fault), inner)).rejects.toThrow("crashed");
    const { value } = cluster.blocks.get(inner.cidr) ?? {};
    expect(value !== undefined && (await isConfirmed(store, value))).toBe(false);
    cluster.blocks.set(cidr, { value: newBlock(cidr, claim), revision: cluster.nextRevision() });
    expect(await loadOwnBlocks(store, other)).toEqual([]);
    expect([[...cluster.blocks.keys()], affinities()]).toEqual([[cidr], []]);
  });
});

test("two processes of one node share the block that both claim", async () => {
  const answers = await Promise.all([1, 2].map(() => claimBlock(store, claim)));
  expect(answers.map((answer) => answer !== "taken" && answer.value.spec.cidr)).toEqual([cidr, cidr]);
  expect(affinities()).toEqual([`${node} ${cidr} confirmed`]);
});

test("a claim may be made again, whatever stands already", async () => {
  await claimBlock(store, claim);
  expect(await claimBlock(store, claim)).toEqual(cluster.blocks.get(cidr));
  cluster.affinities.clear();
  expect(await claimBlock(store, claim)).toEqual(cluster.blocks.get(cidr));
  expect(affinities()).toEqual([`${node} ${cidr} confirmed`]);
});

test.each([0, 1, 2, 3])("a crash before write %i leaves what the next claim finishes", async (crash) => {
  let writes = 0;
  const fault: Fault = async (call) => {
    if (call.endsWith("put") && writes++ === crash) throw new Error("crashed");
    return {};
  };
  await claimBlock(new FakeIpamStore(cluster, fault), claim).catch(() => {});
  expect(await claimBlock(store, claim)).not.toBe("taken");
  expect(affinities()).toEqual([`${node} ${cidr} confirmed`]);
  expect((await loadOwnBlocks(store, node)).map(({ value }) => value.spec.cidr)).toEqual([cidr]);
});

test("a claim that somebody gives up meanwhile is not ours", async () => {
  const fault: Fault = async (call) => {
    const [key, affinity] = [...cluster.affinities][0] ?? [];
    if (call !== "affinities put" || key === undefined || affinity === undefined) return {};
    const spec = { ...affinity.value.spec, state: "pendingDeletion" as const };
    cluster.affinities.set(key, { value: { ...affinity.value, spec }, revision: cluster.nextRevision() });
    return {};
  };
  expect(await claimBlock(new FakeIpamStore(cluster, fault), claim)).toBe("taken");
});

test("a block that cannot be read is left to others", async () => {
  const fault: Fault = async (call) => {
    if (call === "blocks get") throw new InvalidObjectError("IPAMBlock", "10-0-0-0-29", []);
    return {};
  };
  await claimBlock(store, { ...claim, node: other });
  expect(await claimBlock(new FakeIpamStore(cluster, fault), claim)).toBe("taken");
  expect(affinities()).toEqual([`${other} ${cidr} confirmed`]);
});

test("a node's own blocks are those that it has confirmed and that say so themselves", async () => {
  await claimBlock(store, claim);
  await claimBlock(store, { ...claim, node: other, cidr: parseCidr("10.0.0.8/29") });
  const foreign = { ...claim, cidr: parseCidr("10.0.0.16/29") };
  await claimBlock(store, foreign);
  cluster.blocks.set(foreign.cidr, { value: newBlock(foreign.cidr, { ...foreign, node: other }), revision: "99" });
  expect((await loadOwnBlocks(store, node)).map(({ value }) => value.spec.cidr)).toEqual([cidr]);
});

test("another node's block lends while it has room; a load balancer's, a strict one and our own never", () => {
  const block = newBlock(cidr, claim);
  const like = (spec: Partial<typeof block.spec>) => ({ ...block, spec: { ...block.spec, ...spec } });
  expect(isLendable(block, other)).toBe(true);
  expect(isLendable(like({ affinity: undefined }), other)).toBe(true);
  expect(isLendable(block, node)).toBe(false);
  expect(isLendable(like({ affinity: "virtual:load-balancer" }), other)).toBe(false);
  expect(isLendable(like({ strictAffinity: true }), other)).toBe(false);
  expect(isLendable(assignFromBlock(block, { handle: "a", count: 8, attributes: {} }).block, other)).toBe(false);
});
