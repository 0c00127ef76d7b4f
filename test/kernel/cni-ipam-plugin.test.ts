import { beforeEach, describe, expect } from "vitest";
import { supportedVersions } from "../../src/cni/net-conf.ts";
import {
  addressOf,
  bridge,
  delegatedConf,
  heldByContainers,
  ipsOf,
  leaseFiles,
  runIpam,
  type Wish,
} from "./cni-delegated.ts";
import { type CniNode, poolOf } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

describe("calico-ipam by itself", () => {
  beforeEach<{ node: CniNode }>(async ({ node }) => {
    await node.serve();
  });

  for (const version of supportedVersions) {
    test(`answers in the words of ${version}`, async ({ node }) => {
      const ipam = { type: "calico-ipam", routes: [{ dst: "10.0.0.0/8", gw: "192.168.7.9" }] };
      const reply = await runIpam(node, "ADD", {
        conf: delegatedConf({ type: "bridge" }, { cniVersion: version, ipam }),
      });
      expect(reply.json).toMatchObject({ cniVersion: version });
      expect(reply.text).toMatch(/"(ip|address)":"192\.168\.7\.\d+\/26"/);
      expect(reply.text).toContain('"routes":[{"dst":"10.0.0.0/8","gw":"192.168.7.9"}]');
    });
  }

  test("gives the same again, and no address that is a network's own, its broadcast or its gateway's", async ({
    node,
  }) => {
    node.cluster.pools = [poolOf("tiny", { cidr: "192.168.9.0/29", blockSize: 29 })];
    const conf = delegatedConf(bridge);
    const ask = (name: string) => runIpam(node, "ADD", { container: name, conf });
    const replies = [];
    for (const name of ["a", "b", "c", "d", "e"]) replies.push(await ask(name));
    expect(replies.map((reply) => addressOf(ipsOf(reply)[0])).toSorted()).toEqual(
      [2, 3, 4, 5, 6].map((last) => `192.168.9.${last}`),
    );
    expect(await ask("c")).toEqual(replies[2]);
    expect(await ask("f")).toMatchObject({
      json: { code: 101, msg: expect.stringContaining("tiny (192.168.9.0/29)") },
    });
    expect(await leaseFiles(node)).toHaveLength(5);
    expect(heldByContainers(node)).toHaveLength(5);
    await runIpam(node, "DEL", { container: "c", conf });
    expect(ipsOf(await ask("g"))).toEqual(ipsOf(replies[2] ?? { json: {} }));
  });

  test("refuses a gateway that another holds, and keeps nothing", async ({ node }) => {
    await runIpam(node, "ADD", {
      container: "other",
      argument: "IP=192.168.7.1",
      conf: delegatedConf({ type: "macvlan" }),
    });
    const reply = await runIpam(node, "ADD", { argument: "IP=192.168.7.9", conf: delegatedConf(bridge) });
    expect(reply.json).toMatchObject({ code: 101, msg: expect.stringContaining("192.168.7.1") });
    expect(heldByContainers(node)).toEqual(["192.168.7.1"]);
    expect(await leaseFiles(node)).toEqual(["other:net1.json"]);
  });

  test("gives the address that is asked for, with its block's mask", async ({ node }) => {
    const reply = await runIpam(node, "ADD", { argument: "IP=192.168.7.70" });
    expect(ipsOf(reply)).toEqual([{ address: "192.168.7.70/26" }]);
    const again = await runIpam(node, "ADD", { container: "other", argument: "IP=192.168.7.70" });
    expect(again.json).toMatchObject({ code: 101, msg: expect.stringContaining("192.168.7.70") });
    expect(await leaseFiles(node)).toHaveLength(1);
  });

  test("keeps beside an address who has it", async ({ node }) => {
    await runIpam(node, "ADD", { argument: "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web" });
    await runIpam(node, "ADD", { container: "plain" });
    const secondary = (handle: string) =>
      node.allocations().find(({ attribute }) => attribute.handle_id === handle)?.attribute.secondary;
    const common = { node: "node-1", timestamp: expect.any(String) };
    expect(secondary(`side.${container}`)).toEqual({ ...common, pod: "web", namespace: "shop" });
    expect(secondary("side.plain")).toEqual(common);
  });

  test("serves one interface of a container in a network, and a stray DEL of another frees nothing", async ({
    node,
  }) => {
    const reply = await runIpam(node, "ADD", {});
    const second = await runIpam(node, "ADD", { interfaceName: "net2" });
    expect(second.json).toMatchObject({ code: 7, msg: expect.stringMatching(/net2 .* net1 of the same container/) });
    expect((await runIpam(node, "DEL", { interfaceName: "net2" })).exitCode).toBe(0);
    expect(heldByContainers(node)).toEqual([addressOf(ipsOf(reply)[0])]);
    expect((await runIpam(node, "DEL", {})).exitCode).toBe(0);
    expect(heldByContainers(node)).toEqual([]);
  });

  test("keeps apart two containers whose networks and IDs make the same handle", async ({ node }) => {
    const one = { container: "b.c", conf: delegatedConf({ type: "bridge" }) };
    const two = { container: "c", conf: delegatedConf({ type: "bridge" }, { name: "side.b" }) };
    const replies = await Promise.all([one, two].map((wish) => runIpam(node, "ADD", wish)));
    const [given, refused] = replies[0]?.exitCode === 0 ? [one, two] : [two, one];
    expect(replies.map(({ exitCode }) => exitCode).toSorted()).toEqual([0, 1]);
    expect(replies.find(({ exitCode }) => exitCode === 1)?.json).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/under the same name, side\.b\.c\. Rename/),
    });
    expect((await runIpam(node, "DEL", refused)).exitCode).toBe(0);
    expect(heldByContainers(node)).toHaveLength(1);
    expect((await runIpam(node, "DEL", given)).exitCode).toBe(0);
    expect(heldByContainers(node)).toEqual([]);
    expect((await runIpam(node, "ADD", refused)).exitCode).toBe(0);
  });

  test("does not take the addresses of a pod that calico wired", async ({ node }) => {
    const netns = node.addPod("web");
    const pods = { name: "k8s-pod-network", cniVersion: "1.0.0", type: "calico", datastore_type: "kubernetes" };
    const conf = { ...pods, ipam: { type: "calico-ipam" } };
    await node.call({ verb: "ADD", container, netns, pod: "web", conf });
    expect((await runIpam(node, "DEL", { interfaceName: "eth0", conf })).exitCode).toBe(0);
    expect((await runIpam(node, "DEL", { conf })).exitCode).toBe(0);
    expect(node.addressesOf(container)).toHaveLength(1);
    expect((await runIpam(node, "ADD", { interfaceName: "eth0", conf })).json).toMatchObject({ code: 7 });
    await node.connect(node.netns, netns, String(node.addressesOf(container)[0]));
  });

  test("CHECK finds a lease that is not there, and one that the result does not have", async ({ node }) => {
    const conf = delegatedConf({ type: "bridge" });
    const { json } = await runIpam(node, "ADD", { conf });
    const check = (changes: Wish, prevResult: unknown = json) =>
      runIpam(node, "CHECK", { ...changes, conf: { ...conf, ...(prevResult === undefined ? {} : { prevResult }) } });
    expect(await check({})).toMatchObject({ exitCode: 0, text: "" });
    expect((await check({ container: "other" })).json).toMatchObject({
      code: 103,
      msg: expect.stringContaining("no address of network side"),
    });
    expect((await check({}, { ips: [] })).json).toMatchObject({ code: 103, msg: expect.stringContaining("192.168.7") });
    expect((await runIpam(node, "CHECK", { conf })).json).toMatchObject({ code: 7 });
  });

  test("GC ends the leases of its network that the runtime does not list", async ({ node }) => {
    for (const name of ["one", "two"]) await runIpam(node, "ADD", { container: name });
    const valid = { "cni.dev/valid-attachments": [{ containerID: "two", ifname: "net1" }] };
    const collect = (changes: object) =>
      runIpam(node, "GC", { conf: delegatedConf({ type: "bridge" }, { cniVersion: "1.1.0", ...changes }) });
    expect((await collect({ name: "elsewhere", ...valid })).exitCode).toBe(0);
    expect(heldByContainers(node)).toHaveLength(2);
    expect((await collect({})).json).toMatchObject({ code: 7 });
    expect(heldByContainers(node)).toHaveLength(2);
    expect((await collect(valid)).exitCode).toBe(0);
    expect(await leaseFiles(node)).toEqual(["two:net1.json"]);
    expect(heldByContainers(node)).toHaveLength(1);
  });

  test("a wrong configuration is refused before anything is taken", async ({ node }) => {
    const refused = async (changes: Readonly<Record<string, unknown>>) =>
      (await runIpam(node, "ADD", { conf: delegatedConf(bridge, changes) })).json;
    expect(await refused({ datastore_type: "etcdv3" })).toMatchObject({
      code: 7,
      msg: expect.stringContaining("datastore"),
    });
    expect(await refused({ nodename: "node-2" })).toMatchObject({ code: 7, msg: expect.stringContaining("node-2") });
    expect(await refused({ cniVersion: "2.0.0" })).toMatchObject({ code: 1 });
    const ipam = { type: "calico-ipam", routes: [{ dst: "everywhere" }] };
    expect(await refused({ ipam })).toMatchObject({ code: 7, msg: expect.stringContaining("everywhere") });
    expect(await refused({ ipam: { type: "calico-ipam", assign_ipv4: false } })).toMatchObject({ code: 7 });
    expect(await node.leftovers()).toEqual([]);
  });

  test("both families or none", async ({ node }) => {
    node.cluster.pools = node.cluster.pools.filter(({ metadata }) => metadata.name === "four");
    const conf = delegatedConf({ type: "bridge" }, { ipam: { type: "calico-ipam", assign_ipv6: true } });
    expect((await runIpam(node, "ADD", { conf })).json).toMatchObject({
      code: 101,
      msg: expect.stringContaining("no IPv6 pool"),
    });
    await expectNothingLeft(node);
  });
});
