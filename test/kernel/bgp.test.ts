import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { torConfig } from "../../lab/tor.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { BirdControl } from "../../src/bgp/bird/bird-control.ts";
import { BirdConfigError, BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import { readBirdStatus } from "../../src/bgp/bird/read-bird-status.ts";
import { planBgp } from "../../src/bgp/plan/plan-bgp.ts";
import { addNodeStatus } from "../../src/cli/node-status.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { birdControlContract } from "../contract/bird.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";
import { addThreeNodes } from "./three-nodes.ts";

const words = {
  nodes: {
    "node-1": { ips: ["172.18.1.2"] },
    "node-2": { ips: ["172.18.1.3"] },
    "node-3": { ips: ["172.18.2.2"] },
  },
  pools: { "192.168.0.0/16": {}, "10.50.0.0/16": { disableBGPExport: true } },
  blocks: {
    "192.168.1.0/26": "host:node-1",
    "192.168.2.0/26": "host:node-2",
    "192.168.3.0/26": "host:node-3",
    "10.50.1.0/26": "host:node-1",
  },
  peers: {
    "rack-1": { peerIP: "172.18.1.1", asNumber: 64513, nodeSelector: "rack == '1'" },
    "rack-2": { peerIP: "172.18.2.1", asNumber: 64513, node: "node-3" },
  },
} as const satisfies ClusterWords;

const withRacks: ClusterWords = {
  ...words,
  nodes: {
    "node-1": { ...words.nodes["node-1"], labels: { rack: "1" } },
    "node-2": { ...words.nodes["node-2"], labels: { rack: "1" } },
    "node-3": { ...words.nodes["node-3"], labels: { rack: "2" } },
  },
};

/** Routes that BIRD must neither change nor announce: an operator's, and a pod's. */
const foreignRoutes = ["203.0.113.0/24 via 172.18.1.1 dev eth0", "192.168.1.5 dev cali0 scope link"] as const;

const atFirst = {
  "node-1": [
    "192.168.2.0/26 via 172.18.1.3",
    "192.168.3.0/26 via 172.18.1.1",
    "blackhole 10.50.1.0/26",
    "blackhole 192.168.1.0/26",
  ],
  "node-2": ["192.168.1.0/26 via 172.18.1.2", "192.168.3.0/26 via 172.18.1.1", "blackhole 192.168.2.0/26"],
  "node-3": ["192.168.1.0/26 via 172.18.2.1", "192.168.2.0/26 via 172.18.2.1", "blackhole 192.168.3.0/26"],
  router: ["192.168.1.0/26 via 172.18.1.2", "192.168.2.0/26 via 172.18.1.3", "192.168.3.0/26 via 172.18.2.2"],
};

/** Gives up by itself, so that a failed test leaves nothing. */
const answerOnce = `
  setTimeout(() => process.exit(1), 20000).unref();
  const server = require("node:net").createServer((socket) => {
    socket.end("hello " + socket.remoteAddress);
    server.close();
  });
  server.listen(7000, process.argv[1]);`;

/** Tries until the server is up. */
const ask = `
  setTimeout(() => process.exit(1), 20000).unref();
  const [, host, localAddress] = process.argv;
  const connect = () =>
    require("node:net")
      .connect({ host, port: 7000, localAddress })
      .on("error", () => setTimeout(connect, 50))
      .pipe(process.stdout);
  connect();`;

describe("three nodes in two racks, configured from a snapshot only", () => {
  let fabric: BgpFabric;
  let hosts: Readonly<Record<string, FabricHost>>;
  let daemons: Readonly<Record<string, BirdDaemon>>;
  const hostOf = (name: string) => hosts[name] as FabricHost;
  const daemonOf = (name: string) => daemons[name] as BirdDaemon;

  beforeAll(async () => {
    fabric = await BgpFabric.create();
    hosts = await addThreeNodes(fabric);
    const host = new LinuxHost();
    daemons = Object.fromEntries(Object.entries(hosts).map(([name, one]) => [name, new BirdDaemon({ host, ...one })]));
    const pod = ["link", "add", "cali0", "up", "type", "veth", "peer", "name", "pod0"];
    await fabric.ip(hostOf("node-1"), ...pod);
    await fabric.ip(hostOf("node-1"), "link", "set", "pod0", "up");
    for (const route of foreignRoutes) await fabric.ip(hostOf("node-1"), "route", "add", ...route.split(" "));
  });
  afterAll(() => fabric[Symbol.asyncDispose]());

  function textFor(node: string, snapshot: Snapshot): string {
    const config = planBgp(bgpInputs(snapshot, nodeName(node)));
    if (!config) throw new Error(`${node} has no plan`);
    expect(config.rejected).toEqual([]);
    return renderBird(config);
  }

  async function applyEverywhere(cluster: ClusterWords): Promise<readonly string[]> {
    const snapshot = clusterSnapshot({ ...withRacks, ...cluster });
    const nodes = Object.keys(words.nodes);
    return Promise.all(nodes.map((node) => daemonOf(node).apply(textFor(node, snapshot))));
  }

  async function expectRoutes(expected: Readonly<Record<string, readonly string[]>>): Promise<void> {
    await eventually(async () => {
      for (const [name, routes] of Object.entries(expected)) {
        expect({ [name]: await fabric.birdRoutes(hostOf(name)) }).toEqual({ [name]: routes });
      }
    });
  }

  async function sessionsOf(name: string): Promise<readonly string[]> {
    const { sessions } = await readBirdStatus(hostOf(name).socketPath);
    return sessions.map((session) => `${session.name} ${session.state} ${session.since}`);
  }

  async function lastReconfigurationOf(name: string): Promise<string> {
    using control = await BirdControl.connect(hostOf(name).socketPath);
    const { lines } = await control.command("show status");
    const line = lines.find(({ text }) => text.includes("Last reconfiguration on"));
    if (line === undefined) throw new Error(`${name} does not tell its last reconfiguration`);
    return line.text;
  }

  async function expectAllEstablished(): Promise<void> {
    await eventually(async () => {
      for (const name of Object.keys(hosts)) {
        const { sessions } = await readBirdStatus(hostOf(name).socketPath);
        expect(sessions).toHaveLength(3);
        for (const session of sessions) expect(session).toMatchObject({ state: "Established" });
      }
    });
  }

  test("a configuration for a BIRD that does not run yet is put in place", async () => {
    expect(await applyEverywhere(withRacks)).toEqual(["not running", "not running", "not running"]);
    const neighbours = Object.values(words.nodes).map(({ ips }) => ({ address: ips[0], as: 64512 }));
    const tor = torConfig({ routerId: "172.18.0.1", as: 64513, neighbours });
    expect(await daemonOf("router").apply(tor)).toBe("not running");
  });

  test("every session comes up: the mesh, and each rack's router", async () => {
    for (const host of Object.values(hosts)) await fabric.startBird(host);
    await expectAllEstablished();
    const names = (await readBirdStatus(hostOf("node-1").socketPath)).sessions.map((session) => session.name);
    expect(names).toEqual(["Mesh_172_18_1_3", "Mesh_172_18_2_2", "Node_172_18_1_1"]);
  });

  test("each FIB holds the others' blocks: direct in a rack, by the rack's router across; the router knows each owner", async () => {
    await expectRoutes(atFirst);
  });

  test("a packet finds its way across racks and back", async () => {
    for (const [node, address] of [
      ["node-1", "192.168.1.9/32"],
      ["node-3", "192.168.3.9/32"],
    ] as const) {
      await fabric.ip(hostOf(node), "address", "add", address, "dev", "lo");
    }
    const server = fabric.run(hostOf("node-3"), process.execPath, "-e", answerOnce, "192.168.3.9");
    const answer = await fabric.run(hostOf("node-1"), process.execPath, "-e", ask, "192.168.3.9", "192.168.1.9");
    expect(answer).toBe("hello 192.168.1.9");
    await server;
  });

  test("foreign routes are as they were, and nobody else has them", async () => {
    await expectForeignRoutes();
    for (const name of ["node-2", "node-3", "router"]) {
      const routes = await fabric.ip(hostOf(name), "route");
      expect(routes).not.toMatch(/203\.0\.113\.0|192\.168\.1\.5|10\.50\./);
    }
  });

  test("the same configuration again is no reconfiguration once BIRD took it over", async () => {
    expect(await applyEverywhere(withRacks)).toEqual(["applied", "applied", "applied"]);
    const before = await lastReconfigurationOf("node-1");
    expect(await applyEverywhere(withRacks)).toEqual(["unchanged", "unchanged", "unchanged"]);
    expect(await lastReconfigurationOf("node-1")).toBe(before);
  });

  test("a text that BIRD refuses changes nothing, and the error quotes BIRD", async () => {
    const before = await sessionsOf("node-1");
    const refused = daemonOf("node-1").apply("router id 172.18.1.2;\nprotocol bgp 5 {\n}\n");
    await expect(refused).rejects.toThrow(BirdConfigError);
    await expect(refused).rejects.toThrow(/node-1\.conf\.candidate:2:\d+ syntax error/);
    expect(await sessionsOf("node-1")).toEqual(before);
    expect(await applyEverywhere(withRacks)).toEqual(["unchanged", "unchanged", "unchanged"]);
  });

  test("a new block and a borrowed address are announced, and withdrawn again, with no session touched", async () => {
    const before = await sessionsOf("node-3");
    await fabric.ip(hostOf("node-1"), "route", "add", "192.168.2.7", "dev", "cali0");
    const blocks = { ...words.blocks, "192.168.1.64/26": "host:node-1" };
    await applyEverywhere({ ...withRacks, blocks, attached: ["192.168.2.7"] });
    const more = (via: string, ...rest: readonly string[]) =>
      ["192.168.1.0/26", "192.168.1.64/26"].map((block) => `${block} via ${via}`).concat(rest);
    await expectRoutes({
      "node-2": more(
        "172.18.1.2",
        "192.168.2.7 via 172.18.1.2",
        "192.168.3.0/26 via 172.18.1.1",
        "blackhole 192.168.2.0/26",
      ),
      "node-3": more(
        "172.18.2.1",
        "192.168.2.0/26 via 172.18.2.1",
        "192.168.2.7 via 172.18.2.1",
        "blackhole 192.168.3.0/26",
      ),
      router: more(
        "172.18.1.2",
        "192.168.2.0/26 via 172.18.1.3",
        "192.168.2.7 via 172.18.1.2",
        "192.168.3.0/26 via 172.18.2.2",
      ),
    });
    await applyEverywhere(withRacks);
    await expectRoutes(atFirst);
    expect(await sessionsOf("node-3")).toEqual(before);
    await expectForeignRoutes();
  });

  test("while a BIRD is dead its blocks stay reachable, and it comes back", async () => {
    await fabric.killBird(hostOf("node-3"));
    await eventually(async () => {
      expect((await sessionsOf("node-1")).join()).not.toContain("Mesh_172_18_2_2 Established");
    });
    await expectRoutes(atFirst);
    await fabric.startBird(hostOf("node-3"));
    await expectAllEstablished();
    await expectRoutes(atFirst);
  });

  test("`node status` shows them", async () => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    const program = new Command();
    addNodeStatus(program);
    try {
      await program.parseAsync(["node", "status", "--socket", hostOf("node-1").socketPath], { from: "user" });
      const shown = write.mock.calls.join("");
      expect(shown).toMatch(/\| 172\.18\.1\.3 +\| node-to-node mesh \| up +\| [\d: -]+ \| Established \|/);
      expect(shown).toMatch(/\| 172\.18\.1\.1 +\| node specific /);
    } finally {
      write.mockRestore();
    }
  });

  describe("BIRD's control socket", () => {
    birdControlContract(() => ({
      socketPath: hostOf("node-2").socketPath,
      kill: () => fabric.killBird(hostOf("node-2")),
    }));
  });

  test("a BIRD that ends leaves the kernel's foreign routes", async () => {
    await fabric.killBird(hostOf("node-1"));
    await expectForeignRoutes();
  });

  async function expectForeignRoutes(): Promise<void> {
    const routes = (await fabric.ip(hostOf("node-1"), "route")).split("\n").map((line) => line.trim());
    expect(routes).toEqual(expect.arrayContaining([...foreignRoutes]));
  }
});

function eventually(check: () => Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 90_000, interval: 200 });
}
