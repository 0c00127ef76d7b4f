/** Floating addresses, with real connections: who reaches a pod by one, whom it sees, and what its policy is about. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { render } from "../../src/felix/render/render.ts";
import { parseIp } from "../../src/net/ip.ts";
import { backendOptions } from "../oracle/judge.ts";
import { calculate } from "../oracle/planners.ts";
import { annotatedCluster } from "./packets/annotated-cluster.ts";
import { dataplaneOpeners } from "./packets/dataplane-openers.ts";
import { PacketNode } from "./packets/packet-node.ts";
import { home } from "./packets/small-cluster.ts";
import { addressServer, caller, type TcpPeer } from "./packets/tcp-peers.ts";

const addresses = {
  4: {
    ...{ pod: "10.0.0.1", other: "10.0.0.2", node: "172.16.0.1", floating: "10.0.9.9" },
    ...{ friend: "203.0.113.7", stranger: "203.0.113.8" },
  },
  6: {
    ...{ pod: "fd00::1", other: "fd00::2", node: "fd01::1", floating: "fd00::9:9" },
    ...{ friend: "2001:db8::7", stranger: "2001:db8::8" },
  },
} as const;
const annotations = {
  "cni.projectcalico.org/floatingIPs": JSON.stringify([addresses[4].floating, addresses[6].floating]),
};
const port = 8080;
/** What must come does, however busy the machine. */
const patienceMs = 30_000;
/** What must not come is waited for as long as this; what comes took a tenth of it. */
const quietMs = 1_000;

describe.for(["iptables", "nftables"] as const)("with %s", (backend) => {
  let node: PacketNode;
  const servers: TcpPeer[] = [];
  const pods = [0, 1].map((index) => ({
    hostInterface: ["cali00", "cali11"][index] ?? "",
    addresses: [parseIp(`10.0.0.${index + 1}`), parseIp(`fd00::${index + 1}`)],
  }));

  beforeAll(async () => {
    node = await PacketNode.start(home, pods, dataplaneOpeners[backend]);
    for (const { friend, stranger } of Object.values(addresses)) {
      for (const ip of [friend, stranger]) node.world.ip("addr", "add", ip, "dev", "lo");
    }
    for (const place of [podAt(0), node.world.name]) servers.push(addressServer(place, port));
    for (const server of servers) expect(await server.hears("ready", patienceMs)).toBe(true);
  });

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    await node[Symbol.asyncDispose]();
  });

  const podAt = (index: 0 | 1) => node.pods.get(pods[index]?.hostInterface ?? "")?.name ?? "";

  /** Nothing of what was before is known any more. */
  async function apply(policies: Readonly<Record<string, object>>, floatingIps = true): Promise<void> {
    const plan = calculate(annotatedCluster(annotations, { policies }), home);
    await node.apply(render(plan, { ...backendOptions[backend], floatingIps }));
    node.forgetConnections();
  }

  describe.for([4, 6] as const)("IPv%i", (version) => {
    const { pod, other, friend, stranger, floating, node: nodeIp } = addresses[version];
    const call = (namespace: string, ip: string, from?: string) =>
      caller(namespace, { ip, port, ...(from && { from }) });

    /** The address that the server sees it come from and that it is reached at. */
    async function expectSeen(peer: TcpPeer, from: string, at: string): Promise<void> {
      using one = peer;
      expect(await one.hears(`${from} ${at}`, patienceMs), `${from} at ${at}`).toBe(true);
    }

    async function expectSilence(...peers: readonly TcpPeer[]): Promise<void> {
      const heard = await Promise.all(peers.map((peer) => peer.hears("open", quietMs)));
      for (const peer of peers) peer[Symbol.dispose]();
      expect(heard).toEqual(peers.map(() => false));
    }

    test("who calls by it reaches the pod at its own address, from its own", async () => {
      await apply({});
      await expectSeen(call(node.world.name, floating, friend), friend, pod);
      await expectSeen(call(podAt(1), floating), other, pod);
      await expectSeen(call(node.namespace.name, floating, nodeIp), nodeIp, pod);
    });

    test("the pod that calls itself by it is called from it", async () => {
      await apply({});
      await expectSeen(call(podAt(0), floating), floating, pod);
      // By its own address it does not leave the pod.
      await expectSeen(call(podAt(0), pod), pod, pod);
    });

    test("what the pod calls sees it at its own address", async () => {
      await apply({});
      await expectSeen(call(podAt(0), friend), pod, friend);
    });

    test("policy is about the pod's own address, whichever it was called by", async () => {
      const about = (destination: string) => {
        const nets = (ip: string) => ({ nets: [`${ip}/${version === 4 ? 32 : 128}`] });
        const rule = { action: "Allow", source: nets(friend), destination: nets(destination) };
        return { allow: { selector: "app == 'a'", types: ["Ingress"], ingress: [rule] } };
      };
      await apply(about(pod));
      await expectSeen(call(node.world.name, floating, friend), friend, pod);
      await expectSilence(call(node.world.name, floating, stranger), call(podAt(1), floating));
      await apply(about(floating));
      await expectSilence(call(node.world.name, floating, friend));
    });

    test("a caller's policy finds the pod by its labels behind it", async () => {
      const onlyTo = (app: string) => {
        const rule = { action: "Allow", destination: { selector: `app == '${app}'` } };
        return { allow: { selector: "app == 'b'", types: ["Egress"], egress: [rule] } };
      };
      await apply(onlyTo("a"));
      await expectSeen(call(podAt(1), floating), other, pod);
      await apply(onlyTo("c"));
      await expectSilence(call(podAt(1), floating));
    });

    test("without the setting nobody reaches the pod by it, and everybody by its own address", async () => {
      await apply({}, false);
      await expectSilence(call(node.world.name, floating, friend), call(podAt(1), floating));
      await expectSeen(call(node.world.name, pod, friend), friend, pod);
    });
  });
});
