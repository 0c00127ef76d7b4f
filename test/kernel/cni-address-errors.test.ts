import { describe, expect } from "vitest";
import { parseIpReservation } from "../../src/api/ip-reservation.ts";
import { confOf } from "./cni-call.ts";
import { type CniNode, poolOf } from "./cni-node.ts";
import { container, test } from "./cni-test.ts";

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
