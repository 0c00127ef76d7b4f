import { readFileSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import type { CniDependencies } from "../../src/cni/dependencies.ts";
import { formatFrame } from "../../src/cni/request.ts";
import { type Netlink, NetlinkError } from "../../src/host/netlink/netlink.ts";
import { hostCidr, parseCidr } from "../../src/net/cidr.ts";
import { parseIp } from "../../src/net/ip.ts";
import type { CniNode } from "./cni-node.ts";
import { subjectsOf } from "./cni-subjects.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";
import { makeNamespace } from "./netlink-namespaces.ts";

/** The real kernel, which takes no link away while `isStuck`. */
function stickyLinks(node: CniNode, isStuck: () => boolean): CniDependencies["openNetlink"] {
  return (netns) => {
    const real = node.dependencies.openNetlink(netns);
    const deleteLink: Netlink["deleteLink"] = async (name) => {
      if (isStuck()) throw new NetlinkError(`delete link ${name}`, "EIO");
      await real.deleteLink(name);
    };
    return new Proxy(real, {
      get: (target, key) => {
        const value: unknown = key === "deleteLink" ? deleteLink : Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
}

/** An agent that takes a call and says nothing. Resolves to what cuts the caller off, once it has called. */
async function takeOneCall(node: CniNode): Promise<{ readonly taken: Promise<() => void> }> {
  await mkdir(dirname(node.shim.socketPath), { recursive: true });
  const taken = Promise.withResolvers<() => void>();
  const listener = createServer((socket: Socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      listener.close();
      taken.resolve(() => socket.destroy());
    });
  });
  await new Promise<void>((resolve) => listener.listen(node.shim.socketPath, resolve));
  return { taken: taken.promise };
}

/** How many ends of the socket the kernel has that bear its path. */
const socketsAt = (path: string) =>
  readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.endsWith(path)).length;

describe("what an ADD that failed cannot take away", () => {
  test("keeps its addresses from others until it is gone", async ({ node }) => {
    const netns = node.addPod("web");
    let isStuck = false;
    const publish: CniDependencies["publish"] = async (attachment, signal) => {
      await node.dependencies.publish(attachment, signal);
      if (attachment.addresses.length === 0) return;
      isStuck = true;
      throw new Error("Cannot program policy: the kernel refused it");
    };
    await node.serve({ openNetlink: stickyLinks(node, () => isStuck), publish }, { retryMs: 20 });
    const { json } = await node.call({ verb: "ADD", container, netns, pod: "web" });
    expect(json).toMatchObject({ details: expect.stringContaining("Undoing it failed too") });
    expect(await node.run(node.netns, ["ip", "-o", "link"])).toContain("cali");
    expect(node.addressesOf(container)).toHaveLength(1);
    isStuck = false;
    await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
    await expectNothingLeft(node, netns);
  });
});

describe("an agent that starts between a DEL's failed call and its being kept", () => {
  test("is asked once more when it serves by then", async ({ node }) => {
    const netns = node.addPod("web");
    const first = await node.serve();
    await node.call({ verb: "ADD", container, netns, pod: "web" });
    await first.close();
    const { taken } = await takeOneCall(node);
    const call = node.call({ verb: "DEL", container, netns, pod: "web" });
    const cutOff = await taken;
    await node.serve();
    cutOff();
    expect(await call).toMatchObject({ exitCode: 0, text: "" });
    await expectNothingLeft(node, netns);
    expect(node.answered.filter(({ verb }) => verb === "DEL")).not.toHaveLength(0);
  });

  test("finds it when it has looked through what was kept and does not serve yet", async ({ node }) => {
    const [netns, db] = [node.addPod("web"), node.addPod("db")];
    const first = await node.serve();
    await node.call({ verb: "ADD", container, netns, pod: "web" });
    await node.call({ verb: "ADD", container: "other", netns: db, pod: "db" });
    await first.close();
    await node.call({ verb: "DEL", container: "other", netns: db, pod: "db" });
    const { taken } = await takeOneCall(node);
    const call = node.call({ verb: "DEL", container, netns, pod: "web" });
    const cutOff = await taken;
    const [looking, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const withdraw: CniDependencies["withdraw"] = async (key) => {
      await node.dependencies.withdraw(key);
      if (!key.startsWith("other")) return;
      looking.resolve();
      await goOn.promise;
    };
    const starting = node.serve({ withdraw });
    await looking.promise;
    cutOff();
    // Kept, and not answered by anybody.
    expect((await call).exitCode).toBe(0);
    expect(await readdir(node.shim.spool)).toContain(`${container}:eth0`);
    goOn.resolve();
    await starting;
    await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
  });
});

describe("an address that somebody else takes first", () => {
  test("is in the pod's interface no more when another is given, and nowhere before", async ({ node }) => {
    const netns = node.addPod("web");
    const { ipam } = node.dependencies;
    const inPod = () => node.run(netns, ["ip", "-o", "address", "show", "dev", "eth0", "scope", "global"]);
    const tentative = { ip: parseIp("192.168.7.250"), block: parseCidr("192.168.7.192/26") };
    const assign: typeof ipam.assign = async (request, signal) => {
      const { onChosen, ...rest } = request;
      onChosen?.([tentative]);
      // The pair is made with it before the store has answered.
      await expect.poll(inPod, { timeout: 20_000 }).toContain("192.168.7.250/32");
      expect([...node.published.values()].flatMap(({ addresses }) => addresses)).toEqual([]);
      return ipam.assign(rest, signal);
    };
    await node.serve({ ipam: { assign, release: (handle, why) => ipam.release(handle, why) } });
    const { json } = await node.call({ verb: "ADD", container, netns, pod: "web" });
    const given = (json as { readonly ips: readonly { readonly address: string }[] }).ips.map(({ address }) => address);
    expect(given).toEqual(node.addressesOf(container).map((ip) => hostCidr(ip)));
    expect(await inPod()).not.toContain("192.168.7.250");
    expect(await inPod()).toContain(given[0]);
    const mac = (json as { readonly interfaces: readonly { readonly mac: string }[] }).interfaces[1]?.mac;
    expect(await node.run(netns, ["ip", "-o", "link", "show", "dev", "eth0"])).toContain(mac);
    await node.call({ verb: "DEL", container, netns, pod: "web" });
    await expectNothingLeft(node, netns);
  });
});

describe("one container", () => {
  test("a DEL that comes during its ADD is done after it", async ({ node }) => {
    const netns = node.addPod("web");
    const [published, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const publish: CniDependencies["publish"] = async (attachment, signal) => {
      await node.dependencies.publish(attachment, signal);
      published.resolve();
      await goOn.promise;
    };
    await node.serve({ publish });
    const adding = node.call({ verb: "ADD", container, netns, pod: "web" });
    await published.promise;
    const deleting = node.call({ verb: "DEL", container, netns, pod: "web" });
    // Listener, ADD, DEL.
    await expect.poll(() => socketsAt(node.shim.socketPath), { timeout: 20_000 }).toBe(3);
    goOn.resolve();
    expect((await adding).exitCode).toBe(0);
    expect((await deleting).text).toBe("");
    await expectNothingLeft(node, netns);
  });

  test("an ADD whose pod is deleted meanwhile leaves nothing after its DEL", async ({ node }) => {
    const netns = node.addPod("web");
    const publish: CniDependencies["publish"] = async (attachment, signal) => {
      node.pods.clear();
      await node.dependencies.publish(attachment, signal);
    };
    await node.serve({ publish });
    const add = () => node.call({ verb: "ADD", container, netns, pod: "web" });
    expect((await add()).exitCode).toBe(0);
    await node.call({ verb: "DEL", container, netns, pod: "web" });
    await expectNothingLeft(node, netns);
    expect((await add()).json).toMatchObject({ code: 100 });
    await expectNothingLeft(node, netns);
  });
});

test("an interrupted ADD that cannot be read does not hold up the others", async ({ node }) => {
  const { intents } = node.dependencies.paths;
  await mkdir(join(intents, "1:eth0"), { recursive: true });
  await writeFile(join(intents, "2:eth0"), "");
  const open = subjectsOf["both families of calico-ipam"](node).request("ADD");
  await writeFile(join(intents, `${container}:eth0`), formatFrame(open));
  await node.serve();
  expect(await readdir(intents)).toEqual(["1:eth0"]);
  expect(node.reports).toEqual([
    expect.stringMatching(/^Cannot read the interrupted ADD in .*1:eth0$/),
    expect.stringMatching(/^Cannot read the interrupted ADD in .*2:eth0: the file is removed$/),
  ]);
});

test("an ADD whose network namespace goes meanwhile is undone", async ({ node }) => {
  node.addPod("web");
  const gone = makeNamespace();
  let isThere = true;
  const publish: CniDependencies["publish"] = async (attachment, signal) => {
    if (isThere) gone[Symbol.dispose]();
    isThere = false;
    await node.dependencies.publish(attachment, signal);
  };
  await node.serve({ publish });
  const { json } = await node.call({ verb: "ADD", container, netns: gone.path, pod: "web" });
  expect(json).toMatchObject({ code: expect.any(Number), msg: expect.stringMatching(/^Cannot /) });
  // The kernel clears a namespace away in its own time.
  await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
  expect((await node.call({ verb: "DEL", container, netns: gone.path, pod: "web" })).text).toBe("");
});

test("what host-local gave outlives its agent, whose successor gives it back", async ({ node }) => {
  const subject = subjectsOf["host-local"](node);
  const first = await node.serve();
  expect((await subject.call("ADD")).exitCode).toBe(0);
  const before = await subject.left();
  expect(before).toContainEqual(expect.stringMatching(/^host-local 10\.77\.3\./));
  await first.close();
  const second = await node.serve();
  expect((await subject.call("ADD")).exitCode).toBe(0);
  expect(await subject.left()).toEqual(before);
  await second.close();
  await node.serve();
  expect((await subject.call("DEL")).text).toBe("");
  expect(await subject.left()).toEqual([]);
});
