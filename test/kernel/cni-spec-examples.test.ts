import { createServer } from "node:net";
import { basename, join } from "node:path";
import { describe, expect } from "vitest";
import { inNetns } from "../../src/host/netns.ts";
import type { CniNode } from "./cni-node.ts";
import { resultFaults } from "./cni-spec-result.ts";
import { calico, executionOf, type NetworkConf, type PluginConf, test } from "./cni-spec-runtime.ts";

const versions = ["0.4.0", "1.0.0", "1.1.0"] as const;

/** The specification's "Example configuration" with our plugin in the place of `bridge`; `ipam` is its own when absent. */
function dbnet(version: string, { ipam, data }: { readonly ipam?: object; readonly data: string }): NetworkConf {
  const hostLocal = {
    type: "host-local",
    subnet: "10.1.0.0/16",
    gateway: "10.1.0.1",
    routes: [{ dst: "0.0.0.0/0" }],
    dataDir: data,
  };
  return {
    cniVersion: "0.3.1",
    cniVersions: ["0.3.1", "0.4.0", "1.0.0", "1.1.0"].slice(0, versions.indexOf(version as "0.4.0") + 2),
    name: "dbnet",
    plugins: [
      calico({
        keyA: ["some more", "plugin specific", "configuration"],
        ipam: ipam ?? hostLocal,
        dns: { nameservers: ["10.1.0.1"] },
      }),
      { type: "tuning", capabilities: { mac: true }, sysctl: { "net.core.somaxconn": "500" }, dataDir: data },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

/** What the runtime of the specification's "Appendix: Examples" gives, and what none of the plugins declares. */
const capabilities = {
  mac: "00:11:22:33:44:66",
  portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
  bandwidth: { ingressRate: 1_000_000, ingressBurst: 1_000_000, egressRate: 1_000_000, egressBurst: 1_000_000 },
  ips: ["10.1.0.77/16"],
};

describe.each(versions)("the specification's example in version %s", (version) => {
  test.for([undefined, { type: "calico-ipam" }])("with IPAM %j", async (ipam, { runtime }) => {
    const { node, folder } = runtime;
    await node.serve();
    const outside = await makeOutside(node);
    const before = await node.leftovers();
    const list = dbnet(version, { data: join(folder, "data"), ...(ipam === undefined ? {} : { ipam }) });
    const pod = { container: "blue", pod: "blue", netns: node.addPod("blue"), capabilities };

    const added = await runtime.attach("ADD", list, pod);
    expect(added.message).toBe("");
    const given = added.executions?.map(({ plugin, conf }) => [plugin, conf["cniVersion"], conf["runtimeConfig"]]);
    expect(given).toEqual([
      ["calico", version, undefined],
      ["tuning", version, { mac: capabilities.mac }],
      ["portmap", version, { portMappings: capabilities.portMappings }],
    ]);
    const place = { netns: pod.netns, interfaceName: "eth0" };
    expect(resultFaults(version, JSON.parse(executionOf(added, "calico").output), place)).toEqual([]);
    // The last plugin's answer has what the first and the second did.
    expect(resultFaults(version, added.result, place)).toEqual([]);
    expect(added.result).toMatchObject({
      cniVersion: version,
      interfaces: [{}, { name: "eth0", mac: capabilities.mac, sandbox: pod.netns }],
      ips: [{ interface: 1, address: expect.stringMatching(ipam === undefined ? /^10\.1\./ : /^192\.168\.7\./) }],
      dns: { nameservers: ["10.1.0.1"] },
      ...(ipam === undefined ? { routes: [{ dst: "0.0.0.0/0" }] } : {}),
    });
    expect(await node.run(pod.netns, ["ip", "-o", "link", "show", "eth0"])).toContain(capabilities.mac);
    expect(await node.run(pod.netns, ["cat", "/proc/sys/net/core/somaxconn"])).toBe("500\n");
    await expectPort(node, outside, pod.netns);

    const checked = await runtime.attach("CHECK", list, pod);
    expect(checked.message).toBe("");
    expect(executionOf(checked, "calico").conf["prevResult"]).toEqual(added.result);
    const deleted = await runtime.attach("DEL", list, pod);
    expect(deleted.message).toBe("");
    expect(deleted.executions?.map(({ plugin, conf }) => [plugin, conf["prevResult"]])).toEqual(
      ["portmap", "tuning", "calico"].map((plugin) => [plugin, added.result]),
    );
    expect(await node.leftovers()).toEqual(before);
    expect(
      (await node.dependencies.host.listFolder(join(folder, "data/dbnet"))).filter((name) => /^10\./.test(name)),
    ).toEqual([]);
    await expect(ask(node, outside)).rejects.toThrow();
  });
});

test("a plugin that declares ips has them, and calico-ipam gives just those", async ({ runtime }) => {
  const { node } = runtime;
  await node.serve();
  const list = {
    cniVersion: "1.1.0",
    name: "k8s-pod-network",
    plugins: [calico({ capabilities: { ips: true, mac: false } })],
  };
  const wanted = { ips: ["192.168.7.77/32"], mac: "00:11:22:33:44:66" };
  const pod = { container: "one", pod: "one", netns: node.addPod("one"), capabilities: wanted };
  const { message, result, executions } = await runtime.attach("ADD", list, pod);
  expect(message).toBe("");
  expect(executions?.[0]?.conf["runtimeConfig"]).toEqual({ ips: wanted.ips });
  expect(result).toMatchObject({ ips: [{ address: "192.168.7.77/32" }] });
});

/** What reference plugins change of the interface after ours made it. */
const later: Readonly<Record<string, PluginConf>> = {
  "a lower MTU": { type: "tuning", mtu: 1300 },
  "another MAC address": { type: "tuning", mac: "02:aa:00:00:00:01" },
  "flags and queues": { type: "tuning", promisc: true, allmulti: true, txQLen: 77 },
  sysctls: {
    type: "tuning",
    sysctl: {
      "net.ipv4.ip_forward": "1",
      "net.ipv4.conf.eth0.arp_ignore": "1",
      "net.ipv6.conf.IFNAME.disable_ipv6": "0",
    },
  },
  "a rule for a routing table": { type: "sbr", table: 100 },
  bandwidth: {
    type: "bandwidth",
    ingressRate: 8_000_000,
    ingressBurst: 8_000_000,
    egressRate: 8_000_000,
    egressBurst: 8_000_000,
  },
};

describe.each(versions)("what a later plugin changed is no fault in version %s", (version) => {
  test.for(Object.entries(later))("%s", async ([, plugin], { runtime }) => {
    const { node, folder } = runtime;
    await node.serve();
    const own = calico({ container_settings: {} });
    const changing = plugin.type === "tuning" ? { ...plugin, dataDir: join(folder, "tuning") } : plugin;
    const list = { cniVersion: version, name: "k8s-pod-network", plugins: [own, changing] };
    const pod = { container: "one", pod: "one", netns: node.addPod("one") };
    expect((await runtime.attach("ADD", list, pod)).message).toBe("");
    const [address] = node.addressesOf("one");
    await node.connect(node.netns, pod.netns, String(address));
    expect((await runtime.attach("CHECK", list, pod)).message).toBe("");
    expect((await runtime.attach("DEL", list, pod)).message).toBe("");
    expect(await node.leftovers()).toEqual([]);
  });
});

test("a later plugin that takes away the way out, as sbr does for what has no gateway, is told of", async ({
  runtime,
}) => {
  const { node } = runtime;
  await node.serve();
  const list = { cniVersion: "1.1.0", name: "k8s-pod-network", plugins: [calico(), { type: "sbr" }] };
  const pod = { container: "one", pod: "one", netns: node.addPod("one") };
  expect((await runtime.attach("ADD", list, pod)).message).toBe("");
  await expect(node.connect(node.netns, pod.netns, String(node.addressesOf("one")[0]))).rejects.toThrow();
  const { error } = await runtime.attach("CHECK", list, pod);
  expect(error).toMatchObject({ code: 103, msg: expect.stringContaining("the pod has no route 0.0.0.0/0") });
  expect((await runtime.attach("DEL", list, pod)).message).toBe("");
  expect(await node.leftovers()).toEqual([]);
});

test("an interface that an earlier plugin made is in the way, and DEL takes away what there is", async ({
  runtime,
}) => {
  const { node, folder } = runtime;
  await node.serve();
  const ipam = { type: "host-local", subnet: "10.1.0.0/16", dataDir: join(folder, "data") };
  const list = {
    cniVersion: "1.1.0",
    name: "k8s-pod-network",
    plugins: [{ type: "bridge", bridge: "cni0", ipam }, calico()],
  };
  const pod = { container: "one", pod: "one", netns: node.addPod("one") };
  const { error, executions } = await runtime.attach("ADD", list, pod);
  expect(executions?.at(-1)?.plugin).toBe("calico");
  expect(error).toMatchObject({ code: 7, msg: expect.stringContaining("eth0") });
  expect(await node.run(pod.netns, ["ip", "-o", "link"])).toContain("eth0");
  expect((await runtime.attach("DEL", list, pod)).message).toBe("");
  expect(await node.run(pod.netns, ["ip", "-o", "link"])).not.toContain("eth0");
  await node.run(node.netns, ["ip", "link", "delete", "cni0"]);
  expect(await node.leftovers()).toEqual([]);
});

test("two networks of one container: what is done to one leaves the other", async ({ runtime }) => {
  const { node } = runtime;
  await node.serve({}, { retryMs: 20 });
  const first = { cniVersion: "1.1.0", name: "k8s-pod-network", plugins: [calico()] };
  const bridge = { type: "bridge", bridge: "cni0", ipam: { type: "calico-ipam" } };
  const side = { cniVersion: "1.1.0", name: "side", plugins: [bridge] };
  const pod = { container: "one", pod: "one", netns: node.addPod("one") };
  const further = { ...pod, interfaceName: "net1" };
  for (const [list, one] of [
    [first, pod],
    [side, further],
  ] as const) {
    expect((await runtime.attach("ADD", list, one)).message).toBe("");
    expect((await runtime.attach("CHECK", list, one)).message).toBe("");
    expect((await runtime.ask("STATUS", list)).message).toBe("");
  }
  // As a runtime without a memory, so that the plugins do the work, of which `bridge` does none.
  expect((await runtime.collect(side, [], "empty")).message).toBe("");
  expect((await runtime.attach("CHECK", first, pod)).message).toBe("");
  await node.connect(node.netns, pod.netns, String(node.addressesOf("one")[0]));
  expect((await runtime.attach("DEL", side, further)).message).toBe("");
  expect((await runtime.attach("CHECK", first, pod)).message).toBe("");
  expect((await runtime.attach("DEL", first, pod)).message).toBe("");
  await node.run(node.netns, ["ip", "link", "delete", "cni0"]);
  await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
});

const nodeAddress = "10.250.9.1";

/** A machine outside the node with a wire to it. */
async function makeOutside(node: CniNode): Promise<string> {
  const outside = node.addNamespace();
  const ip = (netns: string, ...words: readonly string[]) => node.run(netns, ["ip", ...words]);
  await ip(node.netns, "link", "add", "out", "type", "veth", "peer", "name", "eth0", "netns", basename(outside));
  for (const [netns, link, address] of [
    [node.netns, "out", nodeAddress],
    [outside, "eth0", "10.250.9.2"],
  ] as const) {
    await ip(netns, "address", "add", `${address}/24`, "dev", link);
    await ip(netns, "link", "set", link, "up");
  }
  await node.run(node.netns, ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]);
  return outside;
}

/** Rejects unless a connection from outside to the node's port 8080 reaches port 80 of the pod. */
async function expectPort(node: CniNode, outside: string, pod: string): Promise<void> {
  const listener = inNetns(pod, () => createServer((socket) => socket.end("the pod")).listen(80));
  try {
    expect(await ask(node, outside)).toBe("the pod");
  } finally {
    listener.close();
  }
}

/** What is answered on the node's port 8080. */
function ask(node: CniNode, from: string): Promise<string> {
  const script = `require("node:net").connect({ host: "${nodeAddress}", port: 8080, timeout: 2000 })
    .on("timeout", () => process.exit(2)).on("error", () => process.exit(1)).pipe(process.stdout);`;
  return node.run(from, [process.execPath, "-e", script]);
}
