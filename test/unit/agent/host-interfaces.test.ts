import { expect, test } from "vitest";
import { HostInterfaces } from "../../../src/agent/host-interfaces.ts";
import { SnapshotStore } from "../../../src/agent/snapshot-store.ts";
import { parseHostEndpoint } from "../../../src/api/host-endpoint.ts";
import type { Netlink } from "../../../src/host/netlink/netlink.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { testClock } from "../../fakes/test-clock.ts";

/** A node whose kernel has these interfaces, with one address each. */
function world(addresses: Record<string, string>) {
  const store = new SnapshotStore();
  const clock = testClock();
  const kernel = { addresses, reads: 0, broken: false };
  const warned: string[] = [];
  const netlink = {
    links: async () => {
      kernel.reads++;
      if (kernel.broken) throw new Error("no answer");
      return Object.keys(kernel.addresses).map((name, index) => ({ name, index }));
    },
    addresses: async () =>
      Object.values(kernel.addresses).map((ip, linkIndex) => ({ linkIndex, ip: parseIp(ip), prefixLength: 24 })),
    close() {},
  } as unknown as Netlink;
  const interfaces = new HostInterfaces({
    ...{ node: "node-1", snapshot: store.snapshot, openNetlink: () => netlink, interfacePrefix: "cali", clock },
    isExcluded: (name) => name === "kube-ipvs0",
    onChanges: (changes) => void store.apply(changes),
    logger: { warn: (_facts: unknown, message?: string) => void warned.push(`${message}`) },
  });
  const endpoint = (spec: object | undefined) => {
    const value = spec && parseHostEndpoint({ metadata: { name: "edge" }, spec });
    store.apply([{ kind: "hostEndpoint", key: "edge", value }]);
    return interfaces.touched();
  };
  const known = () => Object.fromEntries([...store.snapshot.hostInterface].map(([name, one]) => [name, one.addresses]));
  return { interfaces, kernel, endpoint, known, warned };
}

const byAddress = { node: "node-1", expectedIPs: ["10.0.0.1"] };

test("a host endpoint that is known by its addresses has the node's interfaces told before the call resolves", async () => {
  const { interfaces, endpoint, known } = world({
    eth0: "10.0.0.1",
    eth1: "10.0.1.1",
    cali1: "169.254.1.1",
    "kube-ipvs0": "10.96.0.1",
  });
  await endpoint(byAddress);
  expect(known()).toEqual({ eth0: ["10.0.0.1"], eth1: ["10.0.1.1"] });
  interfaces.stop();
});

test("whoever asks while the first reading is under way waits for it too", async () => {
  const { interfaces, endpoint, known } = world({ eth0: "10.0.0.1" });
  void endpoint(byAddress);
  expect(known()).toEqual({});
  await interfaces.touched();
  expect(known()).toEqual({ eth0: ["10.0.0.1"] });
  interfaces.stop();
});

test.each([
  ["names its interface", { node: "node-1", interfaceName: "eth0", expectedIPs: ["10.0.0.1"] }],
  ["is another node's", { node: "node-2", expectedIPs: ["10.0.0.1"] }],
])("one that %s has nothing read", async (_, spec) => {
  const { kernel, endpoint } = world({ eth0: "10.0.0.1" });
  await endpoint(spec);
  expect(kernel.reads).toBe(0);
});

test("an address that moves, and an interface that goes, are told of; what cannot be read stays as it was", async () => {
  const { interfaces, kernel, endpoint, known, warned } = world({ eth0: "10.0.0.1", eth1: "10.0.1.1" });
  await endpoint(byAddress);
  kernel.addresses = { eth1: "10.0.0.1" };
  await expect.poll(known).toEqual({ eth1: ["10.0.0.1"] });
  kernel.broken = true;
  await expect.poll(() => warned.length).toBeGreaterThan(0);
  expect(known()).toEqual({ eth1: ["10.0.0.1"] });
  interfaces.stop();
});

test("nothing is read any more when the last such host endpoint has gone, and again when one comes", async () => {
  const { interfaces, kernel, endpoint, known } = world({ eth0: "10.0.0.1" });
  await endpoint(byAddress);
  await endpoint(undefined);
  const readsWhile = async () => {
    const before = kernel.reads;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return kernel.reads - before;
  };
  await expect.poll(readsWhile).toBe(0);
  kernel.addresses = { eth0: "10.0.0.7" };
  await endpoint(byAddress);
  expect(known()).toEqual({ eth0: ["10.0.0.7"] });
  interfaces.stop();
});
