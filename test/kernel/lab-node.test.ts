import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createFabric, inNamespace } from "../../lab/fabric.ts";
import { layoutOf, type NodeLayout, namespacesOf } from "../../lab/layout.ts";
import { bootNode, daemonProcesses, inNode, killDaemon, releaseDaemon, startNode, stopNode } from "../../lab/node.ts";
import { isAlive, kill, processesOf, startProcess } from "../../lab/processes.ts";
import { run } from "../../lab/run.ts";
import { recordedLab, recordLab, removeLab } from "../../lab/state.ts";
import { waitFor } from "../../lab/wait.ts";
import type { CommandError } from "../../src/host/host.ts";

const layout = layoutOf("labkernel", 2);
const [one, two] = layout.nodes as readonly [NodeLayout, NodeLayout];
const repository = join(import.meta.dirname, "..", "..");

beforeEach(async () => {
  await removeLab(layout.name);
  await recordLab(layout);
  await createFabric(layout);
});

afterEach(async () => {
  await removeLab(layout.name);
});

/** All that names the lab on this machine. */
async function traces(): Promise<readonly string[]> {
  const lines = [
    await run(["ip", "netns", "list"]),
    await run(["ip", "link"]),
    readFileSync("/proc/mounts", "utf8"),
    readdirSync("/run", { recursive: true }).join("\n"),
    processesOf(layout.folder)
      .map(({ pid }) => `${layout.name} pid ${pid}`)
      .join("\n"),
  ];
  return lines
    .join("\n")
    .split("\n")
    .filter((line) => line.includes(layout.name));
}

const sleeper = { name: "sleeper", argv: ["sleep", "1000"] };

test("down leaves nothing: no namespace, mount, process, interface, file", async () => {
  await Promise.all(layout.nodes.map((node) => startNode(layout, node, [sleeper])));
  expect((await traces()).length).toBeGreaterThan(namespacesOf(layout).length);
  expect(await removeLab(layout.name)).toBe(true);
  expect(await traces()).toEqual([]);
  expect(existsSync(layout.folder)).toBe(false);
  expect(await recordedLab(layout.name)).toBeUndefined();
  expect(await removeLab(layout.name)).toBe(false);
});

test("a namespace of that name which is no lab's is refused and left alone", async () => {
  await removeLab(layout.name);
  await run(["ip", "netns", "add", layout.router]);
  try {
    await expect(recordLab(layout)).rejects.toThrow(`the network namespace ${layout.router} is there and no lab's`);
    expect(existsSync(`/run/netns/${layout.router}`)).toBe(true);
  } finally {
    await run(["ip", "netns", "del", layout.router]);
  }
});

test("nodes of different racks reach each other through the router", async () => {
  await startProcess({
    folder: layout.folder,
    name: "listener",
    argv: [process.execPath, "-e", "net.createServer((s) => s.end('hello')).listen(80)"],
    netns: two.netns,
    lifetime: "lab",
  });
  const ask = `net.connect(80, "${two.address}").on("error", () => process.exit(1)).pipe(process.stdout)`;
  const said = await waitFor("an answer from the other rack", { timeoutMs: 10_000 }, () =>
    inNamespace(one.netns, [process.execPath, "-e", ask]),
  );
  expect(said).toBe("hello");
});

test("each node has processes, mounts and a name of its own", async () => {
  await Promise.all(layout.nodes.map((node) => startNode(layout, node, [sleeper])));
  expect((await inNode(layout, one, ["hostname"])).trim()).toBe("node-1");
  await inNode(layout, one, ["touch", "/run/here", "/etc/cni/here", "/opt/cni/here", "/var/lib/margay/here"]);
  const elsewhere = ["/run/here", "/etc/cni/here", "/opt/cni/here", "/var/lib/margay/here"];
  expect(elsewhere.filter(existsSync)).toEqual([]);
  const seen = await inNode(layout, two, ["find", "/run", "/etc/cni", "/opt/cni", "/var/lib/margay", "-name", "here"]);
  expect(seen).toBe("");
  const processes = await inNode(layout, two, ["ps", "-e", "-o", "pid=,comm="]);
  expect(processes).toMatch(/^\s*1 tini$/m);
  await expect(inNode(layout, one, ["touch", "/usr/here"])).rejects.toThrow(/Read-only file system/);
});

test("killing a node's first process takes the node down; its disk is there when it comes back", async () => {
  await startNode(layout, one, [sleeper]);
  await inNode(layout, one, ["touch", "/var/lib/margay/kept", "/run/lost"]);
  const daemons = daemonProcesses(layout, one, "sleeper");
  expect(daemons).toHaveLength(1);
  await stopNode(layout, one);
  expect(processesOf(layout.folder)).toEqual([]);
  expect(daemons.filter(isAlive)).toEqual([]);
  await expect(inNode(layout, one, ["true"])).rejects.toThrow("Cannot enter node-1 of lab labkernel: it is down");

  await bootNode(layout, one);
  const found = await inNode(layout, one, [
    "find",
    "/var/lib/margay/kept",
    "/run",
    "-name",
    "kept",
    "-o",
    "-name",
    "lost",
  ]);
  expect(found).toBe("/var/lib/margay/kept\n");
});

test("a killed daemon comes back by itself, unless it is to stay down", async () => {
  await startNode(layout, one, [sleeper]);
  const running = () => daemonProcesses(layout, one, "sleeper");
  const again = () => waitFor("the daemon", { timeoutMs: 5000, everyMs: 50 }, async () => running()[0]);
  const first = await again();
  await killDaemon(layout, one, "sleeper");
  expect(await again()).not.toEqual(first);
  await killDaemon(layout, one, "sleeper", "down");
  await sleep(1200);
  expect(running()).toEqual([]);
  await releaseDaemon(one, "sleeper");
  await again();
});

test("the agent's container holds the DaemonSet's mounts over a read-only image", async () => {
  const script = join(repository, "lab", "agent-container.sh");
  const argv = ["unshare", "--mount", "--propagation", "slave", "--", script, repository, "--", "sleep", "1000"];
  await startNode(layout, one, [{ name: "agent", argv }]);
  const inContainer = async (...words: string[]) => {
    const agent = daemonProcesses(layout, one, "agent")[0]?.pid;
    return run(["nsenter", `--target=${agent}`, "--mount", "--net", "--pid", "--root", "--", ...words] as [
      string,
      ...string[],
    ]);
  };
  await waitFor("the container", { timeoutMs: 10_000, everyMs: 50 }, async () =>
    (await inContainer("cat", "/proc/mounts")).startsWith("overlay / ") ? true : undefined,
  );
  const mounts = (await inContainer("cat", "/proc/mounts")).split("\n").map((line) => line.split(" ")[1] ?? "");
  const own = mounts.filter(
    (path) => !/^\/($|proc$|proc\/sys$|sys$|dev|run$)/.test(path) && path !== "" && path !== repository,
  );
  expect(own.sort()).toEqual([
    "/etc/cni/net.d",
    "/opt/cni/bin",
    "/proc/sys/net",
    "/run/margay",
    "/run/netns",
    "/run/xtables.lock",
    "/var/lib/calico",
    "/var/lib/margay",
    "/var/log/margay",
  ]);
  await expect(inContainer("touch", "/var/lib/here")).rejects.toThrow(/Read-only file system/);
  await inContainer("touch", "/var/lib/margay/here");
  // A pod's namespace made on the node afterwards is one in the container too, not an empty file.
  await inNode(layout, one, ["ip", "netns", "add", "later"]);
  expect(await inContainer("ip", "netns", "exec", "later", "ip", "-brief", "link")).toMatch(/^lo /);
});

test("a process that has another's number is not that process", async () => {
  const started = await startProcess({ folder: layout.folder, name: "x", argv: ["sleep", "1000"], lifetime: "lab" });
  const [identity] = processesOf(layout.folder);
  expect(identity?.pid).toBe(started.pid);
  await kill([{ pid: started.pid, startTicks: "1" }]);
  expect(processesOf(layout.folder)).toHaveLength(1);
  await kill(identity === undefined ? [] : [identity]);
  expect(processesOf(layout.folder)).toEqual([]);
});

test("what an owner starts ends with it, however it ends", async () => {
  const script = `
    const { startProcess } = await import(${JSON.stringify(join(repository, "lab", "processes.ts"))});
    await startProcess({ folder: ${JSON.stringify(layout.folder)}, name: "x", argv: ["sleep", "1000"], lifetime: "owner" });
    process.stdout.write("started", () => process.kill(process.pid, "SIGKILL"));`;
  const ended = run([process.execPath, "--input-type=module", "-e", script]);
  expect(await ended.catch(({ stdout }: CommandError) => stdout)).toBe("started");
  await waitFor("its end", { timeoutMs: 5000, everyMs: 50 }, async () =>
    processesOf(layout.folder).length === 0 ? true : undefined,
  );
});
