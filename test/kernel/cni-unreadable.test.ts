import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { confOf } from "./cni-call.ts";
import { addressOf, heldByContainers, ipsOf, leaseFiles, runIpam } from "./cni-delegated.ts";
import type { CniNode } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

const key = (name: string) => `cni.projectcalico.org/${name}`;
const pastIpam = confOf({ feature_control: { ip_addrs_no_ipam: true } });

/** Restarts the agent over a file whose text is `text`, or what `change` makes of it. */
async function restartOver(
  node: CniNode,
  path: string,
  text: string | ((before: Record<string, unknown>) => object),
): Promise<void> {
  const file = join(node.folder, path);
  const written =
    typeof text === "string" ? text : JSON.stringify(text(JSON.parse(await readFile(file, "utf8")) as never));
  await writeFile(file, written);
  await node.serve();
}

/** Wires `web` past IPAM with `ip` and ends the agent. */
async function wirePastIpam(node: CniNode, ip: string): Promise<string> {
  const netns = node.addPod("web", { [key("ipAddrsNoIpam")]: JSON.stringify([ip]) });
  const { pools } = node.cluster;
  // No pool has such an address; one that has it may come later.
  node.cluster.pools = [];
  const server = await node.serve();
  const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf: pastIpam });
  expect(reply.exitCode).toBe(0);
  node.cluster.pools = pools;
  await server.close();
  return netns;
}

const attachment = `attachments/${container}:eth0.json`;

describe("an attachment that cannot be read", () => {
  test("does not keep others from what IPAM gives them, but for what the kernel has", async ({ node }) => {
    await wirePastIpam(node, "192.168.7.9");
    await restartOver(node, attachment, '{"network":');
    const [db, api] = [node.addPod("db"), node.addPod("api")];
    const reply = await node.call({ verb: "ADD", container: "c-db", netns: db, pod: "db" });
    expect(reply.exitCode).toBe(0);
    const refused = await node.call({
      ...{ verb: "ADD", container: "c-api", netns: api, pod: "api", argument: "IP=192.168.7.9" },
    });
    expect(refused.json).toMatchObject({
      code: 101,
      msg: expect.stringMatching(
        /192\.168\.7\.9: eth0 in \S+ has it, and .* cannot be read from \S+:eth0\.json\. The DEL/,
      ),
    });
    expect(node.addressesOf("c-api")).toEqual([]);
  });

  test("lets nobody have an address past IPAM", async ({ node }) => {
    await wirePastIpam(node, "203.0.113.9");
    await restartOver(node, attachment, "");
    const netns = node.addPod("db", { [key("ipAddrsNoIpam")]: '["203.0.113.10"]' });
    const reply = await node.call({ verb: "ADD", container: "other", netns, pod: "db", conf: pastIpam });
    expect(reply.json).toMatchObject({ code: 101, msg: expect.stringContaining(attachment) });
  });

  test("stops its own container's ADD, and goes with its DEL", async ({ node }) => {
    const netns = node.addPod("web");
    const server = await node.serve();
    await node.call({ verb: "ADD", container, netns, pod: "web" });
    const held = node.addressesOf(container);
    await server.close();
    await restartOver(node, attachment, "{}");
    const again = await node.call({ verb: "ADD", container, netns, pod: "web" });
    expect(again.json).toMatchObject({ code: 7, msg: expect.stringContaining(attachment) });
    expect(node.addressesOf(container)).toEqual(held);
    // It may be of this network, and its container's: a stray DEL of another interface leaves its addresses.
    const { ipam: _, ...conf } = confOf();
    expect((await runIpam(node, "DEL", { conf })).exitCode).toBe(0);
    expect(node.addressesOf(container)).toEqual(held);
    expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
    await expectNothingLeft(node, netns);
  });
});

test("a lease that cannot be read is its container's until its DEL", async ({ node }) => {
  const server = await node.serve();
  const held = [addressOf(ipsOf(await runIpam(node, "ADD", {}))[0])];
  await server.close();
  await restartOver(node, `leases/${container}:net1.json`, "{");
  for (const interfaceName of ["net1", "net2"]) {
    const reply = await runIpam(node, "ADD", { interfaceName });
    expect(reply.json).toMatchObject({ code: 7, msg: expect.stringContaining(`leases/${container}:net1.json`) });
  }
  expect((await runIpam(node, "DEL", { interfaceName: "net2" })).exitCode).toBe(0);
  expect(heldByContainers(node)).toEqual(held);
  expect((await runIpam(node, "ADD", { container: "other" })).exitCode).toBe(0);
  expect((await runIpam(node, "DEL", {})).exitCode).toBe(0);
  expect(heldByContainers(node)).toHaveLength(1);
  expect(await leaseFiles(node)).toEqual(["other:net1.json"]);
});

describe("the record of a container that went without a DEL keeps its address from nobody", () => {
  test("of a pod, once neither its namespace nor its interface is there", async ({ node }) => {
    await wirePastIpam(node, "192.168.7.9");
    const netns = node.addPod("db");
    const add = () => node.call({ verb: "ADD", container: "other", netns, pod: "db", argument: "IP=192.168.7.9" });
    const gone = (before: Record<string, unknown>) => ({ ...before, netns: "/run/netns/gone" });
    await restartOver(node, attachment, gone);
    expect((await add()).json).toMatchObject({ code: 101, msg: expect.stringContaining("shop/web uses it") });
    const links = await node.run(node.netns, ["ip", "-o", "link"]);
    await node.run(node.netns, ["ip", "link", "delete", /cali[0-9a-f]+/.exec(links)?.[0] ?? ""]);
    expect((await add()).exitCode).toBe(0);
    expect(await readdir(join(node.folder, "attachments"))).toEqual(["other:eth0.json"]);
    expect([...node.published.keys()]).toEqual(["other/eth0"]);
    await node.connect(node.netns, netns, "192.168.7.9");
  });

  test("of another main plugin, once its namespace is not there", async ({ node }) => {
    const server = await node.serve();
    const ip = addressOf(ipsOf(await runIpam(node, "ADD", { netns: node.addNamespace() }))[0]);
    // Garbage collection has done its part.
    await node.dependencies.ipam.release(`side.${container}`, "the container has gone");
    const netns = node.addPod("db");
    const add = () => node.call({ verb: "ADD", container: "other", netns, pod: "db", argument: `IP=${ip}` });
    expect((await add()).json).toMatchObject({
      code: 101,
      msg: expect.stringContaining(`container ${container} uses`),
    });
    await server.close();
    await restartOver(node, `leases/${container}:net1.json`, (before) => ({ ...before, netns: "/run/netns/gone" }));
    expect((await add()).exitCode).toBe(0);
    expect(await leaseFiles(node)).toEqual([]);
  });
});

test("a container whose ID and network make another's handle is refused, and its DEL takes nothing", async ({
  node,
}) => {
  const [web, db] = [node.addPod("web"), node.addPod("db")];
  await node.serve();
  const one = { container: "b.c", netns: web, pod: "web", conf: confOf({ name: "k8s" }) };
  const two = { container: "c", netns: db, pod: "db", conf: confOf({ name: "k8s.b" }) };
  expect((await node.call({ verb: "ADD", ...one })).exitCode).toBe(0);
  const held = node.allocations();
  const refused = await node.call({ verb: "ADD", ...two });
  expect(refused.json).toMatchObject({ code: 7, msg: expect.stringContaining("container b.c of network k8s holds") });
  expect((await node.call({ verb: "DEL", ...two })).exitCode).toBe(0);
  expect(node.allocations()).toEqual(held);
  expect((await node.call({ verb: "DEL", ...one })).exitCode).toBe(0);
  await expectNothingLeft(node, web);
});

test("where a container's namespace is counts only when it will go with the container", async ({ node }) => {
  await node.serve();
  const netns = node.addNamespace();
  const kept = async (path: string) => {
    await runIpam(node, "ADD", { netns: path });
    const text = await readFile(join(node.folder, `leases/${container}:net1.json`), "utf8");
    return (JSON.parse(text) as { readonly netns?: string }).netns;
  };
  expect(await kept(netns)).toBe(netns);
  expect(await kept("/proc/self/ns/net")).toBeUndefined();
  expect(await kept("/run/netns/out-of-sight")).toBeUndefined();
});

test("calico-ipam gives no address that a pod of this node was given past IPAM", async ({ node }) => {
  await wirePastIpam(node, "192.168.7.9");
  await node.serve();
  const reply = await runIpam(node, "ADD", { container: "other", argument: "IP=192.168.7.9" });
  expect(reply.json).toMatchObject({ code: 101, msg: expect.stringContaining("shop/web uses it") });
  expect(heldByContainers(node)).toEqual([]);
  expect(await leaseFiles(node)).toEqual([]);
});
