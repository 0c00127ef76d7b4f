/** Code points of pods, with real packets: written on what leaves the cluster, and on nothing else. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { render } from "../../src/felix/render/render.ts";
import { parseIp } from "../../src/net/ip.ts";
import { backendOptions } from "../oracle/judge.ts";
import { calculate } from "../oracle/planners.ts";
import { annotatedCluster } from "./packets/annotated-cluster.ts";
import { craftPacket } from "./packets/craft-packet.ts";
import { dataplaneOpeners } from "./packets/dataplane-openers.ts";
import { PacketNode } from "./packets/packet-node.ts";
import { Prober } from "./packets/prober.ts";
import { home } from "./packets/small-cluster.ts";
import { caller, echoServer, type TcpPeer } from "./packets/tcp-peers.ts";

const addresses = {
  4: {
    ...{ marked: "10.0.0.1", plain: "10.0.0.2", outside: "203.0.113.7" },
    ...{ farPod: "10.0.5.5", otherNode: "172.16.0.2" },
  },
  6: {
    ...{ marked: "fd00::1", plain: "fd00::2", outside: "2001:db8::7" },
    ...{ farPod: "fd00::5:5", otherNode: "fd01::2" },
  },
} as const;
/** Whose packets go where. */
const crossings = [
  ...(["outside", "otherNode", "farPod", "plain"] as const).map((to) => ["marked", to] as const),
  ["plain", "outside"] as const,
];

const interfaces = { marked: "cali00", plain: "cali11" } as const;
const port = 8080;
const patienceMs = 30_000;
/** What a pod writes itself: CS1, and that its packet has met congestion (RFC 3168), which is no part of the code point. */
const own = (8 << 2) | 3;
const expedited = (46 << 2) | 3;

describe.for(["iptables", "nftables"] as const)("with %s", (backend) => {
  let node: PacketNode;
  let prober: Prober;
  const servers: TcpPeer[] = [];
  let number = 0;

  beforeAll(async () => {
    const pods = (["marked", "plain"] as const).map((name) => ({
      hostInterface: interfaces[name],
      addresses: [addresses[4][name], addresses[6][name]].map(parseIp),
    }));
    node = await PacketNode.start(home, pods, dataplaneOpeners[backend]);
    for (const { outside } of Object.values(addresses)) node.world.ip("addr", "add", outside, "dev", "lo");
    prober = new Prober(node.places);
    for (const place of [node.world.name, podAt("marked")]) servers.push(echoServer(place, port));
    for (const server of servers) expect(await server.hears("ready", patienceMs)).toBe(true);
  });

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    prober[Symbol.dispose]();
    await node[Symbol.asyncDispose]();
  });

  const podAt = (name: keyof typeof interfaces) => node.pods.get(interfaces[name])?.name ?? "";

  async function apply(annotations: Readonly<Record<string, string>>, natOutgoing = false): Promise<void> {
    const plan = calculate(annotatedCluster(annotations, { natOutgoing }), home);
    await node.apply(render(plan, backendOptions[backend]));
    node.forgetConnections();
  }

  describe.for([4, 6] as const)("IPv%i", (version) => {
    /** The types of service with which packets from one place to another arrive there. */
    async function arriving(): Promise<Readonly<Record<string, number | undefined>>> {
      const sent = crossings.map(([from, to]) => {
        const [source, destination] = [addresses[version][from], addresses[version][to]].map(parseIp);
        if (source === undefined || destination === undefined) throw new Error(`Cannot send from ${from} to ${to}`);
        const seen = { protocol: 17, sourcePort: 40_000 + ++number, port: 9 };
        const bytes = craftPacket({ source, destination, seen, state: "NEW", tos: own, number });
        return { number, place: interfaces[from], tos: 0, bytes };
      });
      const { arrivals } = await prober.send(sent, 200);
      return Object.fromEntries(
        crossings.map(([from, to], index) => {
          const at = to === "plain" ? interfaces[to] : "world";
          const found = arrivals.find((one) => one.number === sent[index]?.number && one.place === at);
          return [`${from} → ${to}`, found?.tos];
        }),
      );
    }

    const untouched = Object.fromEntries(crossings.map(([from, to]) => [`${from} → ${to}`, own]));

    test.for([false, true])("is on what leaves the cluster alone, outgoing NAT %s", async (natOutgoing) => {
      await apply({ "qos.projectcalico.org/dscp": "EF" }, natOutgoing);
      expect(await arriving()).toEqual({ ...untouched, "marked → outside": expedited });
      await apply({ "qos.projectcalico.org/dscp": "0" }, natOutgoing);
      expect(await arriving()).toEqual({ ...untouched, "marked → outside": 3 });
      await apply({}, natOutgoing);
      expect(await arriving()).toEqual(untouched);
    });

    test("what bears one is whole: connections work both ways", async () => {
      const { marked, outside } = addresses[version];
      await apply({ "qos.projectcalico.org/dscp": "af41" });
      using out = caller(podAt("marked"), { ip: outside, port });
      using into = caller(node.world.name, { ip: marked, port, from: outside });
      for (const peer of [out, into]) {
        peer.says("there and back");
        expect(await peer.hears("there and back", patienceMs)).toBe(true);
      }
    });
  });
});
