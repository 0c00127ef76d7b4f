import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readBirdStatus } from "../../src/bgp/bird/read-bird-status.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { BgpCluster, type ClusterNode } from "./bgp-cluster.ts";
import { UdpStreams } from "./udp-streams.ts";

/** How often each way to restart is tried; the more, the longer. */
const rounds = Number(process.env["MARGAY_BGP_ROUNDS"] ?? 1);

interface Way {
  /** What is another one afterwards. */
  readonly ends: "BIRD" | "agent" | "both";
  readonly begin: (node: ClusterNode) => Promise<void> | void;
}

/** The ways in which a node's BIRD, its container or its agent ends and comes back. */
const ways: Readonly<Record<string, Way>> = {
  "kill -9 of the container's first process": { ends: "BIRD", begin: (node) => node.signal("SIGKILL") },
  "SIGTERM alone, as `docker stop`": { ends: "BIRD", begin: (node) => node.signal("SIGTERM") },
  "graceful restart on the control socket": {
    ends: "BIRD",
    begin: async ({ host }) => {
      await new LinuxHost().run(["birdc", "-s", host.socketPath, "graceful", "restart"]);
    },
  },
  "kubelet: preStop, SIGTERM, grace, SIGKILL, start": {
    ends: "BIRD",
    begin: (node) => node.stopAsKubelet({ preStop: true }),
  },
  "kubelet without a preStop command": { ends: "BIRD", begin: (node) => node.stopAsKubelet({ preStop: false }) },
  "the agent alone": { ends: "agent", begin: (node) => node.restartAgent() },
  "the agent and BIRD together": {
    ends: "both",
    begin: async (node) => {
      node.signal("SIGKILL");
      await node.restartAgent();
    },
  },
};

const configuration = {
  default: { nodeMeshPassword: { secretKeyRef: { name: "bgp", key: "password" } } },
};

let cluster: BgpCluster;

beforeAll(async () => {
  cluster = await BgpCluster.create(4, { configuration });
  await cluster.changeSecrets({ "bgp/password": "first" }, 0);
  await cluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

async function lossesOf(work: () => Promise<void>): Promise<readonly string[]> {
  using streams = new UdpStreams();
  await streams.start([cluster.flow(1, 2), cluster.flow(2, 3), cluster.flow(3, 4), cluster.flow(4, 1)]);
  await work();
  const { sent, losses } = await streams.count();
  expect(sent).toBeGreaterThan(4_000);
  return losses;
}

/** Ends these nodes' BIRDs or agents, and waits until all is as it was; all of them must be others then. */
async function restart(nodes: readonly (readonly [ClusterNode, Way])[]): Promise<void> {
  const before = await Promise.all(nodes.map(([node]) => lifeOf(node)));
  await Promise.all(nodes.map(([node, { begin }]) => begin(node)));
  // Sessions fall at once; until then everything would look settled.
  await sleep(1_500);
  await cluster.settled();
  for (const [index, [node, { ends }]] of nodes.entries()) {
    const [was, is] = [before[index], await lifeOf(node)];
    expect({ bird: is.bird !== was?.bird, agent: is.agent !== was?.agent }).toEqual({
      bird: ends !== "agent",
      agent: ends !== "BIRD",
    });
  }
}

/** What tells one BIRD, and one agent, from the next. */
async function lifeOf({ host, bgp }: ClusterNode): Promise<{ readonly bird: string; readonly agent: unknown }> {
  return { bird: (await readBirdStatus(host.socketPath)).lastReboot, agent: bgp };
}

for (let round = 1; round <= rounds; round++) {
  for (const [name, way] of Object.entries(ways)) {
    test(`${name}: of one node, no packet is lost (${round})`, async () => {
      expect(await lossesOf(() => restart([[cluster.node("node-2"), way]]))).toEqual([]);
    });
  }

  test(`two nodes at once, and then every one: no packet is lost (${round})`, async () => {
    const kinds = Object.values(ways).filter(({ ends }) => ends !== "agent");
    for (const names of [["node-1", "node-3"], cluster.names]) {
      const nodes = names.map((name, index) => [cluster.node(name), kinds[index % kinds.length] as Way] as const);
      expect(await lossesOf(() => restart(nodes))).toEqual([]);
    }
  });

  test(`a mesh's password is changed under way, one node after the other: no packet is lost (${round})`, async () => {
    const before = await cluster.sessions("node-1");
    const losses = await lossesOf(async () => {
      await cluster.changeSecrets({ "bgp/password": `next-${round}` }, 300);
      await sleep(1_500);
      await cluster.settled();
    });
    expect(losses).toEqual([]);
    const after = await cluster.sessions("node-1");
    expect([...after.keys()]).toEqual([...before.keys()]);
    for (const [name, since] of after) expect(since, name).not.toBe(before.get(name));
  });
}

test("what holds passwords is nobody else's to read", () => {
  const { configPath } = cluster.node("node-1").host;
  const modes = [configPath, join(dirname(configPath), "running.json")].map((path) => statSync(path).mode & 0o777);
  expect(modes).toEqual([0o640, 0o600]);
});
