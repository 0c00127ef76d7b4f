/** Our nodes with routers of three makes: as top-of-rack switches, and as route reflectors. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BirdControl } from "../../src/bgp/bird/bird-control.ts";
import { BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import { planBgp } from "../../src/bgp/plan/plan-bgp.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";
import { startBird } from "./routers/bird-router.ts";
import { startFrr } from "./routers/frr-router.ts";
import { startGobgp } from "./routers/gobgp-router.ts";
import type { Router, RouterNeighbour, StartRouter } from "./routers/router.ts";
import { addThreeNodes, threeAddresses } from "./three-nodes.ts";

const addresses = threeAddresses;
type NodeName = keyof typeof addresses;
const names = Object.keys(addresses) as NodeName[];

const cluster: ClusterWords = {
  nodes: {
    "node-1": { ips: [addresses["node-1"]], labels: { rack: "1" } },
    "node-2": { ips: [addresses["node-2"]], labels: { rack: "1" } },
    "node-3": { ips: [addresses["node-3"]], labels: { rack: "2" } },
  },
  pools: { "192.168.0.0/16": {} },
  blocks: { "192.168.1.0/26": "host:node-1", "192.168.2.0/26": "host:node-2", "192.168.3.0/26": "host:node-3" },
};

/** Three nodes in two racks, whose BIRDs are configured from a snapshot, and a place for a router. */
class Stage implements AsyncDisposable {
  readonly fabric: BgpFabric;
  readonly router: FabricHost;
  readonly reflector: FabricHost;
  readonly nodes: Readonly<Record<NodeName, FabricHost>>;
  readonly #daemons: ReadonlyMap<NodeName, BirdDaemon>;

  static async create(): Promise<Stage> {
    const fabric = await BgpFabric.create();
    const { router, ...nodes } = await addThreeNodes(fabric);
    const link = { rack: "rack1", gateway: "172.18.1.1", address: "172.18.1.9/24" };
    return new Stage({ fabric, router, reflector: await fabric.addNode("reflector", router, link), nodes });
  }

  private constructor({ fabric, router, reflector, nodes }: Pick<Stage, "fabric" | "router" | "reflector" | "nodes">) {
    this.fabric = fabric;
    this.router = router;
    this.reflector = reflector;
    this.nodes = nodes;
    const host = new LinuxHost();
    this.#daemons = new Map(names.map((name) => [name, new BirdDaemon({ host, ...nodes[name] })]));
  }

  /** Has every node work by these objects. */
  async configure(words: Partial<ClusterWords>, password?: string): Promise<void> {
    const snapshot = clusterSnapshot({ ...cluster, ...words });
    for (const name of names) {
      const secrets = new Map(password === undefined ? [] : [["router/password", { text: password }]]);
      const config = planBgp({ ...bgpInputs(snapshot, nodeName(name)), secrets });
      if (config === undefined) throw new Error(`${name} has no plan`);
      expect(config.rejected).toEqual([]);
      await this.#daemons.get(name)?.apply(renderBird(config));
    }
  }

  async startAll(): Promise<void> {
    for (const name of names) await this.fabric.startBird(this.nodes[name]);
  }

  routes(name: NodeName): Promise<readonly string[]> {
    return this.fabric.birdRoutes(this.nodes[name]);
  }

  /** What BIRD of a node answers. */
  async ask(name: NodeName, command: string): Promise<string> {
    using control = await BirdControl.connect(this.nodes[name].socketPath);
    return (await control.command(command)).lines.map(({ text }) => text).join("\n");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.fabric[Symbol.asyncDispose]();
  }
}

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 200 });

/** What follows on what came before, with the same routers; those of different makes are side by side, and mostly wait. */
const step = (name: string, run: () => Promise<void>) => test(name, { concurrent: false }, run);

const makes: readonly [string, StartRouter, { readonly bfd: boolean }][] = [
  ["BIRD", startBird, { bfd: true }],
  ["FRR", startFrr, { bfd: true }],
  ["GoBGP", startGobgp, { bfd: false }],
];

describe.each(makes)(
  "%s as the router of every rack, in an AS of its own",
  { concurrent: true },
  (_, start, { bfd }) => {
    let stage: Stage;
    let router: Router;
    const password = "open-sesame";

    /** The nodes share an AS, and take routes in which it stands already. */
    const words: Partial<ClusterWords> = {
      configuration: {
        default: {
          nodeToNodeMeshEnabled: false,
          communities: [{ name: "ours", value: "64512:100" }],
          prefixAdvertisements: [{ cidr: "192.168.0.0/16", communities: ["ours", "64512:200"] }],
        },
      },
      filters: {
        narrow: { importV4: [{ matchOperator: "In", cidr: "10.99.0.0/16", action: "Reject" }] },
      },
      peers: Object.fromEntries(
        ["1", "2"].map((rack) => [
          `rack-${rack}`,
          {
            ...{ nodeSelector: `rack == '${rack}'`, peerIP: `172.18.${rack}.1`, asNumber: 64513 },
            ...{ numAllowedLocalASNumbers: 1, filters: ["narrow"], ...(bfd ? { bfd: "Enabled" } : {}) },
            password: { secretKeyRef: { name: "router", key: "password" } },
          },
        ]),
      ),
    };
    const neighbour = (address: string): RouterNeighbour => ({
      ...{ address, as: 64512, isClient: false, password, bfd },
      local: address.replace(/\d+$/, "1"),
    });

    beforeAll(async () => {
      stage = await Stage.create();
      await stage.configure(words, password);
      await stage.startAll();
      router = await start(stage.fabric, stage.router, {
        ...{ routerId: "172.18.0.1", as: 64513, neighbours: Object.values(addresses).map(neighbour) },
        announces: ["198.51.100.0/24", "10.99.1.0/24"],
      });
    });
    afterAll(async () => {
      await router[Symbol.asyncDispose]();
      await stage[Symbol.asyncDispose]();
    });

    const allRoutes = () =>
      eventually(async () => {
        expect(await router.established()).toEqual(Object.values(addresses));
        expect(await stage.routes("node-3")).toEqual([
          ...["192.168.1.0/26", "192.168.2.0/26", "198.51.100.0/24"].map((network) => `${network} via 172.18.2.1`),
          "blackhole 192.168.3.0/26",
        ]);
      });

    step(
      "sessions with a password come up, blocks cross the racks, and what the filter forbids does not arrive",
      async () => {
        await allRoutes();
      },
    );

    step("the router sees each block once, with its communities", async () => {
      const learned = await router.learned();
      expect([...learned.keys()].sort()).toEqual(["192.168.1.0/26", "192.168.2.0/26", "192.168.3.0/26"]);
      const paths = learned.get("192.168.1.0/26") ?? [];
      const direct = paths.filter(({ nextHop }) => nextHop === addresses["node-1"]);
      expect(direct).toEqual([
        { nextHop: addresses["node-1"], asPath: [64512], communities: ["64512:100", "64512:200"] },
      ]);
    });

    step("the router keeps a node's routes while its BIRD is dead", async () => {
      await stage.fabric.killBird(stage.nodes["node-1"]);
      await eventually(async () => expect(await router.established()).not.toContain(addresses["node-1"]));
      expect((await router.learned()).get("192.168.1.0/26")).toBeDefined();
      expect(await stage.routes("node-3")).toContain("192.168.1.0/26 via 172.18.2.1");
      await stage.fabric.startBird(stage.nodes["node-1"]);
      await allRoutes();
    });

    step("the nodes keep the router's routes while it is dead", async () => {
      const before = await stage.routes("node-3");
      await router.kill();
      await eventually(async () => expect(await stage.ask("node-3", "show protocols")).not.toContain("Established"));
      expect(await stage.routes("node-3")).toEqual(before);
      await router.restart();
      await allRoutes();
    });

    step("another password keeps the session down; the right one brings it up again", async () => {
      await stage.configure(words, "sesame-open");
      await eventually(async () => expect(await router.established()).toEqual([]));
      // Long enough for several attempts.
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      expect(await router.established()).toEqual([]);
      await stage.configure(words, password);
      await allRoutes();
    });

    // GoBGP has none.
    if (!bfd) return;
    step("BFD watches over each session", async () => {
      await eventually(async () => {
        for (const name of names)
          expect(await stage.ask(name, "show bfd sessions")).toMatch(/172\.18\.[12]\.1 .*\bUp\b/);
      });
    });
  },
);

describe.each(makes)("%s as the reflector of all nodes", { concurrent: true }, (_, start) => {
  let stage: Stage;
  let router: Router;

  beforeAll(async () => {
    stage = await Stage.create();
    await stage.configure({
      configuration: { default: { nodeToNodeMeshEnabled: false, serviceExternalIPs: [{ cidr: "203.0.113.0/24" }] } },
      peers: { reflector: { peerIP: "172.18.1.9", asNumber: 64512 } },
    });
    await stage.startAll();
    const neighbour = (address: string): RouterNeighbour => ({
      ...{ address, local: "172.18.1.9", as: 64512, isClient: true, password: undefined, bfd: false },
    });
    router = await start(stage.fabric, stage.reflector, {
      ...{ routerId: "172.18.1.9", as: 64512, announces: [] },
      neighbours: Object.values(addresses).map(neighbour),
    });
  });
  afterAll(async () => {
    await router?.[Symbol.asyncDispose]();
    await stage?.[Symbol.asyncDispose]();
  });

  step("each node has the others' blocks by it, each by its owner", async () => {
    await eventually(async () => {
      expect(await router.established()).toEqual(Object.values(addresses));
      expect(await stage.routes("node-1")).toEqual([
        "192.168.2.0/26 via 172.18.1.3",
        "192.168.3.0/26 via 172.18.1.1",
        "blackhole 192.168.1.0/26",
      ]);
      expect(await stage.routes("node-3")).toEqual([
        "192.168.1.0/26 via 172.18.2.1",
        "192.168.2.0/26 via 172.18.2.1",
        "blackhole 192.168.3.0/26",
      ]);
    });
  });

  step("a network of two nodes comes by both ways over the one session", async () => {
    await eventually(async () => {
      const routes = await stage.ask("node-3", "show route for 203.0.113.0/24 all where source = RTS_BGP");
      const nextHops = [...routes.matchAll(/BGP\.next_hop: (\S+)/g)].map(([, nextHop]) => nextHop).sort();
      expect(nextHops).toEqual([addresses["node-1"], addresses["node-2"]]);
    });
  });
});
