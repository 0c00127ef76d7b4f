/** A node: namespaces of its own under one first process, whose end takes the whole node down. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { joinCgroups, removeCgroups } from "./kubelet/cgroups.ts";
import type { LabLayout, NodeLayout } from "./layout.ts";
import {
  environmentOf,
  identify,
  kill,
  logTail,
  type ProcessIdentity,
  processesOf,
  startProcess,
} from "./processes.ts";
import { run } from "./run.ts";
import { GivenUp, waitFor } from "./wait.ts";

/** A program that a node keeps running. */
export interface Daemon {
  readonly name: string;
  readonly argv: readonly string[];
}

const here = import.meta.dirname;

/**
 * Starts the node with these daemons and waits until its mounts stand. Throws when it does not come up. With the lifetime
 * `owner` it ends with this process, however that ends.
 */
export async function startNode(
  layout: LabLayout,
  node: NodeLayout,
  daemons: readonly Daemon[],
  lifetime: "owner" | "lab" = "lab",
): Promise<void> {
  const folder = join(node.folder, "daemons");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const { name, argv } of daemons) await writeFile(join(folder, name), argv.map((word) => `${word}\0`).join(""));
  await bootNode(layout, node, lifetime);
}

/** Powers the node on with the daemons that it had: what is on its disk is as it was. */
export async function bootNode(layout: LabLayout, node: NodeLayout, lifetime: "owner" | "lab" = "lab"): Promise<void> {
  // What an earlier life left there is no longer anybody's.
  if (node.runtime === "kubelet") await removeCgroups(node);
  const started = await startProcess({
    folder: layout.folder,
    name: node.name,
    argv: [...unshareArgv(node), "tini", "--", join(here, "node-init.sh"), node.folder, node.name],
    netns: node.netns,
    env: { MARGAY_LAB_NODE: node.name },
    lifetime,
  });
  await waitFor(`${node.name} up`, { timeoutMs: 30_000, everyMs: 20 }, async () => {
    const how = started.ended();
    if (how !== undefined) throw new GivenUp(`Cannot start ${node.name}: ${how}:\n${logTail(started.logFile)}`);
    return existsSync(nodePath(layout, node, "/run/margay-lab/booted")) || undefined;
  });
}

/** Powers the node off: kills its first process, and waits until all of its processes are gone. */
export async function stopNode(layout: LabLayout, node: NodeLayout): Promise<void> {
  const all = nodeProcesses(layout, node);
  const first = all.filter(({ pid }) => isFirst(pid));
  await kill(first);
  await kill(all);
}

/** Where the node's own `path` is seen from the machine. Throws when the node is down. */
export function nodePath(layout: LabLayout, node: NodeLayout, path: string): string {
  return `/proc/${firstProcess(layout, node).pid}/root${path}`;
}

/** Runs a program in the node's namespaces and gives what it prints. Rejects as `run` does, or when the node is down. */
export async function inNode(
  layout: LabLayout,
  node: NodeLayout,
  argv: readonly string[],
  stdin?: string,
): Promise<string> {
  return run([...enterNode(layout, node), ...argv] as [string, ...string[]], stdin === undefined ? {} : { stdin });
}

/** The argv that puts a program into all of the node's namespaces. Throws when the node is down. */
export function enterNode(layout: LabLayout, node: NodeLayout): readonly [string, ...string[]] {
  const { pid } = firstProcess(layout, node);
  return ["nsenter", "--target", `${pid}`, "--mount", "--uts", "--net", "--pid", "--"];
}

/** The processes of one daemon of the node, its children with it. */
export function daemonProcesses(layout: LabLayout, node: NodeLayout, daemon: string): readonly ProcessIdentity[] {
  return nodeProcesses(layout, node).filter(({ pid }) => environmentOf(pid).includes(`MARGAY_LAB_DAEMON=${daemon}`));
}

/** Kills a daemon (SIGKILL, its children with it). It is started again half a second later, unless `stay` is `down`. */
export async function killDaemon(
  layout: LabLayout,
  node: NodeLayout,
  daemon: string,
  stay: "up" | "down" = "up",
): Promise<void> {
  const file = join(node.folder, "daemons", `${daemon}.stopped`);
  if (stay === "down") await writeFile(file, "");
  await kill(daemonProcesses(layout, node, daemon));
}

/** Lets a daemon start again that `killDaemon` left down. */
export async function releaseDaemon(node: NodeLayout, daemon: string): Promise<void> {
  await rm(join(node.folder, "daemons", `${daemon}.stopped`), { force: true });
}

// --- internal ---

function unshareArgv(node: NodeLayout): readonly [string, ...string[]] {
  const own = ["--pid", "--fork", "--mount", "--propagation", "private", "--uts", "--kill-child"];
  if (node.runtime === "stand-in") return ["unshare", ...own, "--"];
  return [...joinCgroups(node), "unshare", ...own, "--cgroup", "--"];
}

function firstProcess(layout: LabLayout, node: NodeLayout): ProcessIdentity {
  const first = nodeProcesses(layout, node).find(({ pid }) => isFirst(pid));
  if (first === undefined) throw new Error(`Cannot enter ${node.name} of lab ${layout.name}: it is down`);
  return first;
}

function nodeProcesses(layout: LabLayout, node: NodeLayout): readonly ProcessIdentity[] {
  return processesOf(layout.folder).filter(({ pid }) => environmentOf(pid).includes(`MARGAY_LAB_NODE=${node.name}`));
}

/** Whether this is process 1 of a pid namespace below ours. */
function isFirst(pid: number): boolean {
  if (identify(pid) === undefined) return false;
  try {
    const line = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
    const pids = line.split(/\s+/);
    return pids.length > 1 && pids.at(-1) === "1";
  } catch (cause) {
    if (["ENOENT", "ESRCH"].includes((cause as NodeJS.ErrnoException).code ?? "")) return false;
    throw cause;
  }
}
