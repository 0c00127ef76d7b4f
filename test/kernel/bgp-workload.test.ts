import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PeeringAddresses } from "../../src/agent/bgp/peering-addresses.ts";
import { namespacedName } from "../../src/api/names.ts";
import type { Pod } from "../../src/api/objects.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import { readBirdStatus } from "../../src/bgp/bird/read-bird-status.ts";
import type { BirdConfig } from "../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../src/bgp/plan/plan-bgp.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import type { Netlink } from "../../src/host/netlink/netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { writeSysctl } from "../../src/host/sysctl.ts";
import { parseIp } from "../../src/net/ip.ts";
import { bgpInputs, clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { withServices } from "../unit/bgp/service-words.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

const podIp = "10.244.1.5";
const peering = "169.254.1.179";

let fabric: BgpFabric;
let node: FabricHost;
let namespace: TestNamespace;
let folder: string;
let pod: FabricHost;
let netlink: Netlink;

beforeAll(async () => {
  fabric = await BgpFabric.create();
  node = await fabric.addRouter({ rack1: "172.18.1.2/24" });
  namespace = makeNamespace();
  folder = await mkdtemp(join(tmpdir(), "margay-workload-"));
  const paths = { socketPath: join(folder, "pod.ctl"), configPath: join(folder, "pod.conf") };
  pod = { name: "pod", netns: namespace.name, ...paths };
  // By proxy the kernel answers for what it has another way to.
  await fabric.ip(node, "route", "add", "default", "via", "172.18.1.1");
  for (const [name, peer] of [
    ["cali0", "eth0"],
    ["cali1", "eth1"],
  ] as const) {
    const pair = ["type", "veth", "peer", "name", peer, "netns", namespace.name];
    await fabric.ip(node, "link", "add", name, "up", ...pair);
    writeSysctl(`/run/netns/${node.netns}`, `ipv4/conf/${name}/proxy_arp`, 1);
    namespace.ip("link", "set", peer, "up");
  }
  await fabric.ip(node, "route", "add", podIp, "dev", "cali0", "scope", "link");
  namespace.ip("address", "add", `${podIp}/32`, "dev", "eth0");
  namespace.ip("route", "add", "169.254.1.1", "dev", "eth0", "scope", "link");
  namespace.ip("route", "add", "default", "via", "169.254.1.1", "dev", "eth0");
  netlink = openNetlink(`/run/netns/${node.netns}`);
});
afterAll(async () => {
  netlink.close();
  await fabric[Symbol.asyncDispose]();
  namespace[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

/** One pod on the node, which is to peer with it if it is chosen. */
function snapshotOf(selector: string): Snapshot {
  const peer = { localWorkloadSelector: selector, asNumber: 64514 };
  const cluster = clusterSnapshot({
    nodes: { "node-1": { ips: ["172.18.1.2"] } },
    pools: { "10.244.0.0/16": {} },
    attached: [podIp, "10.244.1.6"],
    peers: { router: peer },
  });
  const configured = withServices(cluster, { default: { localWorkloadPeeringIPV4: peering } }, {});
  const namespaces = new Map([["default", { name: "default", labels: {}, annotations: {} }]]);
  const pods = [podOf("pod-0", podIp, { app: "router" }), podOf("pod-1", "10.244.1.6", {})];
  return {
    ...configured,
    namespace: namespaces,
    pod: new Map(pods.map((one) => [namespacedName("default", one.name), one])),
  };
}

function podOf(name: string, ip: string, labels: Pod["labels"]): Pod {
  return {
    ...{ namespace: "default", name, uid: "", labels, annotations: {}, node: nodeName("node-1") },
    ...{ serviceAccount: "default", ips: [parseIp(ip)], annotatedIps: [], hostNetwork: false, namedPorts: [] },
    finished: false,
  };
}

async function configure(selector: string): Promise<BirdConfig> {
  const snapshot = snapshotOf(selector);
  const config = planBgp(bgpInputs(snapshot, nodeName("node-1")));
  if (config === undefined) throw new Error("node-1 has no plan");
  await new PeeringAddresses(netlink).apply(config, snapshot.attachment.values());
  await new BirdDaemon({ host: new LinuxHost(), ...node }).apply(renderBird(config));
  return config;
}

async function addressesOf(name: string): Promise<readonly string[]> {
  const shown = JSON.parse(await fabric.ip(node, "-json", "-4", "address", "show", "dev", name)) as {
    readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly scope: string }[];
  }[];
  return shown.flatMap(({ addr_info }) =>
    addr_info.map(({ local, prefixlen, scope }) => `${local}/${prefixlen} ${scope}`),
  );
}

/** The pod's own speaker: it waits for its node, and announces one address. */
const podConfig = `router id ${podIp};
protocol device {}
protocol static { ipv4; route 10.244.9.9/32 blackhole; }
protocol bgp node {
  local ${podIp} as 64514;
  neighbor ${peering} as 64512;
  multihop;
  ipv4 { import all; export all; };
}
`;

test("a pod that is chosen has a session with its node, by the address that its interface is given", async () => {
  expect((await configure("app == 'router'")).rejected).toEqual([]);
  expect(await addressesOf("cali0")).toEqual([`${peering}/32 link`]);
  expect(await addressesOf("cali1")).toEqual([]);
  await new BirdDaemon({ host: new LinuxHost(), ...pod }).apply(podConfig);
  await fabric.startBird(node);
  await fabric.startBird(pod);
  await vi.waitFor(
    async () => {
      const { sessions } = await readBirdStatus(node.socketPath);
      expect(sessions).toMatchObject([{ name: "Local_Workload_10_244_1_5", state: "Established" }]);
    },
    { timeout: 60_000, interval: 100 },
  );
});

test("once more changes nothing, and an address that somebody has given the interface besides stays", async () => {
  await fabric.ip(node, "address", "add", "198.51.100.1/32", "dev", "cali0");
  await configure("app == 'router'");
  expect(await addressesOf("cali0")).toEqual(expect.arrayContaining([`${peering}/32 link`, "198.51.100.1/32 global"]));
  expect(await addressesOf("cali0")).toHaveLength(2);
});

test("one that is chosen no more loses session and address, another gets the address; one without an interface needs none", async () => {
  await configure("!has(app)");
  expect(await addressesOf("cali0")).toEqual(["198.51.100.1/32 global"]);
  expect(await addressesOf("cali1")).toEqual([`${peering}/32 link`]);
  await fabric.ip(node, "link", "delete", "cali1");
  await configure("all()");
  expect(await addressesOf("cali0")).toContain(`${peering}/32 link`);
});

test("an interface that goes while it is looked at holds nothing up", async () => {
  await fabric.ip(node, "link", "add", "cali1", "type", "bridge");
  const vanishing = {
    ...{ addresses: () => netlink.addresses(), addAddress: netlink.addAddress.bind(netlink) },
    removeAddress: netlink.removeAddress.bind(netlink),
    links: async () => {
      const links = await netlink.links();
      await fabric.ip(node, "link", "delete", "cali1");
      return links;
    },
  };
  const snapshot = snapshotOf("all()");
  const config = planBgp(bgpInputs(snapshot, nodeName("node-1")));
  if (config === undefined) throw new Error("node-1 has no plan");
  await new PeeringAddresses(vanishing).apply(config, snapshot.attachment.values());
  expect(await addressesOf("cali0")).toContain(`${peering}/32 link`);
});

test("a node of which no pod peers looks no more, until one does", async () => {
  const addresses = new PeeringAddresses(netlink);
  const apply = async (selector: string) => {
    const snapshot = snapshotOf(selector);
    const config = planBgp(bgpInputs(snapshot, nodeName("node-1")));
    if (config === undefined) throw new Error("node-1 has no plan");
    await addresses.apply(config, snapshot.attachment.values());
  };
  for (const round of [1, 2]) {
    await apply("app == 'nobody'");
    expect(await addressesOf("cali0"), `round ${round}`).toEqual(["198.51.100.1/32 global"]);
    await apply("app == 'nobody'");
    await apply("app == 'router'");
    expect(await addressesOf("cali0"), `round ${round}`).toContain(`${peering}/32 link`);
  }
  await apply("app == 'nobody'");
  expect(await addressesOf("cali0")).toEqual(["198.51.100.1/32 global"]);
});
