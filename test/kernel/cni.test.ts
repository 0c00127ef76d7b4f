import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { Pod } from "../../src/api/objects.ts";
import { podMtu } from "../../src/cni/pod-mtu.ts";
import { vethName } from "../../src/cni/veth-name.ts";
import { systemClock } from "../../src/host/clock.ts";
import { NetlinkError } from "../../src/host/netlink/netlink.ts";
import { confOf } from "./cni-call.ts";
import { type NodeParts, poolOf, storeIsAway } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

const veth = vethName("shop", "web");

test("ADD wires a pod that its node reaches, and says what it made", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const reply = await node.call({ verb: "ADD", container, netns, pod: "web" });
  const address = node.addressesOf(container)[0];
  expect(reply.json).toEqual({
    cniVersion: "0.3.0",
    interfaces: [
      { name: veth, mac: "ee:ee:ee:ee:ee:ee" },
      { name: "eth0", mac: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/), sandbox: netns },
    ],
    ips: [{ version: "4", interface: 1, address: `${address}/32` }],
    dns: {},
  });
  expect(reply.exitCode).toBe(0);
  expect(await node.run(netns, ["ip", "-4", "route"])).toBe(
    "default via 169.254.1.1 dev eth0 \n169.254.1.1 dev eth0 scope link \n",
  );
  expect(await node.run(netns, ["cat", "/proc/sys/net/ipv4/ip_forward"])).toBe("1\n");
  expect(await node.run(netns, ["ip", "-6", "address", "show", "eth0"])).toBe("");
  const [allocation] = node.allocations();
  expect(allocation?.attribute.secondary).toMatchObject({ pod: "web", namespace: "shop", node: "node-1" });
  await node.connect(node.netns, netns, String(address));
  await node.connect(netns, node.netns, "10.250.0.1");
});

test("ADD sets the host's side as upstream does", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web", conf: confOf({ mtu: 1380, container_settings: {} }) });
  const settings = ["conf/X/route_localnet", "neigh/X/proxy_delay", "conf/X/proxy_arp", "conf/X/forwarding"];
  const paths = settings.map((one) => `/proc/sys/net/ipv4/${one.replace("X", veth)}`);
  expect(await node.run(node.netns, ["cat", ...paths])).toBe("1\n0\n1\n1\n");
  const [link] = JSON.parse(await node.run(node.netns, ["ip", "-j", "link", "show", veth]));
  expect(link).toMatchObject({ mtu: 1380, address: "ee:ee:ee:ee:ee:ee", operstate: "UP" });
  const [peer] = JSON.parse(await node.run(netns, ["ip", "-j", "link", "show", "eth0"]));
  expect(peer).toMatchObject({ mtu: 1380 });
  expect(await node.run(netns, ["cat", "/proc/sys/net/ipv4/ip_forward"])).toBe("0\n");
});

test("a pod with both families answers on both", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const conf = confOf({ cniVersion: "1.1.0", ipam: { type: "calico-ipam", assign_ipv6: true } });
  const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
  expect(reply.json["ips"]).toHaveLength(2);
  for (const ip of node.addressesOf(container)) {
    await node.connect(node.netns, netns, ip);
  }
  await node.connect(netns, node.netns, "fd00:250::1");
  const check = await node.call({
    verb: "CHECK",
    container,
    netns,
    pod: "web",
    conf: { ...conf, prevResult: reply.json },
  });
  expect(check.text).toBe("");
});

test("the MTU comes from the file when the configuration gives none, else from the node's way out", async ({
  node,
}) => {
  const [netns, db] = [node.addPod("web"), node.addPod("db")];
  await node.serve();
  await node.call({ verb: "ADD", container: "other", netns: db, pod: "db" });
  expect(JSON.parse(await node.run(db, ["ip", "-j", "link", "show", "eth0"]))).toMatchObject([{ mtu: 1450 }]);
  await writeFile(node.dependencies.paths.mtuFile, "1430\n");
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(await readFile(join(node.folder, "attachments", `${container}:eth0.json`), "utf8")).toContain('"mtu": 1430');
  const [peer] = JSON.parse(await node.run(netns, ["ip", "-j", "link", "show", "eth0"]));
  expect(peer).toMatchObject({ mtu: 1430 });
});

test("of the interfaces that lead to other nodes and are up the one with the smallest MTU counts, and none of a pod's", async ({
  node,
}) => {
  const ip = (...argv: string[]) => node.run(node.netns, ["ip", "link", ...argv]);
  await ip("add", "bond0", "mtu", "1440", "type", "veth", "peer", "name", "bond1", "mtu", "1435");
  await ip("add", "cali-bond", "mtu", "1300", "type", "veth", "peer", "name", "big", "mtu", "9000");
  for (const name of ["bond0", "cali-bond", "big"]) await ip("set", name, "up");
  const pattern = { of: /^bond|bond$/ };
  let later = 0;
  const clock = { ...systemClock, monotonicNow: () => systemClock.monotonicNow() + later };
  await node.serve({ isUplink: (name) => pattern.of.test(name), clock });
  const mtuOf = async (pod: string) => {
    const netns = node.addPod(pod);
    // What was found may stand for a second.
    later += 1000;
    await node.call({ verb: "ADD", container: pod, netns, pod });
    return JSON.parse(await node.run(netns, ["ip", "-j", "link", "show", "eth0"]))[0].mtu;
  };
  expect(await mtuOf("web")).toBe(1440);
  await ip("set", "bond1", "up");
  expect(await mtuOf("db")).toBe(1435);
  pattern.of = /^big$/;
  // The interface with the default route.
  expect(await mtuOf("cache")).toBe(1450);
});

test("the interfaces are read once for pods that come at the same time, and anew after a failure", async ({ node }) => {
  let dumps = 0;
  const clock = { ...systemClock, monotonicNow: () => 0 };
  const openNetlink: NodeParts["openNetlink"] = (path) => {
    const real = node.dependencies.openNetlink(path);
    const links = async () => {
      dumps++;
      if (dumps === 1) throw new NetlinkError("list links", "ENOBUFS");
      return real.links();
    };
    return new Proxy(real, { get: (target, key) => (key === "links" ? links : Reflect.get(target, key).bind(target)) });
  };
  const parts = { ...node.dependencies, openNetlink, clock };
  const mtu = () => podMtu({ mtu: 0, require_mtu_file: false }, parts);
  await expect(mtu()).rejects.toThrow("ENOBUFS");
  expect(await Promise.all([mtu(), mtu(), mtu()])).toEqual([1450, 1450, 1450]);
  expect(dumps).toBe(2);
});

test("the pools' encapsulation takes from the MTU that is found, not from one that is said", async ({ node }) => {
  node.cluster.pools = [...node.cluster.pools, poolOf("wrapped", { cidr: "192.168.8.0/24", vxlanMode: "CrossSubnet" })];
  const [netns, db, cache] = [node.addPod("web"), node.addPod("db"), node.addPod("cache")];
  await node.serve();
  const mtuIn = async (path: string) => JSON.parse(await node.run(path, ["ip", "-j", "link", "show", "eth0"]))[0].mtu;
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(await mtuIn(netns)).toBe(1400);
  await node.call({ verb: "ADD", container: "said", netns: db, pod: "db", conf: confOf({ mtu: 1440 }) });
  expect(await mtuIn(db)).toBe(1440);
  await writeFile(node.dependencies.paths.mtuFile, "1430\n");
  await node.call({ verb: "ADD", container: "file", netns: cache, pod: "cache" });
  expect(await mtuIn(cache)).toBe(1430);
});

test("the same ADD again gives the same answer and takes no second address", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const first = await node.call({ verb: "ADD", container, netns, pod: "web" });
  const again = await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(again).toEqual(first);
  expect(node.allocations()).toHaveLength(1);
});

test("an ADD repairs what it finds broken, with the same address", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const first = await node.call({ verb: "ADD", container, netns, pod: "web" });
  await node.run(netns, ["ip", "route", "flush", "table", "main"]);
  const again = await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(again.json["ips"]).toEqual(first.json["ips"]);
  await node.connect(netns, node.netns, "10.250.0.1");
});

test("an interface that a crash left is replaced", async ({ node }) => {
  const netns = node.addPod("web");
  await node.run(node.netns, ["ip", "link", "add", veth, "type", "veth", "peer", "name", "leftover"]);
  await node.serve();
  expect((await node.call({ verb: "ADD", container, netns, pod: "web" })).exitCode).toBe(0);
  expect(await node.run(node.netns, ["ip", "-o", "link"])).not.toContain("leftover");
});

test("DEL leaves nothing, and may come again, before ADD, or after the namespace went", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).text).toBe("");
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(await node.call({ verb: "DEL", container, netns, pod: "web" })).toMatchObject({ exitCode: 0, text: "" });
  await expectNothingLeft(node, netns);
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect((await node.call({ verb: "DEL", container, netns: "/run/netns/gone", pod: "web" })).exitCode).toBe(0);
  await expectNothingLeft(node, netns);
});

test("DEL works with what little the runtime still knows", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(
    (await node.call({ verb: "DEL", container, conf: { name: "k8s-pod-network", cniVersion: "0.3.0" } })).exitCode,
  ).toBe(0);
  await expectNothingLeft(node, netns);
});

test("an address comes from the pool that selects the pod's namespace", async ({ node }) => {
  node.cluster.pools = [
    poolOf("others", { cidr: "192.168.8.0/24", namespaceSelector: "team == 'b'" }),
    poolOf("ours", { cidr: "192.168.9.0/24", namespaceSelector: "team == 'a'" }),
  ];
  const [netns, db] = [node.addPod("web"), node.addPod("db")];
  await node.serve();
  expect((await node.call({ verb: "ADD", container, netns, pod: "web" })).exitCode).toBe(0);
  expect(node.addressesOf(container)).toEqual([expect.stringMatching(/^192\.168\.9\./)]);
  node.cluster.pools = node.cluster.pools.slice(0, 1);
  expect((await node.call({ verb: "ADD", container: "other", netns: db, pod: "db" })).json).toMatchObject({
    code: 101,
    msg: expect.stringContaining("does not select the namespace"),
  });
});

test("a static pod's attachment goes by its name, as its mirror may be made anew; another's by its UID too", async ({
  node,
}) => {
  const netns = node.addPod("web");
  const mirror = { ...node.pods.get("shop/web"), annotations: { "kubernetes.io/config.hash": "hash-of-web" } };
  node.pods.set("shop/web", mirror as Pod);
  await node.serve();
  expect((await node.call({ verb: "ADD", container, netns, pod: "web", uid: "hash-of-web" })).exitCode).toBe(0);
  expect([...node.published.values()]).toEqual([expect.objectContaining({ podUid: undefined })]);
  const db = node.addPod("db");
  expect((await node.call({ verb: "ADD", container: "other", netns: db, pod: "db", uid: "uid-db" })).exitCode).toBe(0);
  expect([...node.published.values()]).toContainEqual(expect.objectContaining({ podUid: "uid-db" }));
});

test("DEL of an older sandbox leaves the newer one of the same pod alone", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  await node.call({ verb: "ADD", container: "older", netns, pod: "web" });
  const newer = await node.call({ verb: "ADD", container: "newer", netns, pod: "web" });
  expect(newer.exitCode).toBe(0);
  expect([...node.cluster.handles.keys()]).toEqual(["k8s-pod-network.newer"]);
  expect((await node.call({ verb: "DEL", container: "older", netns, pod: "web" })).exitCode).toBe(0);
  expect([...node.cluster.handles.keys()]).toEqual(["k8s-pod-network.newer"]);
  await node.connect(netns, node.netns, "10.250.0.1");
  await node.call({ verb: "DEL", container: "newer", netns, pod: "web" });
  await expectNothingLeft(node, netns);
});

test("DEL succeeds without the store, and the address is given back later", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve({}, { retryMs: 20 });
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  node.storeFault = storeIsAway;
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
  expect(await readdir(node.dependencies.paths.journal)).toHaveLength(1);
  expect(node.allocations()).toHaveLength(1);
  node.storeFault = async () => ({});
  await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
  await expectNothingLeft(node, netns);
});

test("an ADD after a DEL that still owes its release keeps its address", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  node.storeFault = storeIsAway;
  await node.call({ verb: "DEL", container, netns, pod: "web" });
  node.storeFault = async () => ({});
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(await readdir(node.dependencies.paths.journal)).toEqual([]);
  expect(node.addressesOf(container)).toHaveLength(1);
});

test("CHECK finds what went missing", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const conf = confOf({ cniVersion: "1.0.0" });
  const { json } = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
  const check = () => node.call({ verb: "CHECK", container, netns, pod: "web", conf: { ...conf, prevResult: json } });
  expect(await check()).toMatchObject({ exitCode: 0, text: "" });
  const address = node.addressesOf(container)[0];
  const route = [`${address}/32`, "dev", veth, "scope", "link"];
  await node.run(node.netns, ["ip", "route", "delete", ...route]);
  expect((await check()).json).toMatchObject({ code: 103, msg: expect.stringContaining(`no route ${address}/32`) });
  await node.run(node.netns, ["ip", "route", "add", ...route]);
  await node.run(netns, ["ip", "route", "delete", "default"]);
  expect((await check()).json["msg"]).toContain("the pod has no route 0.0.0.0/0");
  await node.run(netns, ["ip", "address", "flush", "dev", "eth0"]);
  expect((await check()).json["msg"]).toContain(`has no address ${address}`);
  await node.run(node.netns, ["ip", "link", "delete", veth]);
  expect((await check()).json["msg"]).toContain(`the node has no interface ${veth}`);
  const stranger = await node.call({
    verb: "CHECK",
    container: "other",
    netns,
    pod: "web",
    conf: { ...conf, prevResult: json },
  });
  expect(stranger.json["msg"]).toContain("this node has no such attachment");
  expect((await node.call({ verb: "CHECK", container, netns, pod: "web", conf })).json).toMatchObject({ code: 7 });
});

test("GC takes away what the runtime does not list, and only of its network", async ({ node }) => {
  const [web, db] = [node.addPod("web"), node.addPod("db")];
  await node.serve();
  await node.call({ verb: "ADD", container: "one", netns: web, pod: "web" });
  await node.call({ verb: "ADD", container: "two", netns: db, pod: "db" });
  const list = { "cni.dev/valid-attachments": [{ containerID: "two", ifname: "eth0" }] };
  const elsewhere = await node.call({ verb: "GC", conf: confOf({ cniVersion: "1.1.0", name: "other", ...list }) });
  expect(elsewhere.exitCode).toBe(0);
  expect(node.allocations()).toHaveLength(2);
  expect((await node.call({ verb: "GC", conf: confOf({ cniVersion: "1.1.0", ...list }) })).exitCode).toBe(0);
  expect([...node.cluster.handles.keys()]).toEqual(["k8s-pod-network.two"]);
  expect([...node.published.keys()]).toEqual(["two/eth0"]);
  expect((await node.call({ verb: "GC", conf: confOf({ cniVersion: "1.1.0" }) })).json).toMatchObject({ code: 7 });
});

test("many pods at once, and the same container one request at a time", async ({ node }) => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const paths = names.map((name) => node.addPod(name));
  await node.serve();
  const request = (name: string, index: number) => ({ container: `c-${name}`, netns: paths[index] ?? "", pod: name });
  const replies = await Promise.all(
    names.flatMap((name, index) => [0, 1].map(() => node.call({ verb: "ADD", ...request(name, index) }))),
  );
  expect(replies.map((reply) => reply.exitCode)).toEqual(replies.map(() => 0));
  expect(new Set(replies.map((reply) => JSON.stringify(reply.json["ips"]))).size).toBe(names.length);
  await Promise.all(names.map((name, index) => node.call({ verb: "DEL", ...request(name, index) })));
  await expectNothingLeft(node);
});
