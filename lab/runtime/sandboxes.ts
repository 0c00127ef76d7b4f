/** What the runtime made for each pod: a network namespace, its attachment, and its process. Kept in files, so that a restart loses nothing. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { identify, isAlive, kill, type ProcessIdentity, startProcess } from "../processes.ts";
import { run } from "../run.ts";
import { waitFor } from "../wait.ts";
import { type CniAttachment, cniAdd, cniDel } from "./cni-exec.ts";
import { type CniList, readCniList } from "./cni-list.ts";
import { echoPortsOf, type PodObject, portMappingsOf } from "./pod-object.ts";

export interface Sandbox {
  readonly containerId: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Undefined for a pod of the host's network. */
  readonly network?: {
    readonly netns: string;
    readonly list: CniList;
    readonly attachment: CniAttachment;
    readonly result?: unknown;
  };
  readonly ips: readonly string[];
  readonly process?: ProcessIdentity;
}

export interface SandboxPaths {
  /** One file a sandbox. */
  readonly state: string;
  readonly configuration: string;
  readonly plugins: string;
  /** The pods' control sockets. */
  readonly sockets: string;
  /** For logs, and the mark of the pods' processes. */
  readonly folder: string;
}

const host = new LinuxHost();

/** Where a pod's process takes questions (see pod.ts). Short: a socket's path has 108 bytes. */
export function socketName(containerId: string): string {
  return `${containerId.slice(0, 12)}.sock`;
}

/** Every sandbox in the state folder. */
export async function readSandboxes(stateFolder: string): Promise<readonly Sandbox[]> {
  const names = (await host.listFolder(stateFolder)).filter((name) => name.endsWith(".json"));
  const texts = await Promise.all(names.map((name) => host.readFile(join(stateFolder, name))));
  return texts.filter((text) => text !== undefined).map((text) => JSON.parse(text) as Sandbox);
}

/** Whether it still stands: a node that was powered off has its files, not its namespaces and processes. */
export function stands(sandbox: Sandbox): boolean {
  const { network, process } = sandbox;
  const attached = network === undefined || (network.result !== undefined && existsSync(`/run/netns/${network.netns}`));
  return attached && process !== undefined && isAlive(process);
}

/** Makes it all. When a step fails, everything before is undone and the error of that step is thrown. */
export async function createSandbox(pod: PodObject, hostIp: string, paths: SandboxPaths): Promise<Sandbox> {
  let sandbox = await prepare(pod, hostIp, paths.configuration);
  const save = (next: Sandbox) => {
    sandbox = next;
    return host.replaceFile(stateFile(next, paths), JSON.stringify(next));
  };
  await save(sandbox);
  try {
    if (sandbox.network !== undefined) await save(await attach(sandbox, sandbox.network, paths));
    await save({ ...sandbox, process: await startPod(sandbox, pod, paths) });
    return sandbox;
  } catch (cause) {
    await destroySandbox(sandbox, paths).catch((second: unknown) => {
      throw new AggregateError([cause, second], `${(cause as Error).message}; then ${(second as Error).message}`);
    });
    throw cause;
  }
}

/** Undoes all of it, in reverse. Rejects when a plugin refuses; what is left then is undone by the next call. */
export async function destroySandbox(sandbox: Sandbox, paths: SandboxPaths): Promise<void> {
  if (sandbox.process !== undefined) await kill([sandbox.process]);
  if (sandbox.network !== undefined) {
    const { list, attachment, result, netns } = sandbox.network;
    await cniDel(list, attachment, { binFolder: paths.plugins, result });
    if (existsSync(`/run/netns/${netns}`)) await run(["ip", "netns", "del", netns]);
  }
  await host.removeFile(join(paths.sockets, socketName(sandbox.containerId)));
  await host.removeFile(stateFile(sandbox, paths));
}

// --- internal ---

function stateFile({ containerId }: Sandbox, { state }: SandboxPaths): string {
  return join(state, `${containerId}.json`);
}

async function prepare(pod: PodObject, hostIp: string, configuration: string): Promise<Sandbox> {
  const { namespace, name, uid } = pod.metadata;
  const containerId = randomBytes(32).toString("hex");
  const base = { containerId, namespace, name, uid };
  if (pod.spec.hostNetwork === true) return { ...base, ips: [hostIp] };
  const list = await readCniList(configuration);
  if (list === undefined) throw new Error(`Cannot attach a pod: no network configuration in ${configuration}`);
  const netns = `cni-${containerId.slice(0, 12)}`;
  const portMappings = portMappingsOf(pod);
  const attachment: CniAttachment = {
    containerId,
    netns: `/run/netns/${netns}`,
    interfaceName: "eth0",
    args: {
      IgnoreUnknown: "1",
      K8S_POD_NAMESPACE: namespace,
      K8S_POD_NAME: name,
      K8S_POD_INFRA_CONTAINER_ID: containerId,
      K8S_POD_UID: uid,
    },
    capabilityArgs: portMappings.length === 0 ? {} : { portMappings },
  };
  return { ...base, ips: [], network: { netns, list, attachment } };
}

async function attach(
  sandbox: Sandbox,
  network: NonNullable<Sandbox["network"]>,
  paths: SandboxPaths,
): Promise<Sandbox> {
  const { netns, list, attachment } = network;
  await run(["ip", "netns", "add", netns]);
  await run(["ip", "-n", netns, "link", "set", "lo", "up"]);
  const result = await cniAdd(list, attachment, paths.plugins);
  const ips = (result as { ips?: readonly { readonly address: string }[] } | undefined)?.ips ?? [];
  return { ...sandbox, ips: ips.map(({ address }) => address.split("/")[0] ?? ""), network: { ...network, result } };
}

async function startPod(sandbox: Sandbox, pod: PodObject, paths: SandboxPaths): Promise<ProcessIdentity> {
  const socket = join(paths.sockets, socketName(sandbox.containerId));
  const started = await startProcess({
    folder: paths.folder,
    name: `pod-${sandbox.namespace}-${sandbox.name}`,
    argv: [process.execPath, join(import.meta.dirname, "..", "pod.ts"), socket, JSON.stringify(echoPortsOf(pod))],
    netns: sandbox.network?.netns,
    env: { MARGAY_LAB_NODE: process.env["MARGAY_LAB_NODE"] ?? "", MARGAY_LAB_DAEMON: "pods" },
    lifetime: "lab",
  });
  await waitFor("the pod's process", { timeoutMs: 20_000, everyMs: 20 }, async () => {
    const how = started.ended();
    if (how !== undefined) throw new Error(`the pod's process ended: ${how}`);
    return existsSync(socket) || undefined;
  });
  const identity = identify(started.pid);
  if (identity === undefined) throw new Error("Cannot keep the pod's process running: it ended at once");
  return identity;
}
