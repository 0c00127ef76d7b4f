import { describe, expect } from "vitest";
import { isSince, lossFaults, resultFaults, type Version, versions } from "./cni-spec-result.ts";
import {
  type Attachment,
  type CniRuntime,
  calico,
  executionOf,
  type NetworkConf,
  type PluginConf,
  type RuntimeReply,
  test,
} from "./cni-spec-runtime.ts";

/** The reference's only main plugin that leaves the wanted interface to others, so that ours may come after it. */
const loopback: PluginConf = { type: "loopback" };
const portmap: PluginConf = { type: "portmap", snat: true, capabilities: { portMappings: true } };
const tuning: PluginConf = { type: "tuning", sysctl: { "net.core.somaxconn": "500" } };

/** Where `calico` stands in the chain. */
const positions: Readonly<Record<string, readonly PluginConf[]>> = {
  only: [calico()],
  "only, with both families": [calico({ ipam: { type: "calico-ipam", assign_ipv6: true } })],
  first: [calico(), portmap, tuning],
  middle: [loopback, calico(), portmap],
  last: [loopback, calico()],
};

interface Case {
  readonly version: Version;
  readonly list: NetworkConf;
  readonly runtime: CniRuntime;
  readonly pod: Attachment & { readonly netns: string };
}

describe.each(versions)("version %s", (version) => {
  test.for(Object.entries(positions))("calico %j", async ([, plugins], { runtime }) => {
    const { node } = runtime;
    await node.serve();
    const list = { cniVersion: version, name: "k8s-pod-network", plugins };
    const pod = { container: "one", pod: "one", netns: node.addPod("one") };
    const one = { version, list, runtime, pod };
    await expectAnswers(one);
    await expectAdd(one);
    await expectCheck(one);
    await expectCollection(one);
    await expectDel(one);
    expect(await node.leftovers()).toEqual([]);
  });
});

test.for(versions)("a prevResult of version %s goes on whole", async (version, { runtime }) => {
  const { node } = runtime;
  await node.serve();
  const netns = node.addPod("one");
  const conf = { ...calico(), cniVersion: version, name: "k8s-pod-network", prevResult: earlierOf(version, netns) };
  const reply = await node.call({ verb: "ADD", container: "one", netns, pod: "one", conf });
  expect(resultFaults(version, reply.json, { netns, interfaceName: "eth0" })).toEqual([]);
  expect(lossFaults(conf.prevResult, reply.json)).toEqual([]);
  expect(reply.json["dns"]).toEqual(conf.prevResult.dns);
  // Up to 0.2.0 there is room for one address of a family, and it is the wanted interface's.
  expect(JSON.stringify(reply.json)).toContain(`"${node.addressesOf("one")[0]}/32"`);
});

/** What the specification's `bridge` says in "Add example", for another interface, with all that the version knows. */
function earlierOf(version: Version, netns: string) {
  const named = isSince(version, "1.0.0") ? {} : { version: "4" };
  const full = isSince(version, "1.1.0");
  const device = full ? { mtu: 1400, socketPath: "/run/vhost.sock", pciID: "0000:00:1f.6" } : {};
  const dns = { nameservers: ["10.1.0.1"], domain: "example", search: ["a.example"], options: ["ndots:5"] };
  if (!isSince(version, "0.3.0")) {
    const ip4 = { ip: "10.1.0.5/16", gateway: "10.1.0.1", routes: [{ dst: "10.2.0.0/16", gw: "10.1.0.1" }] };
    return { cniVersion: version, ip4, ip6: { ip: "fd00:1::5/64" }, dns };
  }
  const way = full ? { mtu: 1300, advmss: 1260, priority: 100, table: 50, scope: 0 } : {};
  return {
    cniVersion: version,
    ips: [{ ...named, address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 2 }],
    routes: [{ dst: "10.2.0.0/16", gw: "10.1.0.1", ...way }],
    interfaces: [
      { name: "cni0", mac: "00:11:22:33:44:55" },
      { name: "veth3243", mac: "55:44:33:22:11:11", ...(full ? { mtu: 1400 } : {}) },
      { name: "net1", mac: "99:88:77:66:55:44", sandbox: netns, ...device },
    ],
    dns,
  };
}

/** VERSION and STATUS, which need no container. */
async function expectAnswers({ version, list, runtime }: Case): Promise<void> {
  const said = await runtime.ask("VERSION", list);
  expect(said.message).toBe("");
  expect(said.versions?.["calico"]).toEqual(versions);
  const status = await runtime.ask("STATUS", list);
  expect(status.message).toBe("");
  expect(verbsOf(status)).toEqual(isSince(version, "1.1.0") ? list.plugins.map(({ type }) => `${type} STATUS`) : []);
  expect(await refusals("STATUS", runtime, list)).toEqual(isSince(version, "1.1.0") ? [] : [1]);
}

/** ADD: the answer's form, what came before in it, and that the kernel and the network are as it says. */
async function expectAdd({ version, list, runtime, pod }: Case): Promise<void> {
  const { node } = runtime;
  const reply = await runtime.attach("ADD", list, pod);
  expect(reply.message).toBe("");
  expect(verbsOf(reply)).toEqual(list.plugins.map(({ type }) => `${type} ADD`));
  const { conf, output } = executionOf(reply, "calico");
  const result: unknown = JSON.parse(output);
  expect(resultFaults(version, result, { netns: pod.netns, interfaceName: "eth0" })).toEqual([]);
  expect(conf["prevResult"] !== undefined).toBe(list.plugins[0]?.type !== "calico");
  if (conf["prevResult"] !== undefined) expect(lossFaults(conf["prevResult"], result)).toEqual([]);
  // What the last plugin of the chain says, which is what the runtime tells the kubelet.
  const addresses = node.addressesOf(pod.container);
  expect(addresses).not.toEqual([]);
  for (const address of addresses) {
    const cidr = `${address}/${address.includes(":") ? 128 : 32}`;
    expect(JSON.stringify(reply.result)).toContain(`"${cidr}"`);
    expect(await node.run(pod.netns, ["ip", "-o", "address", "show", "eth0"])).toContain(` ${cidr} `);
    await node.connect(node.netns, pod.netns, address);
  }
}

/** CHECK: nothing to say at first, an error once something is gone, nothing again when it is back. */
async function expectCheck({ version, list, runtime, pod }: Case): Promise<void> {
  const { node } = runtime;
  if (!isSince(version, "0.4.0")) {
    expect((await runtime.attach("CHECK", list, pod)).message).toContain("does not support the CHECK command");
    expect(await refusals("CHECK", runtime, list, pod)).toEqual([1]);
    return;
  }
  const ip = (...words: readonly string[]) => node.run(pod.netns, ["ip", ...words]);
  const way = ["default", "via", "169.254.1.1", "dev", "eth0"];
  const whole = await runtime.attach("CHECK", list, pod);
  expect(whole.message).toBe("");
  expect(verbsOf(whole)).toEqual(list.plugins.map(({ type }) => `${type} CHECK`));
  expect(executionOf(whole, "calico").output).toBe("");
  await ip("route", "delete", ...way);
  await expectFailure(runtime.attach("CHECK", list, pod), "0.0.0.0/0");
  await ip("route", "add", ...way);
  expect((await runtime.attach("CHECK", list, pod)).message).toBe("");
  const [address] = node.addressesOf(pod.container);
  // The other keeps the kernel from taking all routes with the address.
  await ip("address", "add", "10.255.0.1/32", "dev", "eth0");
  await ip("address", "delete", `${address}/32`, "dev", "eth0");
  await expectFailure(runtime.attach("CHECK", list, pod), String(address));
  await ip("address", "add", `${address}/32`, "dev", "eth0");
  await ip("address", "delete", "10.255.0.1/32", "dev", "eth0");
  expect((await runtime.attach("CHECK", list, pod)).message).toBe("");
}

/** GC: another container, of which the runtime has lost its memory, goes; the valid one stays. */
async function expectCollection({ version, list, runtime, pod }: Case): Promise<void> {
  const { node } = runtime;
  const other = { container: "two", pod: "two", netns: node.addPod("two") };
  expect((await runtime.attach("ADD", list, other, "lost")).message).toBe("");
  const collected = await runtime.collect(list, [pod]);
  expect(collected.message).toBe("");
  const knows = isSince(version, "1.1.0");
  expect(verbsOf(collected)).toEqual(knows ? list.plugins.map(({ type }) => `${type} GC`) : []);
  expect((await node.run(other.netns, ["ip", "-o", "link"])).includes("eth0")).toBe(!knows);
  expect(node.addressesOf("two").length === 0).toBe(knows);
  await node.connect(node.netns, pod.netns, String(node.addressesOf("one")[0]));
  if (!knows) {
    expect(await refusals("GC", runtime, list)).toEqual([1]);
    expect((await runtime.attach("DEL", list, other, "lost")).message).toBe("");
    return;
  }
  // None is valid any more, and the runtime knows of none.
  expect((await runtime.collect(list, [], "empty")).message).toBe("");
  expect(node.addressesOf("one")).toEqual([]);
  expect((await runtime.attach("ADD", list, pod)).message).toBe("");
}

/** DEL: in reverse order, and as often as it is asked for, also without a namespace. */
async function expectDel({ list, runtime, pod }: Case): Promise<void> {
  const { node } = runtime;
  const reply = await runtime.attach("DEL", list, pod);
  expect(reply.message).toBe("");
  expect(verbsOf(reply)).toEqual(list.plugins.map(({ type }) => `${type} DEL`).reverse());
  expect(executionOf(reply, "calico").output).toBe("");
  expect(await node.run(pod.netns, ["ip", "-o", "link"])).not.toContain("eth0");
  for (const netns of [pod.netns, undefined, "/run/netns/gone"]) {
    expect((await runtime.attach("DEL", list, { ...pod, netns })).message, netns).toBe("");
  }
}

async function expectFailure(call: Promise<RuntimeReply>, part: string): Promise<void> {
  const { error, executions } = await call;
  expect(error?.code).toBeGreaterThanOrEqual(100);
  expect(error?.msg).toContain(part);
  expect(executions?.at(-1)?.plugin).toBe("calico");
}

/** The codes with which the executable refuses a verb that the runtime never asked for. */
async function refusals(
  verb: string,
  { node }: CniRuntime,
  { plugins, ...network }: NetworkConf,
  attachment?: Attachment & { readonly netns: string },
): Promise<readonly unknown[]> {
  const conf = { ...plugins.find(({ type }) => type === "calico"), ...network, "cni.dev/valid-attachments": [] };
  const call = attachment === undefined ? {} : { container: attachment.container, netns: attachment.netns, pod: "one" };
  const { exitCode, json } = await node.call({ verb, conf, ...call });
  return exitCode === 0 ? [] : [json["code"]];
}

function verbsOf({ executions }: RuntimeReply): readonly string[] {
  return (executions ?? []).map(({ plugin, verb }) => `${plugin} ${verb}`);
}
