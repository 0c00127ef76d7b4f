import { afterAll, beforeAll, expect, test } from "vitest";
import { type NodeName, systemNamespace } from "../../src/api/names.ts";
import { emptySnapshot, type Snapshot } from "../../src/api/snapshot.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import type { Ip } from "../../src/net/ip.ts";
import { slotsOf } from "../scenario/ipam/block-rules.ts";
import { requestOf } from "../scenario/ipam/settings.ts";
import { type CampaignFigures, campaign } from "./ipam-campaign.ts";
import { group, type IpamCluster, startIpamCluster } from "./ipam-cluster.ts";
import { type Answers, Collection, readSnapshot, staleClient } from "./ipam-collected.ts";

let cluster: IpamCluster;

beforeAll(async () => {
  cluster = await startIpamCluster();
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: systemNamespace } };
  await cluster.create("/api/v1/namespaces", namespace);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

test("agents killed and replies lost: no address is two pods', none is taken from a pod, none is left over", async () => {
  await cluster.clear();
  await createPool("four", "10.0.0.0/26", 29);
  await createPool("six", "2001:db8::/122", 126);
  const { client, relay, relayed: kubeconfig } = cluster;
  const until = ({ given, kills, cuts }: CampaignFigures) => given >= 40 && kills >= 3 && cuts >= 2;
  const figures = await campaign({ client, relay, kubeconfig, nodes, pods: 18, until, random: Math.random });
  expect(figures.released).toBeGreaterThan(0);
});

test("a leaked address comes free, and one on a live interface never does", async () => {
  const { live, leaked, collection, answers } = await holders();
  await collection(await readSnapshot(cluster.client)).pass(4, answers, nodes);
  expect((await held()).toSorted()).toEqual(live.toSorted());
  expect(leaked).toHaveLength(1);
});

test("all pools deleted: no live address is freed", async () => {
  const { live, collection, answers } = await holders();
  await cluster.client.request("DELETE", `${group}/ippools`);
  await collection(await readSnapshot(cluster.client)).pass(4, answers, nodes);
  expect(await held()).toEqual(expect.arrayContaining([...live]));
});

test("all Nodes deleted: no live address is freed while the agents renew their Leases, whether they answer or not", async () => {
  const { live, leaked, collection, answers } = await holders();
  await cluster.client.request("DELETE", "/api/v1/nodes");
  const collector = collection(await readSnapshot(cluster.client));
  await collector.pass(4, new Map(), nodes);
  expect(collector.freed).toEqual([]);
  await collector.pass(4, answers, nodes);
  expect(await held()).toEqual(expect.arrayContaining([...live]));
  expect(collector.freed.filter((ip) => !leaked.includes(ip))).toEqual([]);
});

test("collection that starts with an empty cache, or one without pods and nodes, frees nothing that is live", async () => {
  const { live, collection, answers } = await holders();
  const { ipamBlock, blockAffinity, ipamHandle } = await readSnapshot(cluster.client);
  for (const known of [{}, { ipamBlock }, { ipamBlock, blockAffinity, ipamHandle }]) {
    await collection({ ...emptySnapshot(), ...known }).pass(4, answers, nodes);
    await collection({ ...emptySnapshot(), ...known }).pass(4, new Map(), nodes);
    expect(await held()).toEqual(expect.arrayContaining([...live]));
  }
});

test("an API server that answers as it once did, and agents too: addresses given anew since are kept", async () => {
  const first = await holders();
  const snapshot = await readSnapshot(cluster.client);
  const old = staleClient(cluster.client);
  for (const [index, node] of nodes.entries()) {
    await old.request("GET", `/api/v1/nodes/${node}`);
    for (const handle of handlesOf(index)) await first.agents[index]?.release(handle, "DEL");
  }
  const live = await giveAll(first.agents, "anew");
  const nobody = new Map(nodes.map((node) => [node, []]));
  const collector = new Collection(old, snapshot);
  // The third pass acts; a fourth would be stopped by the interlock, which is another safeguard.
  await collector.pass(3, nobody, nodes);
  expect(await held()).toEqual(expect.arrayContaining([...live]));
  expect(collector.freed.filter((ip) => live.includes(ip))).toEqual([]);
});

// --- internal ---

const nodes = ["node-1", "node-2", "node-3"].map((name) => name as NodeName);

/** Three nodes with three pods each, whose Pod objects nobody has, and one address that has leaked. */
async function holders() {
  await cluster.clear();
  await createPool("four", "10.0.0.0/28", 30);
  for (const name of nodes) {
    await cluster.create("/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name } });
  }
  const { client } = cluster;
  const store = new KubeIpamStore({ client, onRejected: () => undefined });
  const agents = nodes.map((node) => new Allocator({ store, node, clock: systemClock }));
  const live = await giveAll(agents, "first");
  const leaked = (await agents[0]?.assign(requestOf("leaked", "node-1" as NodeName, "v4")))?.map(({ ip }) => ip) ?? [];
  const answers: Answers = new Map(nodes.map((node, index) => [node, live.slice(index * 3, index * 3 + 3)]));
  return { live, leaked, agents, answers, collection: (snapshot: Snapshot) => new Collection(client, snapshot) };
}

async function giveAll(agents: readonly Allocator[], round: string): Promise<readonly Ip[]> {
  const given: Ip[] = [];
  for (const [index, node] of nodes.entries()) {
    for (const handle of handlesOf(index, round)) {
      const answer = await agents[index]?.assign(requestOf(handle, node, "v4"));
      given.push(...(answer ?? []).map(({ ip }) => ip));
    }
  }
  return given;
}

function handlesOf(node: number, round = "first"): readonly string[] {
  return [0, 1, 2].map((pod) => `${round}.${node}.${pod}`);
}

/** Every address that is held, as the blocks say; in order of giving it is the live ones' order. */
async function held(): Promise<readonly Ip[]> {
  const store = new KubeIpamStore({ client: cluster.client, onRejected: () => undefined });
  const slots = (await store.blocks.list()).flatMap(({ value }) => slotsOf(value));
  return slots.flatMap(({ ip, state }) => (state === "held" ? [ip] : []));
}

async function createPool(name: string, cidr: string, blockSize: number): Promise<void> {
  const pool = { apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name }, spec: { cidr, blockSize } };
  await cluster.create(`${group}/ippools`, pool);
}
