import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { confOf } from "./cni-call.ts";
import { poolOf } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

const key = (name: string) => `cni.projectcalico.org/${name}`;
const bothFamilies = { type: "calico-ipam", assign_ipv4: true, assign_ipv6: true };
const dual = confOf({ cniVersion: "1.0.0", ipam: bothFamilies });

/** The addresses of an ADD's answer. */
function addressesIn(reply: { readonly json: Record<string, unknown> }): readonly string[] {
  return ((reply.json["ips"] ?? []) as { readonly address: string }[]).map(({ address }) => address);
}

describe("a pod has the addresses that it asks for", () => {
  test("by its annotation, of both families, and only these", async ({ node }) => {
    const netns = node.addPod("web", { [key("ipAddrs")]: '["192.168.7.77", "fd00:7::77"]' });
    await node.serve();
    const conf = confOf({ cniVersion: "1.0.0" });
    const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
    expect(addressesIn(reply)).toEqual(["192.168.7.77/32", "fd00:7::77/128"]);
    await node.connect(node.netns, netns, "192.168.7.77");
    await node.connect(node.netns, netns, "fd00:7::77");
    expect(await node.call({ verb: "ADD", container, netns, pod: "web", conf })).toEqual(reply);
    const check = { ...conf, prevResult: reply.json };
    expect((await node.call({ verb: "CHECK", container, netns, pod: "web", conf: check })).text).toBe("");
    await node.call({ verb: "DEL", container, netns, pod: "web" });
    await expectNothingLeft(node, netns);
  });

  test("by the runtime, in each of its ways", async ({ node }) => {
    const ways: Readonly<Record<string, object>> = {
      capability: { conf: confOf({ cniVersion: "1.0.0", runtimeConfig: { ips: ["192.168.7.81/24"] } }) },
      convention: { conf: confOf({ cniVersion: "1.0.0", args: { cni: { ips: ["192.168.7.82"] } } }) },
      argument: { conf: confOf({ cniVersion: "1.0.0" }), argument: "IP=192.168.7.83" },
    };
    await node.serve();
    const replies = [];
    for (const [pod, way] of Object.entries(ways)) {
      const netns = node.addPod(pod);
      replies.push(await node.call({ verb: "ADD", container: pod, netns, pod, ...way }));
    }
    expect(replies.flatMap(addressesIn)).toEqual(["192.168.7.81/32", "192.168.7.82/32", "192.168.7.83/32"]);
  });

  test("in a new sandbox, while the old one has not been deleted", async ({ node }) => {
    const annotations = { [key("ipAddrs")]: '["192.168.7.77"]' };
    const [older, newer] = [node.addPod("web", annotations), node.addPod("web", annotations)];
    await node.serve();
    await node.call({ verb: "ADD", container: "older", netns: older, pod: "web" });
    const reply = await node.call({ verb: "ADD", container: "newer", netns: newer, pod: "web" });
    expect(reply).toMatchObject({ exitCode: 0, json: { ips: [{ address: "192.168.7.77/32" }] } });
    expect(node.addressesOf("newer")).toEqual(["192.168.7.77"]);
    await node.connect(node.netns, newer, "192.168.7.77");
    expect((await node.call({ verb: "DEL", container: "older", netns: older, pod: "web" })).exitCode).toBe(0);
    await node.connect(node.netns, newer, "192.168.7.77");
    await node.call({ verb: "DEL", container: "newer", netns: newer, pod: "web" });
    await expectNothingLeft(node, newer);
  });

  test("or none, and then the old sandbox is out of the way with what it held", async ({ node }) => {
    const older = node.addPod("web", { [key("ipAddrs")]: '["192.168.7.77"]' });
    await node.serve();
    await node.call({ verb: "ADD", container: "older", netns: older, pod: "web" });
    const newer = node.addPod("web", { [key("ipAddrs")]: '["192.168.7.77", "2001:db8::1"]' });
    const reply = await node.call({ verb: "ADD", container: "newer", netns: newer, pod: "web" });
    expect(reply.json).toMatchObject({ code: 101, msg: expect.stringContaining("2001:db8::1") });
    // Whoever gets the address now must not find it in use.
    await expectNothingLeft(node, older);
  });

  test("past IPAM, when the node's configuration lets it", async ({ node }) => {
    const annotations = { [key("ipAddrsNoIpam")]: '["203.0.113.9"]' };
    const [netns, db] = [node.addPod("web", annotations), node.addPod("db", annotations)];
    await node.serve();
    const conf = confOf({ feature_control: { ip_addrs_no_ipam: true } });
    const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
    expect(addressesIn(reply)).toEqual(["203.0.113.9/32"]);
    expect(node.allocations()).toEqual([]);
    await node.connect(node.netns, netns, "203.0.113.9");
    const second = await node.call({ verb: "ADD", container: "other", netns: db, pod: "db", conf });
    expect(second.json).toMatchObject({ code: 101, msg: expect.stringMatching(/203\.0\.113\.9: shop\/web uses it/) });
    await node.call({ verb: "DEL", container, netns, pod: "web", conf });
    await expectNothingLeft(node, netns);
    expect((await node.call({ verb: "ADD", container, netns, pod: "web" })).json).toMatchObject({
      code: 7,
      msg: expect.stringContaining("ip_addrs_no_ipam"),
    });
    await expectNothingLeft(node, netns);
  });

  test("past IPAM, and when a pool has it later, IPAM's is not used beside it", async ({ node }) => {
    const web = node.addPod("web", { [key("ipAddrsNoIpam")]: '["192.168.7.0"]' });
    const db = node.addPod("db");
    const { pools } = node.cluster;
    node.cluster.pools = [];
    await node.serve();
    const conf = confOf({ feature_control: { ip_addrs_no_ipam: true } });
    expect((await node.call({ verb: "ADD", container, netns: web, pod: "web", conf })).exitCode).toBe(0);
    node.cluster.pools = pools;
    // Its block's first address is the one that a new node gives first.
    const reply = await node.call({ verb: "ADD", container: "other", netns: db, pod: "db" });
    expect(reply.json).toMatchObject({ code: 101, msg: expect.stringContaining("shop/web uses it") });
    expect(node.allocations()).toEqual([]);
    await node.connect(node.netns, web, "192.168.7.0");
  });
});

test("pools come from the pod, its namespace, or the configuration", async ({ node }) => {
  node.cluster.pools = ["a", "b", "c", "d"].map((name, index) => poolOf(name, { cidr: `192.168.${index}.0/24` }));
  const conf = confOf({ ipam: { type: "calico-ipam", ipv4_pools: ["b"] } });
  const [one, two, three] = [
    node.addPod("one"),
    node.addPod("two"),
    node.addPod("three", { [key("ipv4pools")]: '["d"]' }),
  ];
  await node.serve();
  await node.call({ verb: "ADD", container: "one", netns: one, pod: "one", conf });
  node.namespaces.set("shop", { name: "shop", labels: {}, annotations: { [key("ipv4pools")]: '["192.168.2.0/24"]' } });
  await node.call({ verb: "ADD", container: "two", netns: two, pod: "two", conf });
  await node.call({ verb: "ADD", container: "three", netns: three, pod: "three", conf });
  expect(["one", "two", "three"].map((name) => node.addressesOf(name)[0]?.split(".")[2])).toEqual(["1", "2", "3"]);
});

test("families come from the pod's annotation before the configuration", async ({ node }) => {
  const netns = node.addPod("web", { [key("ipFamilies")]: '["IPv6"]' });
  await node.serve();
  const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf: dual });
  expect(addressesIn(reply)).toEqual([expect.stringMatching(/^fd00:7:/)]);
});

test("floating addresses are checked", async ({ node }) => {
  const netns = node.addPod("web", { [key("floatingIPs")]: '["203.0.113.7"]' });
  await node.serve();
  const add = (conf: object) => node.call({ verb: "ADD", container, netns, pod: "web", conf });
  expect((await add(confOf())).json).toMatchObject({ code: 7, msg: expect.stringContaining("floating_ips") });
  await expectNothingLeft(node, netns);
  expect((await add(confOf({ feature_control: { floating_ips: true } }))).exitCode).toBe(0);
});

test("a namespace that the agent does not know yet is waited for, not passed over", async ({ node }) => {
  const netns = node.addPod("web");
  const shop = node.namespaces.get("shop");
  node.namespaces.clear();
  await node.serve();
  const add = () => node.call({ verb: "ADD", container, netns, pod: "web" });
  expect((await add()).json).toMatchObject({ code: 11, msg: expect.stringContaining("namespace shop") });
  await expectNothingLeft(node, netns);
  if (shop !== undefined) node.namespaces.set("shop", shop);
  expect((await add()).exitCode).toBe(0);
});

test("why an address was given back is said to IPAM", async ({ node }) => {
  const reasons: string[] = [];
  const { ipam } = node.dependencies;
  await node.serve({
    ipam: {
      assign: (request, signal) => ipam.assign(request, signal),
      release: (handle, why) => {
        reasons.push(`${handle}: ${why}`);
        return ipam.release(handle, why);
      },
    },
  });
  const [older, newer] = [node.addPod("web"), node.addPod("web")];
  await node.call({ verb: "ADD", container: "older", netns: older, pod: "web" });
  await node.call({ verb: "ADD", container: "newer", netns: newer, pod: "web" });
  await node.call({
    verb: "GC",
    conf: confOf({ cniVersion: "1.1.0", "cni.dev/valid-attachments": [] }),
  });
  await node.call({ verb: "ADD", container: "last", netns: newer, pod: "web" });
  await node.call({ verb: "DEL", container: "last", netns: newer, pod: "web" });
  expect(reasons).toEqual([
    "k8s-pod-network.older: newer sandbox of the pod",
    "k8s-pod-network.newer: GC by the runtime",
    "k8s-pod-network.last: DEL",
  ]);
});

test("a release that is owed keeps its reason", async ({ node }) => {
  const { ipam } = node.dependencies;
  let away = false;
  const reasons: string[] = [];
  await node.serve(
    {
      ipam: {
        assign: (request, signal) => ipam.assign(request, signal),
        release: (handle, why) => {
          reasons.push(why);
          return away ? Promise.reject(new Error("Cannot release: the store is away")) : ipam.release(handle, why);
        },
      },
    },
    { retryMs: 20 },
  );
  const netns = node.addPod("web");
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  away = true;
  await node.call({ verb: "GC", conf: confOf({ cniVersion: "1.1.0", "cni.dev/valid-attachments": [] }) });
  const [file] = await node.dependencies.host.listFolder(node.dependencies.paths.journal);
  expect(await readFile(join(node.dependencies.paths.journal, String(file)), "utf8")).toContain("GC by the runtime");
  away = false;
  await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
  expect(new Set(reasons)).toEqual(new Set(["GC by the runtime"]));
});
