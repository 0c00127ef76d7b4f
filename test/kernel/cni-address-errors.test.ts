import { describe, expect } from "vitest";
import { parseBgpPeer } from "../../src/api/bgp-peer.ts";
import { parseIpReservation } from "../../src/api/ip-reservation.ts";
import type { NodeName } from "../../src/api/names.ts";
import { type Netlink, NetlinkError } from "../../src/host/netlink/netlink.ts";
import { parseIp } from "../../src/net/ip.ts";
import { confOf } from "./cni-call.ts";
import { type CniNode, poolOf } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

const key = (name: string) => `cni.projectcalico.org/${name}`;
const bothFamilies = { type: "calico-ipam", assign_ipv4: true, assign_ipv6: true };
const dual = confOf({ cniVersion: "1.0.0", ipam: bothFamilies });

describe("what cannot be given is an error that names pool and reason, and nothing is kept", () => {
  interface Case {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly conf?: object;
    readonly prepare?: (node: CniNode) => void | Promise<void>;
    readonly code: number;
    readonly says: RegExp;
  }
  const fixed = (ip: string) => ({ [key("ipAddrs")]: JSON.stringify([ip]) });
  const pastIpam = (ip: string) => ({
    annotations: { [key("ipAddrsNoIpam")]: JSON.stringify([ip]) },
    conf: confOf({ feature_control: { ip_addrs_no_ipam: true } }),
  });
  const addRoute = async (node: CniNode, ...words: readonly string[]) => {
    await node.run(node.netns, ["ip", "route", "add", ...words, "dev", "uplink", "onlink"]);
  };
  const small = (spec: object = {}) => poolOf("small", { cidr: "192.168.9.0/30", blockSize: 30, ...spec });
  const cases: Readonly<Record<string, Case>> = {
    "a malformed annotation": {
      annotations: { [key("ipv4pools")]: "small" },
      code: 7,
      says: /ipv4pools of pod shop\/web, which is "small"/,
    },
    "a pool that does not exist": {
      annotations: { [key("ipv4pools")]: '["none"]' },
      code: 101,
      says: /pool none does not exist/,
    },
    "a pool of the other family": {
      annotations: { [key("ipv4pools")]: '["six"]' },
      code: 7,
      says: /pool six is fd00:7::\/64, which is not IPv4/,
    },
    "no pool of the family": {
      prepare: (node) => {
        node.cluster.pools = node.cluster.pools.filter(({ metadata }) => metadata.name === "four");
      },
      conf: dual,
      code: 101,
      says: /there is no IPv6 pool/,
    },
    "a pool that is full": {
      prepare: async (node) => {
        node.cluster.pools = [small()];
        for (const name of ["a", "b", "c", "d"]) {
          await node.call({ verb: "ADD", container: name, netns: node.addPod(name), pod: name });
        }
      },
      code: 101,
      says: /no address is free .*small \(192\.168\.9\.0\/30\)/,
    },
    "a pool whose every address is reserved": {
      prepare: (node) => {
        node.cluster.pools = [small()];
        const spec = { reservedCIDRs: ["192.168.9.0/30"] };
        node.cluster.reservations = [parseIpReservation({ metadata: { name: "all" }, spec })];
      },
      code: 101,
      says: /small \(192\.168\.9\.0\/30\)/,
    },
    "a pool disabled meanwhile": {
      prepare: (node) => {
        node.cluster.pools = [small({ disabled: true })];
      },
      code: 101,
      says: /pool small \(192\.168\.9\.0\/30\) is disabled/,
    },
    "an address of a pool disabled meanwhile": {
      prepare: (node) => {
        node.cluster.pools = [small({ disabled: true })];
      },
      annotations: fixed("192.168.9.1"),
      code: 101,
      says: /192\.168\.9\.1.*small.*disabled/,
    },
    "an address outside every pool": {
      annotations: fixed("203.0.113.1"),
      code: 101,
      says: /203\.0\.113\.1/,
    },
    "an address of another pod": {
      prepare: async (node) => {
        const netns = node.addPod("db", fixed("192.168.7.77"));
        await node.call({ verb: "ADD", container: "db", netns, pod: "db" });
      },
      annotations: fixed("192.168.7.77"),
      code: 101,
      says: /192\.168\.7\.77/,
    },
    "both families, and only one to be had": {
      prepare: (node) => {
        node.cluster.pools = [small(), poolOf("six", { cidr: "fd00:9::/64", disabled: true })];
      },
      conf: dual,
      code: 101,
      says: /pool six \(fd00:9::\/64\) is disabled/,
    },
    "past IPAM, an address of a pool": {
      ...pastIpam("192.168.7.77"),
      code: 101,
      says: /192\.168\.7\.77 past IPAM: it is of pool four \(192\.168\.7\.0\/24\).*\/ipAddrs$/,
    },
    "past IPAM, an address of another node": {
      prepare: (node) => {
        node.nodes = [
          { name: "node-2" as NodeName, labels: {}, annotations: {}, internalIps: [parseIp("10.0.0.2")], podCidrs: [] },
        ];
      },
      ...pastIpam("10.0.0.2"),
      code: 101,
      says: /10\.0\.0\.2 past IPAM: it is an address of node node-2/,
    },
    "past IPAM, the API server's": {
      ...pastIpam("10.96.0.1"),
      code: 101,
      says: /10\.96\.0\.1 past IPAM: it is the API server's/,
    },
    "past IPAM, a BGP neighbour's": {
      prepare: (node) => {
        node.bgpPeers = [
          parseBgpPeer({ metadata: { name: "tor" }, spec: { peerIP: "10.0.0.3:1790", asNumber: 64512 } }),
        ];
      },
      ...pastIpam("10.0.0.3"),
      code: 101,
      says: /10\.0\.0\.3 past IPAM: it is the BGP neighbour's of BGPPeer tor/,
    },
    "past IPAM, an address of the node's own": {
      ...pastIpam("10.250.0.1"),
      code: 101,
      says: /10\.250\.0\.1 past IPAM: it is on interface uplink of this node/,
    },
    "past IPAM, an IPv6 address of the node's own": {
      ...pastIpam("fd00:250::1"),
      code: 101,
      says: /fd00:250::1 past IPAM: it is on interface uplink of this node/,
    },
    "past IPAM, a gateway": {
      prepare: (node) => addRoute(node, "198.51.100.0/24", "via", "10.250.0.9"),
      ...pastIpam("10.250.0.9"),
      code: 101,
      says: /10\.250\.0\.9 past IPAM: it is a gateway of this node's routes/,
    },
    "past IPAM, an IPv6 gateway": {
      prepare: (node) => addRoute(node, "2001:db8:1::/48", "via", "fd00:250::9"),
      ...pastIpam("fd00:250::9"),
      code: 101,
      says: /fd00:250::9 past IPAM: it is a gateway of this node's routes/,
    },
    "past IPAM, a gateway of another family": {
      prepare: (node) => addRoute(node, "198.51.100.0/24", "via", "inet6", "fd00:250::9"),
      ...pastIpam("fd00:250::9"),
      code: 101,
      says: /fd00:250::9 past IPAM: it is a gateway of this node's routes/,
    },
    "past IPAM, the second gateway of one route": {
      prepare: (node) =>
        addRoute(
          node,
          ...["198.51.100.0/24", "nexthop", "via", "10.250.0.9", "dev", "uplink", "onlink"],
          ...["nexthop", "via", "10.250.0.10"],
        ),
      ...pastIpam("10.250.0.10"),
      code: 101,
      says: /10\.250\.0\.10 past IPAM: it is a gateway of this node's routes/,
    },
    "both fixed addresses, and only one to be had": {
      annotations: { [key("ipAddrs")]: '["192.168.7.77", "2001:db8::1"]' },
      code: 101,
      says: /2001:db8::1/,
    },
  };
  for (const [name, { annotations, conf, prepare, code, says }] of Object.entries(cases)) {
    test(name, async ({ node }) => {
      await node.serve();
      const netns = node.addPod("web", annotations);
      await prepare?.(node);
      const before = await node.leftovers();
      const call = { container, netns, pod: "web", ...(conf === undefined ? {} : { conf }) };
      const reply = await node.call({ verb: "ADD", ...call });
      expect(reply).toMatchObject({ exitCode: 1, json: { code, msg: expect.stringMatching(says) } });
      expect(await node.leftovers()).toEqual(before);
    });
  }
});

describe("past IPAM, nothing is given while the kernel does not say", () => {
  const refuse = () => Promise.reject(new NetlinkError("list", "ENOBUFS"));
  const faults: Readonly<Record<string, (real: Netlink) => Partial<Netlink>>> = {
    "who has which address": () => ({ addresses: refuse }),
    // Those of IPv4 are read for the pod's MTU too.
    "which gateways there are": (real) => {
      const routes = real.routes.bind(real);
      return { routes: (version) => (version === 6 ? refuse() : routes(version)) };
    },
  };
  for (const [name, fault] of Object.entries(faults)) {
    test(name, async ({ node }) => {
      const netns = node.addPod("web", { [key("ipAddrsNoIpam")]: '["203.0.113.9"]' });
      const { openNetlink } = node.dependencies;
      await node.serve({
        openNetlink: (path) => {
          const real = openNetlink(path);
          return path === undefined ? Object.assign(real, fault(real)) : real;
        },
      });
      const conf = confOf({ feature_control: { ip_addrs_no_ipam: true } });
      const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
      const msg = expect.stringMatching(/shop\/web addresses past IPAM: .* Try again/);
      expect(reply.json).toMatchObject({ code: 11, msg, details: expect.stringContaining("ENOBUFS") });
      await expectNothingLeft(node, netns);
    });
  }
});
