import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { CniDependencies } from "../../src/cni/dependencies.ts";
import { KubeUnreachableError } from "../../src/kube/client.ts";
import { confOf } from "./cni-call.ts";
import { withNetlinkFault, withSysctlFault } from "./cni-fault.ts";
import { type CniNode, poolOf, storeIsAway } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";

describe("a failed ADD says why and leaves nothing", () => {
  const faults: Readonly<Record<string, (node: CniNode) => Partial<CniDependencies>>> = {
    "the veth pair": (node) => withNetlinkFault(node, "createVeth", false),
    "a sysctl of the node": (node) => withSysctlFault(node, "proxy_arp"),
    "a sysctl of the pod": (node) => withSysctlFault(node, "ip_forward"),
    "bringing the node's end up": (node) => withNetlinkFault(node, "setLink", false),
    "bringing the pod's end up": (node) => withNetlinkFault(node, "setLink", true),
    "the pod's address": (node) => withNetlinkFault(node, "addAddress", true),
    "the pod's routes": (node) => withNetlinkFault(node, "replaceRoutes", true),
    "the attachment's file": (node) => ({
      host: Object.assign(Object.create(node.dependencies.host), {
        replaceUnsynced: async (path: string, text: string) => {
          if (path.includes("/attachments/")) throw new Error(`Cannot replace ${path}: ENOSPC`);
          await node.dependencies.host.replaceUnsynced(path, text);
        },
      }),
    }),
    "policy and routes": (node) => ({
      publish: async (attachment, signal) => {
        await node.dependencies.publish(attachment, signal);
        throw new Error("Cannot program policy: the kernel refused it");
      },
    }),
  };
  for (const [step, changes] of Object.entries(faults)) {
    test(`at ${step}`, async ({ node }) => {
      const netns = node.addPod("web");
      await node.serve(changes(node));
      const reply = await node.call({ verb: "ADD", container, netns, pod: "web" });
      expect(reply.exitCode).toBe(1);
      expect(reply.json).toMatchObject({
        cniVersion: "0.3.0",
        code: expect.any(Number),
        msg: expect.stringMatching(/^Cannot /),
      });
      expect(reply.json["details"]).not.toContain("Undoing it failed");
      await expectNothingLeft(node, netns);
    });
  }

  test("when the runtime hangs up", async ({ node }) => {
    const netns = node.addPod("web");
    const published = Promise.withResolvers<void>();
    const undone = Promise.withResolvers<void>();
    await node.serve({
      publish: async (attachment, signal) => {
        await node.dependencies.publish(attachment, signal);
        published.resolve();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
      report: (_level, message) => {
        if (/hung up|was cancelled/.test(message)) undone.resolve();
      },
    });
    const runtime = new AbortController();
    const call = node.call({ verb: "ADD", container, netns, pod: "web", signal: runtime.signal });
    await published.promise;
    runtime.abort();
    await call;
    await undone.promise;
    await expectNothingLeft(node, netns);
  });

  test("when the pools are exhausted", async ({ node }) => {
    node.cluster.pools = [poolOf("small", { cidr: "192.168.7.1/32", blockSize: 32 })];
    const [netns, db] = [node.addPod("web"), node.addPod("db")];
    await node.serve();
    await node.call({ verb: "ADD", container: "other", netns: db, pod: "db" });
    const before = await node.leftovers();
    const reply = await node.call({ verb: "ADD", container, netns, pod: "web" });
    expect(reply.json).toMatchObject({ code: 101, msg: expect.stringContaining("no address is free") });
    expect(await node.leftovers()).toEqual(before);
  });

  test("when the API server cannot be reached for the pod", async ({ node }) => {
    const netns = node.addPod("web");
    await node.serve({
      cachedPod: () => undefined,
      readPod: async () => {
        throw new KubeUnreachableError("read pod shop/web", "https://10.96.0.1:443", new Error("ECONNREFUSED"));
      },
    });
    const reply = await node.call({ verb: "ADD", container, netns, pod: "web" });
    expect(reply.json).toMatchObject({ code: 11, msg: expect.stringContaining("no answer from the API server") });
    await expectNothingLeft(node, netns);
  });

  test("when the API server went away at the allocation, once it is back", async ({ node }) => {
    const netns = node.addPod("web");
    await node.serve({}, { retryMs: 20 });
    // The block and the handle are written, and then nothing answers any more.
    let away = false;
    node.storeFault = async (call) => {
      if (away) return storeIsAway();
      away = call === "handles put";
      return away ? { reply: await storeIsAway().catch((error: Error) => error) } : {};
    };
    expect((await node.call({ verb: "ADD", container, netns, pod: "web" })).json).toMatchObject({ code: 11 });
    expect(node.addressesOf(container)).toHaveLength(1);
    node.storeFault = async () => ({});
    await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
    await expectNothingLeft(node, netns);
  });

  test("when the pod is unknown, another's, or another of the same name", async ({ node }) => {
    const netns = node.addPod("web");
    await node.serve();
    const ask = (pod: string, uid?: string) =>
      node.call({ verb: "ADD", container, netns, pod, ...(uid === undefined ? {} : { uid }) });
    expect((await ask("nobody")).json).toMatchObject({ code: 100, msg: expect.stringContaining("no such pod") });
    expect((await ask("web", "older-uid")).json).toMatchObject({
      code: 100,
      msg: expect.stringContaining("older-uid"),
    });
    await expectNothingLeft(node, netns);
  });

  test("when the namespace is missing, no namespace, or the node's own", async ({ node }) => {
    node.addPod("web");
    await node.serve();
    const ask = (netns: string) => node.call({ verb: "ADD", container, netns, pod: "web" });
    expect((await ask("/run/netns/none-such")).json).toMatchObject({ code: 4 });
    expect((await ask("/proc/self/ns/net")).json).toMatchObject({ code: 8 });
    expect((await ask("/etc/hostname")).json).toMatchObject({ code: 4, msg: expect.stringContaining("/etc/hostname") });
    expect((await ask("/etc")).json).toMatchObject({
      code: 4,
      msg: expect.stringMatching(/: it is not a network namespace$/),
    });
    await expectNothingLeft(node);
  });

  test("when the name is taken in the pod", async ({ node }) => {
    const netns = node.addPod("web");
    await node.run(netns, ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"]);
    await node.serve();
    const reply = await node.call({ verb: "ADD", container, netns, pod: "web" });
    expect(reply.json).toMatchObject({ code: 7, msg: expect.stringMatching(/Cannot add eth0: .* that name already/) });
    expect(await node.run(netns, ["ip", "-o", "link"])).toContain("other");
    await node.run(netns, ["ip", "link", "delete", "eth0"]);
    await expectNothingLeft(node, netns);
  });
});

test("a second interface of the same container is refused and the first stays", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  const second = await node.call({ verb: "ADD", container, netns, pod: "web", interfaceName: "net1" });
  expect(second.json).toMatchObject({ code: 7, msg: expect.stringContaining("one interface") });
  await node.connect(netns, node.netns, "10.250.0.1");
});

test("an ADD that gets no address leaves the pod's earlier sandbox as it is", async ({ node }) => {
  const [netns, later] = [node.addPod("web"), node.addPod("web")];
  await node.serve();
  await node.call({ verb: "ADD", container: "older", netns, pod: "web" });
  const before = await node.leftovers();
  node.cluster.pools = [];
  const reply = await node.call({ verb: "ADD", container: "newer", netns: later, pod: "web" });
  expect(reply.json).toMatchObject({ code: 101 });
  expect(await node.leftovers()).toEqual(before);
  await node.connect(netns, node.netns, "10.250.0.1");
});

test("an ADD that fails once it took the earlier sandbox's place leaves neither", async ({ node }) => {
  const [netns, later] = [node.addPod("web"), node.addPod("web")];
  let refused = false;
  const publish: CniDependencies["publish"] = (attachment, signal) => {
    if (refused) throw new Error("Cannot program policy: the kernel refused it");
    return node.dependencies.publish(attachment, signal);
  };
  await node.serve({ publish });
  await node.call({ verb: "ADD", container: "older", netns, pod: "web" });
  refused = true;
  expect((await node.call({ verb: "ADD", container: "newer", netns: later, pod: "web" })).exitCode).toBe(1);
  await expectNothingLeft(node, later);
});

test("the pod's way in is open only after it was published", async ({ node }) => {
  const netns = node.addPod("web");
  const seen: { readonly addresses: number; readonly routes: string }[] = [];
  await node.serve({
    publish: async (attachment, signal) => {
      const routes = (await node.run(node.netns, ["ip", "route"])).trim();
      seen.push({ addresses: attachment.addresses.length, routes });
      await node.dependencies.publish(attachment, signal);
    },
  });
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  // Rules first, while the address is still sought.
  const routes = "default dev uplink scope link";
  expect(seen).toEqual([0, 1].map((addresses) => ({ addresses, routes })));
  const file = join(node.folder, "attachments", `${container}:eth0.json`);
  expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({
    network: "k8s-pod-network",
    pod: "shop/web",
    podUid: "uid-web",
  });
});

test("STATUS says at once why the node cannot serve; ADD waits a while, and says it then", async ({ node }) => {
  const netns = node.addPod("web");
  let unreadyAnswers = Number.POSITIVE_INFINITY;
  const unready = () => (unreadyAnswers-- > 0 ? "the watch cache is not filled yet" : undefined);
  await node.serve({ unready }, { readyWaitMs: 200 });
  const conf = confOf({ cniVersion: "1.1.0" });
  const status = await node.call({ verb: "STATUS", conf });
  expect(status.json).toMatchObject({ code: 50, msg: expect.stringContaining("watch cache") });
  const add = () => node.call({ verb: "ADD", container, netns, pod: "web" });
  expect((await add()).json).toMatchObject({ code: 11, msg: expect.stringContaining("watch cache") });
  await expectNothingLeft(node, netns);
  unreadyAnswers = 2;
  expect((await add()).exitCode).toBe(0);
  expect(await node.call({ verb: "STATUS", conf })).toMatchObject({ exitCode: 0, text: "" });
  expect((await node.call({ verb: "STATUS" })).json).toMatchObject({ code: 1, cniVersion: "0.3.0" });
});

test("a DEL that the kernel does not follow fails, so that the runtime tries again", async ({ node }) => {
  const netns = node.addPod("web");
  let stuck = true;
  const withdraw: CniDependencies["withdraw"] = (key) =>
    stuck ? new Promise(() => undefined) : node.dependencies.withdraw(key);
  await node.serve({ withdraw }, { withdrawMs: 50 });
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  const del = () => node.call({ verb: "DEL", container, netns, pod: "web" });
  expect((await del()).json).toMatchObject({ code: 11, msg: expect.stringContaining("kernel did not follow") });
  expect(node.allocations()).toHaveLength(1);
  stuck = false;
  expect((await del()).exitCode).toBe(0);
  await expectNothingLeft(node, netns);
});
