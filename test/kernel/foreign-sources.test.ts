import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NodeName } from "../../src/api/names.ts";
import type { EndpointPlan, NodePlan } from "../../src/felix/calc/plan.ts";
import { LinkKeeper } from "../../src/felix/dataplane/link-keeper.ts";
import { defaultRenderOptions, type RenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { readSysctl, writeSysctl } from "../../src/host/sysctl.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { parseIp, versionOf } from "../../src/net/ip.ts";
import { nodes } from "../oracle/random-pods.ts";
import { craftPacket } from "./packets/craft-packet.ts";
import { dataplaneOpeners } from "./packets/dataplane-openers.ts";
import { PacketNode } from "./packets/packet-node.ts";
import { Prober, type Shot } from "./packets/prober.ts";

const [gateway, plain] = ["cali00000000001", "cali00000000002"] as const;
const pods = [
  { hostInterface: gateway, addresses: ["10.65.0.1", "fd65::1"].map(parseIp) },
  { hostInterface: plain, addresses: ["10.65.0.2", "fd65::2"].map(parseIp) },
];
const all = { tiers: [], profile: "allow" } as const;
const endpoints = new Map(
  pods.map((pod): [string, EndpointPlan] => [pod.hostInterface, { ...pod, state: "open", ingress: all, egress: all }]),
);
const allowed = { foreignSources: ["198.51.100.0/24", "2001:db8:77::/48"].map(parseCidr) };
const plan: NodePlan = {
  ...{ endpoints, hostEndpoints: new Map(), policies: new Map(), sets: new Map() },
  ...{ masqueradedPools: [], pools: [], bgpNeighbours: [], hosts: [] },
};
const asking: NodePlan = {
  ...plan,
  endpoints: new Map([...endpoints].map(([name, one]) => [name, name === gateway ? { ...one, ...allowed } : one])),
};

describe.for(["iptables", "nftables"] as const)("sources that are not the pod's own, %s", (backend) => {
  let node: PacketNode;
  let prober: Prober;
  let sent = 0;
  const options: RenderOptions = { ...defaultRenderOptions, backend, foreignSources: true };

  beforeAll(async () => {
    node = await PacketNode.start(nodes[0] as NodeName, pods, dataplaneOpeners[backend]);
    prober = new Prober(node.places);
  });

  afterAll(async () => {
    prober[Symbol.dispose]();
    await node[Symbol.asyncDispose]();
  });

  const own = ["10.65.0.1", "fd65::1"];
  const named = ["198.51.100.1", "198.51.100.255", "2001:db8:77::1"];
  const beyond = ["198.51.101.1", "192.0.2.1", "2001:db8:78::1"];

  /** Those of the sources whose packets, from this pod, come out of the node. */
  async function passing(pod: string, sources: readonly string[]): Promise<readonly string[]> {
    const numbers = new Map(sources.map((source) => [++sent, source]));
    const shots = [...numbers].map(([number, source]): Shot => {
      const destination = parseIp(versionOf(parseIp(source)) === 4 ? "203.0.113.9" : "2001:db8:9::9");
      const seen = { protocol: 17, sourcePort: 40_000 + number, port: 9 };
      const facts = { source: parseIp(source), destination, seen, state: "NEW", tos: 0, number } as const;
      return { number, place: pod, tos: 0, bytes: craftPacket(facts) };
    });
    const { arrivals } = await prober.send(shots, 300);
    const arrived = new Set(arrivals.filter(({ place }) => place === "world").map(({ number }) => number));
    return [...numbers].filter(([number]) => arrived.has(number)).map(([, source]) => source);
  }

  test("a pod sends from the networks that it asked for, and from its own addresses, and no other pod does", async () => {
    await node.apply(render(asking, options));
    expect(await passing(gateway, [...own, ...named, ...beyond])).toEqual([...own, ...named]);
    expect(await passing(plain, ["10.65.0.2", ...own, ...named, ...beyond, "fd65::2"])).toEqual([
      "10.65.0.2",
      "fd65::2",
    ]);
  });

  test.for([
    ["where the setting is Disabled", asking, false],
    ["once its annotation is gone", plan, true],
  ] as const)("%s it sends from its own addresses alone", async ([, of, foreignSources]) => {
    await node.apply(render(asking, options));
    await node.apply(render(of, foreignSources ? options : { ...options, foreignSources }));
    expect(await passing(gateway, [...own, ...named, ...beyond])).toEqual(own);
  });

  test("the kernel's own check of IPv4 sources is off for these pods alone", async () => {
    await node.apply(render(asking, options));
    const { path } = node.namespace;
    const key = (pod: string) => `ipv4/conf/${pod}/rp_filter`;
    const checks = () => [gateway, plain].map((pod) => readSysctl(path, key(pod)));
    writeSysctl(path, "ipv4/conf/default/rp_filter", 1);
    for (const pod of [gateway, plain]) writeSysctl(path, key(pod), 1);
    const netlink = openNetlink(path);
    try {
      const mtu = 1500;
      const links = pods.map((pod) => ({ ...pod, mtu, allowIpForwarding: false, routes: [] }));
      const keeper = new LinkKeeper({
        ...{ netlink, interfacePrefix: "cali", nodeSettings: () => [] },
        wanted: () => new Map(links.map((link) => [link.hostInterface, link])),
        readSetting: (setting) => readSysctl(path, setting),
        writeSetting: (setting, value) => writeSysctl(path, setting, value),
      });
      const unproven = async () => (await keeper.drift(new Set(["settings"]))).map(({ where }) => where);
      expect(await passing(gateway, named)).toEqual(["2001:db8:77::1"]);
      keeper.leaveUnchecked(new Set([gateway]));
      expect(await passing(gateway, named)).toEqual(named);
      expect(checks()).toEqual(["0", "1"]);
      expect(await unproven()).toEqual([]);
      writeSysctl(path, key(gateway), 1);
      expect(await unproven()).toEqual([`sysctl net/${key(gateway)}`]);
      await keeper.repair();
      expect(checks()).toEqual(["0", "1"]);
      keeper.leaveUnchecked(new Set());
      expect(checks()).toEqual(["1", "1"]);
      expect(await passing(gateway, named)).toEqual(["2001:db8:77::1"]);
      expect(await unproven()).toEqual([]);
    } finally {
      netlink.close();
    }
  });
});
