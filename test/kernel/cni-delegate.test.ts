import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { CniDependencies } from "../../src/cni/dependencies.ts";
import {
  addressOf,
  bridge,
  delegatedConf,
  heldByContainers,
  type Ip,
  ipsOf,
  leaseFiles,
  run,
  runIpam,
} from "./cni-delegated.ts";
import { type CniNode, storeIsAway } from "./cni-node.ts";
import { test } from "./cni-test.ts";

describe("two containers of a real main plugin reach each other", () => {
  /** Wires two containers, checks them, pings between them, and deletes them. */
  async function expectReach(node: CniNode, conf: Record<string, unknown>): Promise<readonly Ip[]> {
    const [one, two] = [node.addNamespace(), node.addNamespace()];
    await node.serve();
    const first = await run(node, "ADD", { container: "one", netns: one, conf });
    const second = await run(node, "ADD", { container: "two", netns: two, conf });
    expect([first, second].map(({ exitCode, text }) => (exitCode === 0 ? "" : text))).toEqual(["", ""]);
    await node.connect(one, two, addressOf(ipsOf(second)[0]));
    await node.connect(two, one, addressOf(ipsOf(first)[0]));
    // A bridge takes its MAC from its ports, so only the last result has the one that it has now.
    const check = { ...conf, prevResult: second.json };
    expect(await run(node, "CHECK", { container: "two", netns: two, conf: check })).toMatchObject({
      exitCode: 0,
      text: "",
    });
    for (const [name, netns] of Object.entries({ one, two })) {
      for (const _ of [1, 2]) {
        expect((await run(node, "DEL", { container: name, netns, conf })).exitCode, name).toBe(0);
      }
    }
    expect(heldByContainers(node)).toEqual([]);
    expect(await leaseFiles(node)).toEqual([]);
    return ipsOf(first);
  }

  test("bridge", async ({ node }) => {
    const [ip] = await expectReach(node, delegatedConf({ type: "bridge", bridge: "br0" }));
    expect(ip).toMatchObject({ address: expect.stringMatching(/^192\.168\.7\.\d+\/26$/) });
    expect(ip).not.toHaveProperty("gateway");
  });

  test("bridge with a gateway of both families, which is nobody else's from then on", async ({ node }) => {
    const conf = delegatedConf(bridge, { ipam: { type: "calico-ipam", assign_ipv6: "true" } });
    const [ip] = await expectReach(node, conf);
    const held = node.allocations().map(({ ip }) => ip);
    expect(held).toContain(ip?.gateway);
    // What the bridge has, it keeps when its last container goes.
    expect(await node.run(node.netns, ["ip", "-o", "address", "show", "br0"])).toContain(`inet ${ip?.gateway}/26`);
    for (const { attribute } of node.allocations()) {
      expect(attribute.secondary).toMatchObject({ node: "node-1", note: expect.stringContaining("network side") });
    }
  });

  test("ptp", async ({ node }) => {
    const conf = delegatedConf({ type: "ptp" }, { ipam: { type: "calico-ipam", routes: [{ dst: "0.0.0.0/0" }] } });
    // It is a router's work to bring packets from one to the other.
    await node.run(node.netns, ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]);
    const [ip] = await expectReach(node, conf);
    expect(ip?.gateway).toMatch(/^192\.168\.7\./);
  });

  test("macvlan", async ({ node }) => {
    await expectReach(node, delegatedConf({ type: "macvlan", master: "uplink" }));
  });
});

describe("what is a network's own is held", () => {
  /** Addresses that no container holds. */
  const heldByNetworks = (node: CniNode) =>
    node
      .allocations()
      .map(({ ip }) => ip)
      .filter((ip) => !heldByContainers(node).includes(ip));
  const patience = { timeout: 20_000 };

  test("until the last container of the network has gone, and no longer", async ({ node }) => {
    await node.serve({}, { retryMs: 20 });
    const conf = delegatedConf({ type: "ptp" });
    const netns = { one: node.addNamespace(), two: node.addNamespace() };
    for (const name of ["one", "two"] as const) {
      expect((await run(node, "ADD", { container: name, netns: netns[name], conf })).exitCode).toBe(0);
    }
    const held = heldByNetworks(node);
    expect(held).toContain("192.168.7.1");
    await run(node, "DEL", { container: "one", netns: netns.one, conf });
    // Long enough for many sweeps.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(heldByNetworks(node)).toEqual(held);
    await run(node, "DEL", { container: "two", netns: netns.two, conf });
    await expect.poll(() => node.allocations(), patience).toEqual([]);
    await expect.poll(() => node.leftovers(), patience).toEqual([]);
    // And anew with the next one.
    expect((await run(node, "ADD", { netns: netns.one, conf })).exitCode).toBe(0);
    expect(heldByNetworks(node)).toEqual(["192.168.7.1"]);
  });

  test("for as long as a bridge has it, also by an agent that comes later", async ({ node }) => {
    const server = await node.serve({}, { retryMs: 60_000 });
    const netns = node.addNamespace();
    const conf = delegatedConf(bridge);
    await run(node, "ADD", { netns, conf });
    expect(heldByNetworks(node)).toContain("192.168.7.1");
    await run(node, "DEL", { netns, conf });
    await server.close();
    await node.serve({}, { retryMs: 20 });
    await expect.poll(() => heldByNetworks(node), patience).toEqual(["192.168.7.1"]);
    await node.run(node.netns, ["ip", "link", "delete", "br0"]);
    await expect.poll(() => heldByNetworks(node), patience).toEqual([]);
  });
});

test("both families through ptp", async ({ node }) => {
  const routes = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];
  const conf = delegatedConf({ type: "ptp" }, { ipam: { type: "calico-ipam", assign_ipv6: true, routes } });
  const netns = node.addNamespace();
  await node.serve();
  const reply = await run(node, "ADD", { netns, conf });
  expect(ipsOf(reply)).toHaveLength(2);
  for (const ip of ipsOf(reply)) await node.connect(node.netns, netns, addressOf(ip));
  await node.connect(netns, node.netns, "fd00:250::1");
});

test("STATUS says whether addresses can be had", async ({ node }) => {
  let why: string | undefined = "the watch cache is not filled yet";
  await node.serve({ unready: () => why });
  const conf = delegatedConf({ type: "bridge" }, { cniVersion: "1.1.0" });
  expect((await runIpam(node, "STATUS", { conf })).json).toMatchObject({ code: 50 });
  why = undefined;
  expect(await runIpam(node, "STATUS", { conf })).toMatchObject({ exitCode: 0, text: "" });
});

test("DEL frees without the store later, and an agent that is away finds it kept under its program's name", async ({
  node,
}) => {
  const server = await node.serve({}, { retryMs: 20 });
  const netns = node.addNamespace();
  const conf = delegatedConf({ type: "bridge", bridge: "br0" });
  const { json } = await run(node, "ADD", { netns, conf });
  node.storeFault = storeIsAway;
  expect((await run(node, "DEL", { netns, conf: { ...conf, prevResult: json } })).exitCode).toBe(0);
  expect(await leaseFiles(node)).toEqual([]);
  expect(heldByContainers(node)).toHaveLength(1);
  node.storeFault = async () => ({});
  await expect.poll(() => heldByContainers(node), { timeout: 20_000 }).toEqual([]);

  await runIpam(node, "ADD", {});
  await server.close();
  expect((await runIpam(node, "DEL", {})).exitCode).toBe(0);
  const [kept] = await readdir(node.shim.spool);
  expect(await readFile(join(node.shim.spool, String(kept)), "utf8")).toMatch(/^calico-ipam\0/);
  expect(heldByContainers(node)).toHaveLength(1);
  await node.serve();
  expect(heldByContainers(node)).toEqual([]);
  expect(await readdir(node.shim.spool)).toEqual([]);
});

describe("a failed ADD leaves nothing", () => {
  const refusal = async () => {
    throw new Error("Cannot write: ENOSPC");
  };

  /** A disk that takes no lease with addresses. */
  function fullDisk(node: CniNode): Partial<CniDependencies> {
    const { host } = node.dependencies;
    const replaceUnsynced: typeof host.replaceUnsynced = (path, text, ...rest) =>
      text.includes('"block"') ? refusal() : host.replaceUnsynced(path, text, ...rest);
    return { host: Object.assign(Object.create(host), { replaceUnsynced }) };
  }

  test("when the lease cannot be written", async ({ node }) => {
    await node.serve(fullDisk(node));
    expect((await runIpam(node, "ADD", {})).json).toMatchObject({ code: 5 });
    expect(heldByContainers(node)).toEqual([]);
    expect(await leaseFiles(node)).toEqual([]);
    expect(await node.dependencies.host.listFolder(node.dependencies.paths.journal)).toEqual([]);
  });

  test("but an ADD that is repeated takes nothing from a container that has its addresses", async ({ node }) => {
    const first = await node.serve();
    const reply = await runIpam(node, "ADD", {});
    await first.close();
    const second = await node.serve(fullDisk(node));
    expect((await runIpam(node, "ADD", {})).exitCode).toBe(1);
    expect(heldByContainers(node)).toEqual([addressOf(ipsOf(reply)[0])]);
    await second.close();
    await node.serve();
    expect(ipsOf(await runIpam(node, "ADD", {}))).toEqual(ipsOf(reply));
  });

  test("when the store went away at the allocation, once it is back", async ({ node }) => {
    await node.serve({}, { retryMs: 20 });
    let away = false;
    node.storeFault = async (call) => {
      if (away) return storeIsAway();
      away = call === "handles put";
      return away ? { reply: await storeIsAway().catch((error: Error) => error) } : {};
    };
    expect((await runIpam(node, "ADD", {})).json).toMatchObject({ code: 11 });
    node.storeFault = async () => ({});
    await expect.poll(() => heldByContainers(node), { timeout: 20_000 }).toEqual([]);
    expect(await leaseFiles(node)).toEqual([]);
  });
});

test("many containers at once have an address each", async ({ node }) => {
  await node.serve();
  const names = Array.from({ length: 12 }, (_, index) => `c-${index}`);
  const replies = await Promise.all(
    names.flatMap((name) => [1, 2].map(() => runIpam(node, "ADD", { container: name }))),
  );
  expect(replies.map(({ exitCode }) => exitCode)).toEqual(replies.map(() => 0));
  expect(new Set(replies.map((reply) => addressOf(ipsOf(reply)[0]))).size).toBe(names.length);
  await Promise.all(names.map((name) => runIpam(node, "DEL", { container: name })));
  expect(heldByContainers(node)).toEqual([]);
});
