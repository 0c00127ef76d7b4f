/** Which address a node's agent finds, on real interfaces. */
import { execFileSync } from "node:child_process";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { addressSettings } from "../../src/agent/node/address-settings.ts";
import { NodeAddresses } from "../../src/agent/node/node-addresses.ts";
import type { NodeName } from "../../src/api/names.ts";
import type { Node } from "../../src/api/objects.ts";
import type { Netlink } from "../../src/host/netlink/netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { versionOf } from "../../src/net/ip.ts";
import { testClock } from "../fakes/test-clock.ts";
import { clusterSnapshot } from "../unit/bgp/cluster.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

function machine(): TestNamespace {
  const namespace = makeNamespace();
  onTestFinished(() => namespace[Symbol.dispose]());
  for (const [name, ...addresses] of [
    ["docker0", "172.17.0.1/16"],
    ["eth0", "172.18.1.11/24", "fd00:18::b/64"],
    ["eth1", "10.0.0.5/16"],
    ["eth2", "192.0.2.5/24"],
  ] as const) {
    namespace.ip("link", "add", name, "type", "bridge");
    for (const address of addresses) {
      namespace.ip("address", "add", address, "dev", name, ...(address.includes(":") ? ["nodad"] : []));
    }
    // An interface that is down is no way to reach anybody.
    if (name !== "eth2") namespace.ip("link", "set", name, "up");
  }
  return namespace;
}

interface Words {
  readonly environment?: Readonly<Record<string, string>>;
  readonly internal?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly other?: string;
}

async function look({ environment = {}, internal = [], annotations = {}, other = "10.9.9.9" }: Words = {}) {
  const namespace = machine();
  const snapshot = clusterSnapshot({ nodes: { "node-1": { ips: internal }, "node-2": { ips: [other] } } });
  const nodes = new Map(snapshot.node);
  const self = nodes.get("node-1" as NodeName) as Node;
  nodes.set(self.name, { ...self, annotations });
  const written = new Map<string, string | undefined>();
  const together = Promise.withResolvers<number>();
  const clock = testClock();
  const logged: string[] = [];
  const addresses = new NodeAddresses({
    ...{ node: self.name, nodes, settings: addressSettings(environment), clock },
    openNetlink: () => slow(openNetlink(namespace.path)),
    addressOf: (node, version) => node.internalIps.find((ip) => versionOf(ip) === version),
    annotate: (name, value) => {
      written.set(name.replace("projectcalico.org/", ""), value);
      // What is told later is another request to the API server.
      setImmediate(() => together.resolve(written.size));
    },
    logger: pino({}, { write: (line: string) => logged.push(JSON.parse(line).msg) }),
  });
  onTestFinished(() => addresses.stop());
  await addresses.start();
  return { written, together: together.promise, addresses, namespace, clock, nodes, logged };
}

/** The kernel's answer takes a turn of the event loop, as on a machine that has much to do. */
function slow(netlink: Netlink): Netlink {
  const links = netlink.links.bind(netlink);
  return Object.assign(netlink, {
    async links() {
      await nextTurn();
      return links();
    },
  });
}

test.each<[string, Words, object]>([
  ["the Node's InternalIP", { internal: ["10.0.0.5"] }, { IPv4Address: "10.0.0.5/16" }],
  [
    "its InternalIPs, when it has two",
    { internal: ["10.0.0.5", "fd00:18::b"] },
    { IPv4Address: "10.0.0.5/16", IPv6Address: "fd00:18::b/64" },
  ],
  ["the first found, when the Node has none", {}, { IPv4Address: "172.18.1.11/24" }],
  ["what the Node says already", { annotations: { "projectcalico.org/IPv4Address": "10.0.0.5/16" } }, {}],
  ["found anew with IP=autodetect", { environment: { IP: "autodetect" } }, { IPv4Address: "172.18.1.11/24" }],
  [
    "of both families when it is asked for",
    { environment: { IP: "10.0.0.5", IP6: "autodetect", AS: "64600" } },
    { ASNumber: "64600", IPv4Address: "10.0.0.5/16", IPv6Address: "fd00:18::b/64" },
  ],
  ["none", { environment: { IP: "none" } }, { IPv4Address: undefined }],
  ["one that the machine has not", { environment: { IP: "203.0.113.1" } }, { IPv4Address: "203.0.113.1/32" }],
  [
    "none of an interface that is down",
    { environment: { IP: "autodetect", IP_AUTODETECTION_METHOD: "interface=eth2" } },
    {},
  ],
])("it is %s", async (_, words, expected) => {
  const { written } = await look(words);
  expect(Object.fromEntries(written)).toEqual(expected);
});

test("both families' addresses are told together: with one alone the node would have none in the other", async () => {
  const { together } = await look({ internal: ["10.0.0.5", "fd00:18::b"] });
  expect(await together).toBe(2);
});

test("an address that another Node has is not taken, and that is told once", async () => {
  const { written, addresses, logged } = await look({ other: "172.18.1.11" });
  expect(written.size).toBe(0);
  expect(addresses.faults).toEqual([
    "Cannot use 172.18.1.11 for this node's BGP: node node-2 has it; give each node an address of its own",
  ]);
  expect(logged).toEqual(addresses.faults);
  const unchecked = await look({ other: "172.18.1.11", environment: { DISABLE_NODE_IP_CHECK: "true" } });
  expect(Object.fromEntries(unchecked.written)).toEqual({ IPv4Address: "172.18.1.11/24" });
});

test("it is looked at again, and an address that goes away is kept until there is another", async () => {
  const environment = { IP: "autodetect", IP_AUTODETECTION_METHOD: "interface=eth[01]" };
  const { written, namespace, clock, addresses } = await look({ environment });
  const faults = () => {
    clock.wake();
    return addresses.faults;
  };
  namespace.ip("link", "set", "eth0", "down");
  namespace.ip("link", "set", "eth1", "down");
  await expect.poll(faults, { timeout: 20_000 }).toEqual([expect.stringContaining("by interface=eth[01]")]);
  expect(Object.fromEntries(written)).toEqual({ IPv4Address: "172.18.1.11/24" });
  namespace.ip("link", "set", "eth1", "up");
  await expect.poll(faults, { timeout: 20_000 }).toEqual([]);
  await expect.poll(() => Object.fromEntries(written), { timeout: 20_000 }).toEqual({ IPv4Address: "10.0.0.5/16" });
});

test("the kernel says which address leads to a destination", () => {
  const namespace = machine();
  namespace.ip("route", "add", "198.51.100.0/24", "via", "10.0.0.1");
  const module = new URL("../../src/agent/node/source-address.ts", import.meta.url).href;
  const script = `
    const { sourceTo } = await import(${JSON.stringify(module)});
    for (const [to, version] of ${JSON.stringify(destinations)}) console.log(await sourceTo(to, version));`;
  const argv = ["netns", "exec", namespace.name, process.execPath, "--input-type=module", "-e", script];
  expect(execFileSync("ip", argv, { encoding: "utf8" }).split("\n")).toEqual([
    ...["172.18.1.11", "10.0.0.5", "fd00:18::b", "undefined", "undefined"],
    "",
  ]);
});

const destinations = [
  ["172.18.1.7", 4],
  ["198.51.100.7", 4],
  ["fd00:18::7", 6],
  ["203.0.113.7", 4],
  ["10.0.0.7", 6],
];
