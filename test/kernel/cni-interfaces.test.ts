import { expect } from "vitest";
import { furtherVethName, vethName } from "../../src/cni/veth-name.ts";
import { confOf } from "./cni-call.ts";
import type { CniNode } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

const first = vethName("shop", "web");
const further = furtherVethName("shop", "web", "net1");

/** A network beside the pods' own, whose pods reach the node's address by it. */
function sideConf(ipam: object = {}, changes: Record<string, unknown> = {}) {
  const own = { type: "calico-ipam", routes: [{ dst: "10.250.0.1/32" }], ...ipam };
  return confOf({ cniVersion: "1.0.0", name: "side", ipam: own, ...changes });
}

/** Wires `eth0` and then `net1` of pod `web`; answers both calls with their results. */
async function addBoth(node: CniNode, netns: string, ids = container) {
  const eth0 = { container: ids, netns, pod: "web", conf: confOf({ cniVersion: "1.0.0" }) };
  const net1 = { ...eth0, interfaceName: "net1", conf: sideConf() };
  const [one, two] = [await node.call({ verb: "ADD", ...eth0 }), await node.call({ verb: "ADD", ...net1 })];
  expect([one.text, two.text].join("\n")).not.toContain('"code"');
  return { eth0: { ...eth0, result: one.json }, net1: { ...net1, result: two.json } };
}

const addressIn = (json: Record<string, unknown>) =>
  (json["ips"] as readonly { readonly address: string }[])[0]?.address.split("/")[0] ?? "";

test("a first interface may have any name, and has upstream's on the node", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const call = { container, netns, pod: "web", interfaceName: "pod0", conf: confOf({ cniVersion: "1.0.0" }) };
  const { json } = await node.call({ verb: "ADD", ...call });
  expect(json).toMatchObject({ interfaces: [{ name: first }, { name: "pod0", sandbox: netns }] });
  expect(await node.run(netns, ["ip", "-4", "route"])).toContain("default via 169.254.1.1 dev pod0");
  await node.connect(node.netns, netns, addressIn(json));
  expect((await node.call({ verb: "CHECK", ...call, conf: { ...call.conf, prevResult: json } })).text).toBe("");
  expect((await node.call({ verb: "DEL", ...call })).exitCode).toBe(0);
  await expectNothingLeft(node, netns);
});

test("a further interface is one of its own, and takes nothing from the first", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const { eth0, net1 } = await addBoth(node, netns);
  expect(net1.result).toMatchObject({ interfaces: [{ name: further }, { name: "net1", sandbox: netns }] });
  expect([...node.cluster.handles.keys()].sort()).toEqual([`k8s-pod-network.${container}`, `side.${container}`]);
  expect(await node.run(netns, ["ip", "-4", "route"])).toBe(
    "default via 169.254.1.1 dev eth0 \n10.250.0.1 via 169.254.1.1 dev net1 onlink \n169.254.1.1 dev eth0 scope link \n",
  );
  for (const { conf, result, ...call } of [eth0, net1]) {
    expect((await node.call({ verb: "CHECK", ...call, conf: { ...conf, prevResult: result } })).text).toBe("");
    const again = await node.call({ verb: "ADD", ...call, conf });
    expect(again.json).toEqual(result);
  }
  await node.run(netns, ["cat", "/proc/sys/net/ipv4/ip_forward"]);
  // By the further one alone.
  await node.run(node.netns, ["ip", "link", "set", first, "down"]);
  await node.connect(netns, node.netns, "10.250.0.1");
  await node.run(node.netns, ["ip", "link", "set", first, "up"]);
});

test("a further interface leaves the pod's forwarding as the first one's network has it", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const call = { container, netns, pod: "web" };
  await node.call({ verb: "ADD", ...call });
  const conf = sideConf({}, { container_settings: {} });
  expect((await node.call({ verb: "ADD", ...call, interfaceName: "net1", conf })).exitCode).toBe(0);
  expect(await node.run(netns, ["cat", "/proc/sys/net/ipv4/ip_forward"])).toBe("1\n");
});

test("each interface goes by itself, whichever goes first", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  for (const leaving of ["net1", "eth0"] as const) {
    const { eth0, net1 } = await addBoth(node, netns);
    const [gone, left] = leaving === "net1" ? [net1, eth0] : [eth0, net1];
    expect((await node.call({ verb: "DEL", ...gone })).exitCode).toBe(0);
    expect([...node.published.keys()]).toEqual([`${container}/${leaving === "net1" ? "eth0" : "net1"}`]);
    await node.connect(netns, node.netns, "10.250.0.1");
    expect((await node.call({ verb: "CHECK", ...left, conf: { ...left.conf, prevResult: left.result } })).text).toBe(
      "",
    );
    expect((await node.call({ verb: "DEL", ...left })).exitCode).toBe(0);
    await expectNothingLeft(node, netns);
  }
});

test("GC goes by interface", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  await addBoth(node, netns);
  const gc = (name: string, ...valid: readonly string[]) => {
    const list = valid.map((ifname) => ({ containerID: container, ifname }));
    return node.call({ verb: "GC", conf: confOf({ cniVersion: "1.1.0", name, "cni.dev/valid-attachments": list }) });
  };
  expect((await gc("k8s-pod-network", "eth0")).exitCode).toBe(0);
  expect([...node.published.keys()]).toHaveLength(2);
  expect((await gc("side")).exitCode).toBe(0);
  expect([...node.published.keys()]).toEqual([`${container}/eth0`]);
  await node.connect(netns, node.netns, "10.250.0.1");
});

test("a new sandbox takes over both interfaces of the old one", async ({ node }) => {
  const [older, newer] = [node.addPod("web"), node.addNamespace()];
  await node.serve();
  await addBoth(node, older, "older");
  await addBoth(node, newer, "newer");
  expect([...node.published.keys()].sort()).toEqual(["newer/eth0", "newer/net1"]);
  expect([...node.cluster.handles.keys()].sort()).toEqual(["k8s-pod-network.newer", "side.newer"]);
  for (const [interfaceName, conf] of [
    ["net1", sideConf()],
    ["eth0", confOf()],
  ] as const) {
    const call = { container: "older", netns: older, pod: "web", interfaceName, conf };
    expect((await node.call({ verb: "DEL", ...call })).exitCode).toBe(0);
  }
  await node.connect(newer, node.netns, "10.250.0.1");
  expect([...node.published.keys()]).toHaveLength(2);
});

test("a DEL of an interface that is not known leaves the others of the pod", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  await addBoth(node, netns);
  const call = { container, netns, pod: "web", conf: sideConf({}, { name: "third" }) };
  expect((await node.call({ verb: "DEL", ...call, interfaceName: "net2" })).exitCode).toBe(0);
  expect(await node.run(node.netns, ["ip", "-o", "link"])).toContain(first);
  expect(await node.run(node.netns, ["ip", "-o", "link"])).toContain(further);
  await node.connect(netns, node.netns, "10.250.0.1");
});

test("no route of a further interface takes the pod's way out, and none another's", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const call = { container, netns, pod: "web" };
  const routes = [{ dst: "10.9.0.0/16" }];
  await node.call({ verb: "ADD", ...call, conf: confOf({ ipam: { type: "calico-ipam", routes } }) });
  const before = await node.run(netns, ["ip", "-4", "route"]);
  const clash = await node.call({ verb: "ADD", ...call, interfaceName: "net1", conf: sideConf({ routes }) });
  expect(clash.json).toMatchObject({ code: 7, msg: expect.stringMatching(/route 10\.9\.0\.0\/16: another interface/) });
  expect(await node.run(netns, ["ip", "-4", "route"])).toBe(before);
  expect([...node.cluster.handles.keys()]).toEqual([`k8s-pod-network.${container}`]);
  const all = sideConf({
    routes: [{ dst: "0.0.0.0/0" }, { dst: "169.254.1.1/32" }, { dst: "10.8.0.0/16", gw: "10.8.0.1" }],
  });
  const { json } = await node.call({ verb: "ADD", ...call, interfaceName: "net1", conf: all });
  expect((await node.run(netns, ["ip", "-4", "route"])).split("\n").filter((line) => line.includes("net1"))).toEqual([
    "10.8.0.0/16 via 169.254.1.1 dev net1 onlink ",
  ]);
  const check = await node.call({ verb: "CHECK", ...call, interfaceName: "net1", conf: { ...all, prevResult: json } });
  expect(check.text).toBe("");
  await node.run(netns, ["ip", "route", "replace", "10.8.0.0/16", "via", "169.254.1.1", "dev", "eth0"]);
  const moved = await node.call({ verb: "CHECK", ...call, interfaceName: "net1", conf: { ...all, prevResult: json } });
  expect(moved.json["msg"]).toContain("no route 10.8.0.0/16 via 169.254.1.1 dev net1");
});

test("a further interface has IPv6 as well", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const both = { assign_ipv4: true, assign_ipv6: true };
  const call = { container, netns, pod: "web" };
  await node.call({ verb: "ADD", ...call, conf: confOf({ ipam: { type: "calico-ipam", ...both } }) });
  const conf = sideConf({ ...both, routes: [{ dst: "fd00:250::1/128" }] });
  const { json } = await node.call({ verb: "ADD", ...call, interfaceName: "net1", conf });
  expect(json["ips"]).toHaveLength(2);
  await node.run(node.netns, ["ip", "link", "set", first, "down"]);
  await node.connect(netns, node.netns, "fd00:250::1");
  const check = await node.call({ verb: "CHECK", ...call, interfaceName: "net1", conf: { ...conf, prevResult: json } });
  expect(check.text).toBe("");
});

test("annotations about addresses are the first interface's", async ({ node }) => {
  const netns = node.addPod("web", { "cni.projectcalico.org/ipAddrs": '["192.168.7.99"]' });
  await node.serve();
  const { eth0, net1 } = await addBoth(node, netns);
  expect(addressIn(eth0.result)).toBe("192.168.7.99");
  expect(addressIn(net1.result)).toMatch(/^192\.168\.7\.(?!99$)/);
});

test("two interfaces of a container never have one address", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const { eth0 } = await addBoth(node, netns);
  const addresses = [{ address: `${addressIn(eth0.result)}/24` }];
  const conf = sideConf({ type: "static", addresses }, { name: "third" });
  const call = { container, netns, pod: "web", interfaceName: "net2", path: "/usr/lib/cni" };
  expect((await node.call({ verb: "ADD", ...call, conf })).json).toMatchObject({
    code: 101,
    msg: expect.stringContaining("shop/web uses it"),
  });
});
