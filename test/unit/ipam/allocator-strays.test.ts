import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "vitest";
import { isReserve } from "../../../src/api/ipam-block.ts";
import { Allocator } from "../../../src/ipam/allocator.ts";
import { allocationsOf } from "../../../src/ipam/block.ts";
import type { LateWork } from "../../../src/ipam/record-keeper.ts";
import type { Owners, ReserveOptions } from "../../../src/ipam/reserve-options.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { FakeCluster, FakeIpamStore, type Fault } from "../../fakes/ipam-store.ts";
import { instantClock, node, pool, request } from "./samples.ts";

const nobody: Owners = { byAddress: new Map(), areAll: true };

/** An allocator that holds addresses; its looks at them are made only when a test says so. */
function agentOf(
  cluster: FakeCluster,
  { owners = async () => nobody, fault }: { owners?: ReserveOptions["owners"]; fault?: Fault } = {},
) {
  const works = new Map<string, () => Promise<void>>();
  const late: LateWork = { put: (key, work) => void works.set(key, work), drop: (key) => void works.delete(key) };
  const lost: string[] = [];
  const reserve = { mostOf: () => 8, isSole: () => true, owners, onLost: (sentence: string) => lost.push(sentence) };
  // Nothing here waits for the next look.
  const sleep: typeof instantClock.sleep = (ms, signal) =>
    ms < 5000 ? tick() : new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const clock = { ...instantClock, sleep };
  const ipam = new Allocator({ store: new FakeIpamStore(cluster, fault), node, clock, late, reserve });
  const look = async () => {
    ipam.begin();
    await Promise.all([...works.values()].map((work) => work()));
  };
  return { ipam, look, lost };
}

function clusterOf(): FakeCluster {
  const cluster = new FakeCluster();
  cluster.pools = [pool("four", { cidr: "10.0.0.0/24" })];
  return cluster;
}

function handlesIn(cluster: FakeCluster) {
  const all = [...cluster.blocks.values()].flatMap(({ value }) => allocationsOf(value));
  const held = all.filter(({ attribute }) => isReserve(attribute));
  const named = all.filter(({ attribute }) => !isReserve(attribute));
  return { held: held.map(({ ip }) => ip), named: named.map(({ attribute }) => attribute.handle_id) };
}

const later = { mayBeNamedLater: true };

/** A cluster in which an earlier process of the node held eight addresses; answers them. */
async function leftByAnother(cluster: FakeCluster) {
  const earlier = agentOf(cluster);
  await earlier.ipam.assign(request("warm-up", later));
  await earlier.ipam.release("warm-up", "DEL");
  return handlesIn(cluster).held;
}

test("a release frees what an earlier process gave its handle and had not named", async () => {
  const cluster = clusterOf();
  const [ip = parseIp("0.0.0.0"), other = parseIp("0.0.0.0")] = await leftByAnother(cluster);
  const holder = (handle: string) => ({ handle, attributes: {} });
  const byAddress = new Map([
    [ip, holder("web")],
    [other, holder("db")],
  ]);
  const { ipam } = agentOf(cluster, { owners: async () => ({ byAddress, areAll: true }) });
  expect(await ipam.release("web", "DEL")).toEqual([ip]);
  // The rest is none of its business.
  expect(handlesIn(cluster).held).toHaveLength(7);
});

test("while it cannot be told whose that is, only the look fails", async () => {
  const cluster = clusterOf();
  const held = await leftByAnother(cluster);
  const owners = () => Promise.reject(new Error("Cannot read a file"));
  const { ipam, look } = agentOf(cluster, { owners });
  expect(await ipam.assign(request("web"))).toHaveLength(1);
  expect(await ipam.release("web", "DEL")).toHaveLength(1);
  await expect(look()).rejects.toThrow("Cannot read a file");
  expect(handlesIn(cluster).held).toEqual(expect.arrayContaining([...held]));
});

test("a good end gives back what a look that was under way has taken", async () => {
  const cluster = clusterOf();
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let holds = false;
  const fault: Fault = async (call) => {
    if (!holds || call !== "blocks put") return {};
    holds = false;
    asked.resolve();
    await answer.promise;
    return {};
  };
  const { ipam, look } = agentOf(cluster, { fault });
  await ipam.assign(request("web", later));
  await ipam.assign(request("db", later));
  holds = true;
  const looking = look();
  await asked.promise;
  const stopped = ipam.stop();
  answer.resolve();
  await Promise.all([looking, stopped]);
  expect(handlesIn(cluster)).toEqual({ held: [], named: ["web", "db"] });
});

test("a good end frees what an earlier process left, and could not be freed before", async () => {
  const cluster = clusterOf();
  await leftByAnother(cluster);
  let areAll = false;
  const { ipam, look } = agentOf(cluster, { owners: async () => ({ ...nobody, areAll }) });
  await expect(look()).rejects.toThrow(/an ADD is under way/);
  areAll = true;
  await ipam.stop();
  expect(handlesIn(cluster).held).toEqual([]);
});

test("writes whose answers are lost never hold more than two agents would", async () => {
  const cluster = clusterOf();
  let lost = 0;
  const fault: Fault = async (call) =>
    call === "blocks put" && lost++ % 2 === 1 ? { reply: new Error("the answer is lost") } : {};
  const { ipam } = agentOf(cluster, { fault, owners: async () => ({ ...nobody, areAll: false }) });
  for (let number = 0; number < 12; number++) {
    await ipam.assign(request(`web-${number}`, { addresses: [parseIp(`10.0.0.${40 + number}`)], v4: 0 }));
    await ipam.assign(request(`db-${number}`, later));
    expect(handlesIn(cluster).held.length).toBeLessThanOrEqual(16);
  }
  expect(lost).toBeGreaterThan(12);
});
