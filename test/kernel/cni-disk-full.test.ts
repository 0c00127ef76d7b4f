import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { Agent } from "../../src/agent/agent.ts";
import { createLogger } from "../../src/agent/logger.ts";
import type { NodeName } from "../../src/api/names.ts";
import { codeOf } from "../../src/host/system-error.ts";
import { confOf } from "./cni-call.ts";
import { storeIsAway } from "./cni-node.ts";
import { subjectsOf } from "./cni-subjects.ts";
import { test as base, container, expectNothingLeft } from "./cni-test.ts";

/** The node's disk, of its own and small. */
interface Disk {
  /** Takes all the room there is. */
  fill(): void;
  /** Gives it back. */
  free(): void;
}

/** A test whose node's folder is on it. */
const test = base.extend("disk", async ({ node: { folder } }, { onCleanup }): Promise<Disk> => {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k,mode=755", "disk", folder]);
  // The servers are closed after this.
  onCleanup(() => void execFileSync("umount", ["--lazy", folder]));
  const filler = join(folder, "filler");
  return { fill: () => fillUp(filler), free: () => rmSync(filler) };
});

function fillUp(path: string): void {
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096, "x"));
  } catch (error) {
    if (codeOf(error) !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}

for (const [name, subjectOf] of Object.entries(subjectsOf)) {
  test(`an ADD on a full disk says so and leaves nothing, and works once there is room: ${name}`, async ({
    node,
    disk,
  }) => {
    const subject = subjectOf(node);
    await node.serve({}, { retryMs: 20 });
    disk.fill();
    const { json } = await subject.call("ADD");
    expect(json).toMatchObject({
      code: 5,
      msg: expect.stringMatching(/^Cannot replace .*\/node\/.*: .*(ENOSPC|no space)/),
    });
    expect(await subject.left()).toEqual([]);
    disk.free();
    expect((await subject.call("ADD")).exitCode).toBe(0);
    await subject.requireWhole();
    disk.fill();
    expect((await subject.call("DEL")).text).toBe("");
    await expect.poll(() => subject.left(), { timeout: 20_000 }).toEqual([]);
  });
}

test("a disk that fills up during an ADD fails it, and all of it is undone", async ({ node, disk }) => {
  const netns = node.addPod("web");
  await node.serve({
    publish: async (attachment, signal) => {
      await node.dependencies.publish(attachment, signal);
      disk.fill();
    },
  });
  const reply = await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(reply.json).toMatchObject({ code: 5, msg: expect.stringContaining(`attachments/${container}:eth0.json`) });
  await expectNothingLeft(node, netns);
});

test("a DEL on a full disk without the store fails, takes no address from what stands, and is done later", async ({
  node,
  disk,
}) => {
  const netns = node.addPod("web");
  await node.serve({}, { retryMs: 20 });
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  disk.fill();
  node.storeFault = storeIsAway;
  const del = () => node.call({ verb: "DEL", container, netns, pod: "web" });
  expect((await del()).json).toMatchObject({ code: 5, msg: expect.stringMatching(/journal.*(ENOSPC|no space)/) });
  expect(await node.leftovers()).toContain(`${container}:eth0.json`);
  disk.free();
  expect((await del()).text).toBe("");
  node.storeFault = async () => ({});
  await expect.poll(() => node.leftovers(), { timeout: 20_000 }).toEqual([]);
});

for (const [name, subjectOf] of Object.entries(subjectsOf).filter(([one]) => one !== "host-local")) {
  test(`what an ADD could neither give back nor note is given back later: ${name}`, async ({ node, disk }) => {
    const subject = subjectOf(node);
    await node.serve({}, { retryMs: 20 });
    node.storeFault = async (call) => {
      if (call !== "handles put") return {};
      disk.fill();
      // What was asked for is done, and from then on nothing is answered.
      node.storeFault = storeIsAway;
      return { reply: await storeIsAway().catch((error: Error) => error) };
    };
    const { json } = await subject.call("ADD");
    expect(json).toMatchObject({ code: 11, details: expect.stringContaining("Undoing it failed too") });
    expect(node.allocations().length).toBeGreaterThan(0);
    node.storeFault = async () => ({});
    disk.free();
    await expect.poll(() => subject.left(), { timeout: 20_000 }).toEqual([]);
  });
}

test("a server starts on a full disk, and carries out what was kept", async ({ node, disk }) => {
  const netns = node.addPod("web");
  const server = await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  await server.close();
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
  disk.fill();
  await node.serve();
  await expectNothingLeft(node, netns);
});

test("an agent whose name is written already serves on a full disk, and carries out what was kept once there is room", async ({
  node,
  disk,
}) => {
  const { folder, spool, socketPath } = { ...node.shim, folder: node.folder };
  const [kubeconfig, nodenameFile] = [join(folder, "kubeconfig"), join(folder, "nodename")];
  const cluster = { name: "c", cluster: { server: "https://127.0.0.1:1" } };
  const user = { name: "u", user: { token: "t" } };
  const context = { name: "x", context: { cluster: "c", user: "u" } };
  const document = { clusters: [cluster], users: [user], contexts: [context], "current-context": "x" };
  writeFileSync(kubeconfig, JSON.stringify({ apiVersion: "v1", kind: "Config", ...document }));
  writeFileSync(nodenameFile, "node-1");
  const state = join(folder, "state");
  mkdirSync(join(state, "cni"), { recursive: true });
  for (const name of ["intents", "journal"]) mkdirSync(join(state, "cni", name));
  mkdirSync(dirname(socketPath));
  expect((await node.call({ verb: "DEL", container, pod: "web" })).exitCode).toBe(0);
  // The executables' spool is the agent's.
  symlinkSync(spool, join(state, "cni/spool"));
  disk.fill();
  const socket = { cniSocket: socketPath, birdSocket: join(folder, "bird"), birdConfig: join(folder, "bird.conf") };
  const agent = await Agent.start({
    ...{ nodeName: "node-1" as NodeName, kubeconfig, queryPort: 0, overrides: {} },
    paths: { ...socket, state, nodenameFile, mtuFile: join(folder, "mtu") },
    logger: createLogger("error", "node-1"),
  });
  try {
    const { json } = await node.call({ verb: "STATUS", conf: confOf({ cniVersion: "1.1.0" }) });
    expect(json).toMatchObject({ code: 50, msg: expect.stringContaining("has not yet read everything") });
    disk.free();
    await expect.poll(() => readdir(spool), { timeout: 20_000 }).toEqual([]);
  } finally {
    await agent.stop();
  }
});

test("a DEL that there is no room to keep fails, and leaves no half of it", async ({ node, disk }) => {
  const netns = node.addPod("web");
  const server = await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  await server.close();
  disk.fill();
  const { spool } = node.shim;
  const del = () => node.call({ verb: "DEL", container, netns, pod: "web" });
  expect((await del()).json).toMatchObject({
    code: 11,
    msg: expect.stringContaining(spool),
    details: "No space left on device",
  });
  expect(await readdir(spool)).toEqual([]);
  disk.free();
  expect((await del()).exitCode).toBe(0);
  await node.serve();
  await expectNothingLeft(node, netns);
});
