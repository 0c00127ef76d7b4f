import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { CniServer } from "../../src/cni/server.ts";
import { releasesOf } from "../../src/ipam/release-journal.ts";
import type { Ip } from "../../src/net/ip.ts";
import { MortalIpam, reserveFaults, stopWell, warmUp } from "./cni-agent-ipam.ts";
import { type CniNode, storeIsAway } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

test("while the API server is away an ADD is given what is held, and is named once it is back", async ({ node }) => {
  const netns = node.addPod("web");
  const agent = await begin(node);
  await warmUp(agent.ipam);
  node.storeFault = recordsAreAway;
  expect((await node.call({ verb: "ADD", container, netns, pod: "web" })).exitCode).toBe(0);
  expect(node.addressesOf(container)).toEqual([]);
  const [attachment] = [...node.published.values()];
  node.storeFault = async () => ({});
  await expect.poll(() => node.addressesOf(container)).toEqual(attachment?.addresses);
  expect(reserveFaults(node)).toEqual([]);
  await node.connect(node.netns, netns, attachment?.addresses[0] ?? "");
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
  await agent.stop();
  await expectNothingLeft(node, netns);
});

test("while many pods ask, more is held for those to come, and Felix is told of them", async ({ node }) => {
  const pods = addPods(node, 12);
  const agent = await begin(node);
  const held: number[] = [];
  const coming: number[] = [];
  node.storeFault = async () => {
    coming.push(agent.server.podsToCome);
    held.push(node.held().filter(({ ip }) => !ip.includes(":")).length);
    return {};
  };
  const answers = await Promise.all(pods.map((pod) => node.call({ verb: "ADD", ...pod })));
  expect(answers.map(({ exitCode }) => exitCode)).toEqual(pods.map(() => 0));
  expect(Math.max(...held, node.held().length / 2)).toBeGreaterThan(8);
  expect(Math.max(...coming)).toBeGreaterThan(1);
  expect(agent.server.podsToCome).toBe(0);
  for (const pod of pods) expect((await node.call({ verb: "DEL", ...pod })).exitCode).toBe(0);
  await agent.stop();
  await expect.poll(() => node.leftovers()).toEqual([]);
});

test("with none left it says so, as without any", async ({ node }) => {
  const pods = addPods(node, 9);
  const agent = await begin(node);
  await warmUp(agent.ipam);
  node.storeFault = recordsAreAway;
  for (const pod of pods.slice(0, 8)) expect((await node.call({ verb: "ADD", ...pod })).exitCode, pod.pod).toBe(0);
  const addresses = [...node.published.values()].flatMap((one) => one.addresses);
  expect(new Set(addresses).size).toBe(8);
  const last = pods.slice(8);
  for (const pod of last) {
    const { json } = await node.call({ verb: "ADD", ...pod });
    expect(json).toMatchObject({ code: 11, msg: expect.stringMatching(/Cannot .*10\.96\.0\.1/) });
  }
  node.storeFault = async () => ({});
  await expect.poll(() => reserveFaults(node)).toEqual([]);
  expect(new Set(node.allocations().map(({ ip }) => ip))).toEqual(new Set(addresses));
  for (const pod of pods) expect((await node.call({ verb: "DEL", ...pod })).exitCode).toBe(0);
  await agent.stop();
  await expect.poll(() => node.leftovers()).toEqual([]);
});

test("what a killed agent gave and had not named, the next one names, and a DEL frees it", async ({ node }) => {
  const { netns, address } = await addAndKill(node);
  const next = await begin(node);
  await expect.poll(() => node.addressesOf(container)).toEqual([address]);
  // What it had for others is nobody's.
  expect(node.held()).toEqual([]);
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
  expect(node.allocations()).toEqual([]);
  await next.stop();
  await expectNothingLeft(node, netns);
});

test("a DEL right at the next agent's start frees it, whatever is named meanwhile", async ({ node }) => {
  for (let round = 0; round < 5; round++) {
    const { netns, address } = await addAndKill(node);
    const agent = new MortalIpam(node);
    const server = await node.serve({ ipam: agent.ipam });
    const del = node.call({ verb: "DEL", container, netns, pod: "web" });
    agent.begin();
    expect((await del).exitCode).toBe(0);
    await expect.poll(() => node.allocations()).toEqual([]);
    // It was the pod's, and no stray that nobody had.
    expect(lastReason(node, address)).toBe("DEL");
    await server.close();
    await stopWell(node, agent);
    await expectNothingLeft(node, netns);
  }
});

test("a DEL that came while there was no agent frees it", async ({ node }) => {
  const { netns, address } = await addAndKill(node);
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
  expect(node.held().map(({ ip }) => ip)).toContain(address);
  const next = await begin(node);
  await expect.poll(() => node.leftovers()).toEqual([]);
  await expect.poll(() => node.held()).toEqual([]);
  expect(lastReason(node, address)).toBe("DEL");
  await next.stop();
  await expectNothingLeft(node, netns);
});

test("a file that cannot be read keeps what is held, and no ADD", async ({ node }) => {
  const { netns, address } = await addAndKill(node);
  const path = join(node.folder, "attachments/other:eth0.json");
  writeFileSync(path, "{");
  const next = await begin(node);
  const [other, pod] = [node.addPod("db"), { container: "db", pod: "db" }];
  expect((await node.call({ verb: "ADD", ...pod, netns: other })).exitCode).toBe(0);
  expect((await node.call({ verb: "DEL", ...pod, netns: other })).exitCode).toBe(0);
  expect(node.held().map(({ ip }) => ip)).toContain(address);
  await rm(path);
  // Each look that fails is followed by a later one.
  await expect.poll(() => node.addressesOf(container), { timeout: 20_000 }).toEqual([address]);
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
  await next.stop();
  await expectNothingLeft(node, netns);
});

test("of two agents on a node the second leaves the first's alone, and takes over after its end", async ({ node }) => {
  const [one, two] = [node.addPod("one"), node.addPod("two")];
  const first = new MortalIpam(node);
  await warmUp(first.ipam);
  const held = node.held().map(({ ip }) => ip);
  expect(held.filter((ip) => !ip.includes(":"))).toHaveLength(8);
  const second = await begin(node);
  const add = (pod: string, netns: string) => node.call({ verb: "ADD", container: pod, netns, pod });
  expect((await add("one", one)).exitCode).toBe(0);
  const given = node.addressesOf("one");
  expect(given.map((ip) => held.includes(ip))).toEqual([false]);
  expect(node.held().map(({ ip }) => ip)).toEqual(held);
  // The first still gives of it.
  const request = { v4: 1, v6: 0, attributes: {}, mayBeNamedLater: true };
  const [late] = await first.ipam.assign({ ...request, handle: "late" });
  expect(held).toContain(late?.ip);
  await first.ipam.release("late", "DEL");
  first.kill();
  expect((await add("two", two)).exitCode).toBe(0);
  await expect.poll(() => node.held().filter(({ ip }) => held.includes(ip))).toEqual([]);
  await expect.poll(() => node.held().filter(({ ip }) => !ip.includes(":")).length).toBe(8);
  for (const [pod, netns] of [
    ["one", one],
    ["two", two],
  ] as const) {
    expect((await node.call({ verb: "DEL", container: pod, netns, pod })).exitCode).toBe(0);
  }
  await second.stop();
  await expectNothingLeft(node, two);
});

// --- internal ---

/** The API server's records are away; what the agent follows it still has. */
const recordsAreAway: CniNode["storeFault"] = async (call) =>
  /^(blocks|handles|affinities) /.test(call) ? storeIsAway() : {};

function addPods(node: CniNode, count: number) {
  const names = Array.from({ length: count }, (_, number) => `web-${number}`);
  return names.map((pod) => ({ pod, container: `${container}-${pod}`, netns: node.addPod(pod) }));
}

interface RunningAgent extends Pick<MortalIpam, "ipam"> {
  readonly server: CniServer;
  /** A good end; rejects when it leaves anything held. */
  stop(): Promise<void>;
}

/** An agent that serves the node. */
async function begin(node: CniNode): Promise<RunningAgent> {
  let server: CniServer | undefined;
  const agent = new MortalIpam(node, { isBusy: () => server?.isBusy === true });
  server = await node.serve({ ipam: agent.ipam }, { retryMs: 20 });
  agent.begin();
  const stop = async () => {
    await server.close();
    await stopWell(node, agent);
  };
  return { ipam: agent.ipam, server, stop };
}

/** Why the address was given back last. */
function lastReason(node: CniNode, address: Ip | undefined): string | undefined {
  const records = [...node.cluster.blocks.values()].flatMap(({ value }) => releasesOf(value));
  return records.findLast(({ ip }) => ip === address)?.why;
}

/** An ADD by an agent that is killed before it names what it gave. */
async function addAndKill(node: CniNode) {
  const netns = node.addPod("web");
  const agent = new MortalIpam(node, { isBusy: () => true });
  const server = await node.serve({ ipam: agent.ipam });
  await warmUp(agent.ipam);
  expect((await node.call({ verb: "ADD", container, netns, pod: "web" })).exitCode).toBe(0);
  agent.kill();
  await server.close();
  const [address] = [...node.published.values()].flatMap(({ addresses }) => addresses);
  expect(node.held().map(({ ip }) => ip)).toContain(address);
  expect(node.allocations()).toEqual([]);
  return { netns, address };
}
