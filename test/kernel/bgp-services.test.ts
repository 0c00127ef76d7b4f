import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { torConfig } from "../../lab/tor.ts";
import { BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import type { BgpInputs } from "../../src/bgp/plan/bgp-inputs.ts";
import { planBgp } from "../../src/bgp/plan/plan-bgp.ts";
import { announced, serviceAddresses } from "../../src/bgp/plan/service-addresses.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { bgpInputs, clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { withServices } from "../unit/bgp/service-words.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";

const nodes = { "node-1": "172.18.1.2", "node-2": "172.18.1.3" } as const;
type Name = keyof typeof nodes;
const names = Object.keys(nodes) as readonly Name[];
const networks = {
  serviceClusterIPs: [{ cidr: "10.96.0.0/16" }],
  serviceLoadBalancerIPs: [{ cidr: "192.0.2.0/28" }],
};

let fabric: BgpFabric;
let router: FabricHost;
let hosts: Readonly<Record<Name, FabricHost>>;

beforeAll(async () => {
  fabric = await BgpFabric.create();
  router = await fabric.addRouter({ rack1: "172.18.1.1/24" });
  const add = (name: Name) =>
    fabric.addNode(name, router, { rack: "rack1", address: `${nodes[name]}/24`, gateway: "172.18.1.1" });
  hosts = { "node-1": await add("node-1"), "node-2": await add("node-2") };
  const tor = torConfig({
    ...{ routerId: "172.18.0.1", as: 64513 },
    neighbours: names.map((name) => ({ address: nodes[name], as: 64512 })),
  });
  // A router that does as RFC 8326 asks: what is about to go is its last choice.
  const yielding = "import filter { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; };";
  await daemon(router).apply(tor.replaceAll("import all;", yielding));
  await announce(["10.244.1.5 node-1"]);
  for (const host of [router, ...Object.values(hosts)]) await fabric.startBird(host);
});
afterAll(() => fabric[Symbol.asyncDispose]());

function daemon(host: FabricHost): BirdDaemon {
  return new BirdDaemon({ host: new LinuxHost(), ...host });
}

/** Both nodes plan anew: the Service's endpoints are these, and each node can deliver to what is ready on it. */
async function announce(
  endpoints: readonly string[],
  more: Partial<Record<Name, Pick<BgpInputs, "isDraining" | "withdrawn">>> = {},
): Promise<void> {
  const cluster = clusterSnapshot({
    nodes: Object.fromEntries(names.map((name) => [name, { ips: [nodes[name]] }])),
    pools: { "10.244.0.0/16": {} },
    blocks: { "10.244.1.0/26": "host:node-1", "10.244.2.0/26": "host:node-2" },
    peers: { tor: { peerIP: "172.18.1.1", asNumber: 64513 } },
  });
  const web = { local: true, balanced: ["192.0.2.7"], endpoints } as const;
  const snapshot = withServices(cluster, { default: networks }, { web });
  for (const name of names) {
    const node = nodeName(name);
    const deliverable = new Set(serviceAddresses(snapshot, node).map(announced));
    const config = planBgp({ ...bgpInputs(snapshot, node), deliverable, ...more[name] });
    if (config === undefined) throw new Error(`${name} has no plan`);
    await daemon(hosts[name]).apply(renderBird(config));
  }
}

function eventually(check: () => Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 60_000, interval: 100 });
}

async function routeOf(destination: string): Promise<readonly string[]> {
  return (await fabric.birdRoutes(router)).filter((route) => route.startsWith(`${destination} `));
}

/** What the router has been told of the address, and by whom. */
function told(destination: string): Promise<string> {
  return fabric.run(router, "birdc", "-s", router.socketPath, "show", "route", "for", destination, "all");
}

test("networks come from every node, the address alone from the one where an endpoint is ready", async () => {
  await eventually(async () => {
    expect(await routeOf("192.0.2.7")).toEqual(["192.0.2.7 via 172.18.1.2"]);
    const whole = await told("10.96.0.1/32");
    for (const name of names) expect(whole).toContain(`via ${nodes[name]}`);
  });
  expect(await told("192.0.2.7/32")).not.toContain("via 172.18.1.3");
  expect(await routeOf("192.0.2.0/28")).toHaveLength(1);
});

test("no node's kernel has any of it, though each hears it from the other", async () => {
  const { socketPath } = hosts["node-2"];
  await eventually(async () => {
    const heard = await fabric.run(hosts["node-2"], "birdc", "-s", socketPath, "show", "route");
    expect(heard).toContain("192.0.2.7/32");
  });
  for (const name of names) expect(await fabric.ip(hosts[name], "route")).not.toMatch(/192\.0\.2\.|10\.96\./);
});

test("the address moves with the endpoint, and goes with the last one, while the network stays", async () => {
  await announce(["10.244.1.5 node-1 terminating", "10.244.2.5 node-2"]);
  await eventually(async () => expect(await routeOf("192.0.2.7")).toEqual(["192.0.2.7 via 172.18.1.3"]));
  await announce(["10.244.2.5 node-2 terminating"]);
  await eventually(async () => expect(await routeOf("192.0.2.7")).toEqual([]));
  expect(await routeOf("192.0.2.0/28")).toHaveLength(1);
});

test("a node that drains moves its traffic before it withdraws: the router is never without a route", async () => {
  const both = ["10.244.1.5 node-1", "10.244.2.5 node-2"];
  await announce(both);
  await eventually(async () => {
    expect(await routeOf("192.0.2.7")).toEqual(["192.0.2.7 via 172.18.1.2"]);
    expect(await told("192.0.2.7/32")).toContain("via 172.18.1.3");
  });
  await using monitor = await RouteMonitor.start(router);
  await announce(both, { "node-1": { isDraining: true } });
  await eventually(async () => expect(await routeOf("192.0.2.7")).toEqual(["192.0.2.7 via 172.18.1.3"]));
  // It is still there to be used, and its pods are reached by it.
  expect(await told("192.0.2.7/32")).toMatch(/via 172\.18\.1\.2[\s\S]*BGP\.community: \(65535,0\)/);
  expect(await routeOf("10.244.1.0/26")).toEqual(["10.244.1.0/26 via 172.18.1.2"]);
  await announce(both, { "node-1": { isDraining: true, withdrawn: "services" } });
  await eventually(async () => expect(await told("192.0.2.7/32")).not.toContain("via 172.18.1.2"));
  expect(await told("10.96.0.1/32")).not.toContain("via 172.18.1.2");
  expect(await routeOf("10.244.1.0/26")).toEqual(["10.244.1.0/26 via 172.18.1.2"]);
  await announce(both, { "node-1": { isDraining: true, withdrawn: "everything" } });
  await eventually(async () => expect(await routeOf("10.244.1.0/26")).toEqual([]));
  expect(await fabric.ip(hosts["node-1"], "route")).toContain("blackhole 10.244.1.0/26");
  const gone = /^Deleted 10\.244\.1\.0\/26 /;
  await eventually(async () => expect(monitor.lines).toContainEqual(expect.stringMatching(gone)));
  expect(monitor.lines.filter((line) => line.startsWith("Deleted 192.0.2."))).toEqual([]);
});

/** Follows what changes in a host's main table. */
class RouteMonitor implements AsyncDisposable {
  readonly #child: ChildProcess;
  #text = "";

  static async start({ netns }: FabricHost): Promise<RouteMonitor> {
    const child = spawn("ip", ["-n", netns, "monitor", "route"], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child, "spawn");
    return new RouteMonitor(child);
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
    });
  }

  get lines(): readonly string[] {
    return this.#text.split("\n").map((line) => line.trim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill();
    await ended;
  }
}
