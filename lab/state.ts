/** What the machine remembers of its labs, so that any later command finds and removes them, also after a crash. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { LinuxHost } from "../src/host/linux-host.ts";
import { removeFabric } from "./fabric.ts";
import { removeCgroups } from "./kubelet/cgroups.ts";
import { type LabLayout, labsFolder, layoutOf, namespacesOf } from "./layout.ts";
import { killAll } from "./processes.ts";
import { run } from "./run.ts";
import { waitFor } from "./wait.ts";

/** Left beside the labs when it was a lab that first made /run/netns: the last one to go removes that again. */
const netnsFolderMark = join(labsFolder, ".made-run-netns");

/**
 * Writes down what is about to be made. Throws when a network namespace of one of the lab's names is there already:
 * it is somebody else's.
 */
export async function recordLab(layout: LabLayout): Promise<void> {
  const foreign = namespacesOf(layout).filter((name) => existsSync(`/run/netns/${name}`));
  if (foreign.length > 0) {
    throw new Error(
      `Cannot start lab ${layout.name}: the network namespace ${foreign[0]} is there and no lab's. Choose another name, or remove it with: ip netns del ${foreign[0]}`,
    );
  }
  await using _shared = await lockShared();
  await mkdir(layout.folder, { recursive: true, mode: 0o700 });
  if (!existsSync("/run/netns")) await writeFile(netnsFolderMark, "");
  await new LinuxHost().replaceFile(join(layout.folder, "lab.json"), JSON.stringify(recordOf(layout)));
}

/** The recorded lab of this name, running or left by a crash; undefined when there is none. */
export async function recordedLab(name: string): Promise<LabLayout | undefined> {
  const path = join(layoutOf(name, 1).folder, "lab.json");
  if (!existsSync(path)) return undefined;
  const { nodes, kubeletNodes } = JSON.parse(await readFile(path, "utf8")) as Partial<LabRecord>;
  return layoutOf(name, nodes ?? 1, kubeletNodes ?? 0);
}

/** The names of all recorded labs. */
export async function recordedLabs(): Promise<readonly string[]> {
  if (!existsSync(labsFolder)) return [];
  const names = (await readdir(labsFolder)).filter((name) => existsSync(join(labsFolder, name, "lab.json")));
  return names.sort();
}

/** Removes all of the lab, whatever state it is in. Gives false when there was none. */
export async function removeLab(name: string): Promise<boolean> {
  const layout = await recordedLab(name);
  if (layout === undefined) return false;
  await killAll(layout.folder);
  for (const node of layout.nodes) if (node.runtime === "kubelet") await removeCgroups(node);
  await removeFabric(layout);
  await using _shared = await lockShared();
  await rm(layout.folder, { recursive: true, force: true });
  await removeFolders();
  return true;
}

/**
 * Keeps other commands off the lab until disposed of, or until this process ends.
 * Throws a sentence when another command is at work on it.
 */
export async function lockLab(name: string): Promise<AsyncDisposable> {
  const lock = await hold(`margay-lab-${name}`);
  if (lock === undefined) throw new Error(`Cannot work on lab ${name}: another command is starting or stopping it`);
  return lock;
}

// --- internal ---

interface LabRecord {
  readonly nodes: number;
  readonly kubeletNodes: number;
}

function recordOf({ nodes }: LabLayout): LabRecord {
  return { nodes: nodes.length, kubeletNodes: nodes.filter(({ runtime }) => runtime === "kubelet").length };
}

/**
 * Waits for what all labs of the machine share: the folder above theirs, and /run/netns. Without it one lab removes as
 * the last what another has just found there. It is held for milliseconds.
 */
function lockShared(): Promise<AsyncDisposable> {
  return waitFor("the other labs' commands end", { timeoutMs: 30_000, everyMs: 20 }, () => hold("margay-labs"));
}

/** An abstract socket: the kernel lets only one process hold the name, and forgets it with its holder. Undefined when held. */
async function hold(name: string): Promise<AsyncDisposable | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", (cause: NodeJS.ErrnoException) => {
    if (cause.code === "EADDRINUSE") resolve(false);
    else reject(new Error(`Cannot lock ${name}: ${cause.message}`, { cause }));
  });
  server.listen(`\0${name}`, () => resolve(true));
  if (!(await promise)) return undefined;
  server.unref();
  return { [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())) };
}

async function removeFolders(): Promise<void> {
  if ((await recordedLabs()).length > 0) return;
  if (existsSync(netnsFolderMark) && (await readdir("/run/netns")).length === 0) {
    await run(["umount", "/run/netns"]);
    await rmdir("/run/netns");
    await rm(netnsFolderMark);
  }
  if ((await readdir(labsFolder)).length === 0) await rmdir(labsFolder);
}
