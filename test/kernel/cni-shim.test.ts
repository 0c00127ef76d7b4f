import { existsSync, watch } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import type { CniDependencies } from "../../src/cni/dependencies.ts";
import { supportedVersions } from "../../src/cni/net-conf.ts";
import { confOf } from "./cni-call.ts";
import type { CniNode } from "./cni-node.ts";
import { container, test } from "./cni-test.ts";

let listeners: Server[];
beforeEach(() => {
  listeners = [];
});
afterEach(() => {
  for (const listener of listeners) listener.close();
});

/** An agent of another mind: does `react` with each connection. */
async function listen(node: CniNode, react: Parameters<typeof createServer>[1]): Promise<void> {
  await mkdir(join(node.folder, "run"), { recursive: true });
  const listener = createServer(react ?? (() => undefined));
  listeners.push(listener);
  await new Promise<void>((resolve) => listener.listen(join(node.folder, "run", "cni.sock"), resolve));
}

test("both names are one static program of less than 1 MB", async ({ node }) => {
  const [one, other] = await Promise.all(
    ["calico", "calico-ipam"].map((name) => readFile(join(node.shim.programs, name))),
  );
  expect(one?.equals(other ?? Buffer.alloc(0))).toBe(true);
  expect(one?.length).toBeLessThan(1_000_000);
  expect(await node.run(node.netns, ["readelf", "-l", join(node.shim.programs, "calico")])).not.toContain("INTERP");
});

test("VERSION needs no agent", async ({ node }) => {
  const reply = await node.call({ verb: "VERSION", conf: { cniVersion: "0.3.0" } });
  expect(reply).toMatchObject({ exitCode: 0, json: { cniVersion: "0.3.0", supportedVersions } });
});

test("without an agent ADD, CHECK and GC may be tried again, and STATUS says that it is out", async ({ node }) => {
  for (const verb of ["ADD", "CHECK", "GC"]) {
    const reply = await node.call({ verb, container, netns: "/run/netns/x", pod: "web" });
    expect(reply, verb).toMatchObject({
      exitCode: 1,
      json: { code: 11, msg: expect.stringContaining("margay agent") },
    });
  }
  expect(await node.call({ verb: "STATUS" })).toMatchObject({ exitCode: 1, json: { code: 50 } });
});

test("a call without CNI_COMMAND is an error in words", async ({ node }) => {
  const call = node.dependencies.host.run([join(node.shim.programs, "calico")], {
    env: { PATH: "/usr/bin" },
    stdin: "",
  });
  await expect(call).rejects.toMatchObject({ exitCode: 1, stdout: expect.stringContaining('"code":4') });
});

test("ADD waits for an agent that comes", async ({ patientNode: node }) => {
  const netns = node.addPod("web");
  const call = node.call({ verb: "ADD", container, netns, pod: "web" });
  await node.serve();
  expect(await call).toMatchObject({ exitCode: 0, json: { cniVersion: "0.3.0" } });
});

test("ADD outlives an agent that dies before it answers", async ({ patientNode: node }) => {
  const netns = node.addPod("web");
  const asked = Promise.withResolvers<void>();
  await listen(node, (socket) =>
    socket.once("data", () => {
      // A part of an answer is none.
      socket.end(Buffer.from([0, 0, 1, 0, 0, 123]));
      asked.resolve();
    }),
  );
  const call = node.call({ verb: "ADD", container, netns, pod: "web" });
  await asked.promise;
  for (const listener of listeners) await new Promise((resolve) => listener.close(resolve));
  await node.serve();
  expect(await call).toMatchObject({ exitCode: 0, json: { cniVersion: "0.3.0" } });
});

test("an agent that stops undoes the ADD under way, and the next one does it", async ({ patientNode: node }) => {
  const netns = node.addPod("web");
  const published = Promise.withResolvers<void>();
  const first = await node.serve({
    publish: async (attachment, signal) => {
      await node.dependencies.publish(attachment, signal);
      published.resolve();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  });
  const call = node.call({ verb: "ADD", container, netns, pod: "web" });
  await published.promise;
  await first.close();
  expect(await node.leftovers()).toEqual([]);
  await node.serve();
  expect(await call).toMatchObject({ exitCode: 0, json: { cniVersion: "0.3.0" } });
});

test("a DEL without an agent is kept, and done before the next agent serves", async ({ node }) => {
  const netns = node.addPod("web");
  const server = await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  await server.close();
  expect(await node.call({ verb: "DEL", container, netns, pod: "web" })).toMatchObject({ exitCode: 0, text: "" });
  const spool = node.dependencies.paths.spool;
  expect(await readdir(spool)).toEqual([`${container}:eth0`]);
  expect((await stat(join(spool, `${container}:eth0`))).mode & 0o777).toBe(0o600);
  expect(node.allocations()).toHaveLength(1);
  await node.serve();
  expect(await readdir(spool)).toEqual([]);
  expect(node.allocations()).toHaveLength(0);
  expect(await node.run(node.netns, ["ip", "-o", "link"])).not.toContain("cali");
});

test("no two DELs are ever kept by way of the same draft", async ({ node }) => {
  const { spool } = node.dependencies.paths;
  await mkdir(spool);
  const seen = new Set<string>();
  const watcher = watch(spool, (_event, name) => seen.add(String(name)));
  await node.call({ verb: "DEL", container, pod: "web" });
  await expect.poll(() => [...seen], { timeout: 20_000 }).toContain(`${container}:eth0`);
  watcher.close();
  const drafts = [...seen].filter((name) => name.startsWith("."));
  expect(drafts).toEqual([expect.stringMatching(new RegExp(`^\\.${container}:eth0\\.[0-9]+-[0-9a-f]{16}$`))]);
});

test("a kept DEL that fails is tried again by the same agent", async ({ node }) => {
  const netns = node.addPod("web");
  const server = await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  await server.close();
  await node.call({ verb: "DEL", container, netns, pod: "web" });
  let refusals = 1;
  const withdraw: CniDependencies["withdraw"] = async (key) => {
    if (refusals-- > 0) throw new Error("Cannot take rules away: the kernel refused it");
    await node.dependencies.withdraw(key);
  };
  await node.serve({ withdraw }, { retryMs: 20 });
  await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
  expect(node.reports).toEqual([
    "Cannot take rules away: the kernel refused it",
    expect.stringContaining("1 are left for later"),
  ]);
});

test("a DEL that is spooled while the agent runs is done as well", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  const request = [
    "calico",
    "CNI_COMMAND=DEL",
    `CNI_CONTAINERID=${container}`,
    "CNI_IFNAME=eth0",
    "",
    JSON.stringify(confOf()),
  ];
  // As the shim does it: whole at once.
  const { spool } = node.dependencies.paths;
  await writeFile(join(spool, ".draft"), request.join("\0"));
  await rename(join(spool, ".draft"), join(spool, `${container}:eth0`));
  await expect.poll(() => readdir(node.dependencies.paths.spool), { timeout: 20_000 }).toEqual([]);
  expect(node.allocations()).toHaveLength(0);
});

test("an agent that answers after the spooling gets the request, and the file goes", async ({ node }) => {
  await mkdir(node.dependencies.paths.spool);
  await listen(node, (socket) => {
    // The first caller is cut off; the second finds the request spooled already.
    if (!existsSync(join(node.dependencies.paths.spool, `${container}:eth0`))) socket.destroy();
    else socket.once("data", () => socket.end(Buffer.from([0, 0, 0, 0, 0])));
  });
  expect((await node.call({ verb: "DEL", container, pod: "web" })).exitCode).toBe(0);
  expect(await readdir(node.dependencies.paths.spool)).toEqual([]);
});

test("a DEL that cannot be kept fails, so that the runtime tries again", async ({ node }) => {
  await writeFile(node.dependencies.paths.spool, "a file, not a folder");
  const reply = await node.call({ verb: "DEL", container, pod: "web" });
  expect(reply).toMatchObject({
    exitCode: 1,
    json: { code: 11, msg: expect.stringContaining(node.dependencies.paths.spool) },
  });
  await rm(node.dependencies.paths.spool);
});

test("a DEL of malformed names is not kept", async ({ node }) => {
  for (const bad of [
    { container: "../../x" },
    { container: "" },
    { container, interfaceName: "../x" },
    { container, interfaceName: ".." },
  ]) {
    expect(await node.call({ verb: "DEL", ...bad })).toMatchObject({ exitCode: 1, json: { code: 4 } });
  }
  expect(existsSync(node.dependencies.paths.spool)).toBe(false);
});

test("what is not a DEL in the spool is taken away and reported; a half-written one is left", async ({ node }) => {
  const { spool } = node.dependencies.paths;
  await mkdir(spool);
  await writeFile(join(spool, "junk"), "not a request");
  await writeFile(join(spool, "add"), "calico\0CNI_COMMAND=ADD\0\0{}");
  await writeFile(join(spool, "hopeless"), `calico\0CNI_COMMAND=DEL\0CNI_CONTAINERID=x\0CNI_IFNAME=eth0\0\0{`);
  await writeFile(join(spool, ".half"), "calico\0CNI_COMM");
  await node.serve();
  expect(await readdir(spool)).toEqual([".half"]);
  expect(node.reports).toHaveLength(3);
});

test("only root reaches the socket, and a stale one is replaced", async ({ node }) => {
  const folder = join(node.folder, "run");
  await mkdir(folder);
  await chmod(folder, 0o755);
  await writeFile(join(folder, "cni.sock"), "");
  await node.serve();
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect((await stat(join(folder, "cni.sock"))).mode & 0o777).toBe(0o600);
  expect((await node.call({ verb: "STATUS", conf: confOf({ cniVersion: "1.1.0" }) })).exitCode).toBe(0);
});

test("a long configuration passes whole", async ({ node }) => {
  await node.serve();
  const conf = confOf({ cniVersion: "1.1.0", remark: "x".repeat(3_000_000) });
  expect((await node.call({ verb: "STATUS", conf })).exitCode).toBe(0);
});
