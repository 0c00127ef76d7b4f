/** A whole cluster on this machine: the fabric, the control plane, the nodes. */
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findBinaries } from "./binaries.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { queryApiService, startControllers } from "./controllers.ts";
import { createFabric } from "./fabric.ts";
import { checkCgroups } from "./kubelet/cgroups.ts";
import { buildImages } from "./kubelet/images.ts";
import { controlAddress, type LabLayout, layoutOf, nodeAs, routerAs } from "./layout.ts";
import { startNode } from "./node.ts";
import { startClient } from "./outside-client.ts";
import { logTail, startProcess } from "./processes.ts";
import { buildPlugins, provisionNode } from "./provision-node.ts";
import { run } from "./run.ts";
import { recordedLab, recordLab, removeLab } from "./state.ts";
import { torConfig } from "./tor.ts";
import { waitFor } from "./wait.ts";

/** Takes one line that tells a person what goes on. */
export type Progress = (line: string) => void;

/** A lab that runs. */
export interface Lab {
  readonly layout: LabLayout;
  /** Of a cluster administrator; good on this machine, through 127.0.0.1. */
  readonly kubeconfig: string;
  /** What `kubectl ARGV` prints. Rejects with a `CommandError` when it ends non-zero. */
  kubectl(argv: readonly string[], stdin?: string): Promise<string>;
}

export interface LabOptions {
  readonly name: string;
  readonly nodes: number;
  /** How many of them, the first ones, run containerd and kubelet; none when absent. */
  readonly kubeletNodes?: number;
  readonly progress: Progress;
  /** Aborted, it makes the start fail at its next step. */
  readonly signal?: AbortSignal;
}

const repository = join(import.meta.dirname, "..");

/**
 * Starts the lab anew, after removing what an earlier one of that name left. It is left running, also after this process.
 * Resolves when every node is Ready. When a step fails, everything is removed again and that step's error is thrown.
 */
export async function startLab({ name, nodes, kubeletNodes = 0, progress, signal }: LabOptions): Promise<Lab> {
  const layout = layoutOf(name, nodes, kubeletNodes);
  if (kubeletNodes > 0) checkCgroups();
  await findBinaries();
  if (await removeLab(name)) progress("removed what was left of an earlier run");
  await recordLab(layout);
  try {
    return await start(layout, progress, signal);
  } catch (cause) {
    const words = lastWords(layout);
    await removeLab(name);
    throw words === "" ? cause : new Error(`${(cause as Error).message}\n${words}`, { cause });
  }
}

/** The lab of this name as it runs. Throws a sentence when it is not there. */
export async function openLab(name: string): Promise<Lab> {
  const layout = await recordedLab(name);
  if (layout === undefined || !existsSync(kubeconfigOf(layout))) {
    throw new Error(`Cannot find a lab named ${name} on this machine: start it with: margay lab up --name ${name}`);
  }
  return labOf(layout);
}

// --- internal ---

/** The end of every log: they go with the lab, and one of them knows why it did not start. */
function lastWords(layout: LabLayout): string {
  const folders = [layout.folder, ...layout.nodes.map(({ folder }) => folder)].map((folder) => join(folder, "logs"));
  const files = folders.filter(existsSync).flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  return files.map((file) => `--- ${file}\n${logTail(file, 3)}`).join("\n");
}

async function start(layout: LabLayout, report: Progress, signal: AbortSignal | undefined): Promise<Lab> {
  const progress = (line: string) => {
    signal?.throwIfAborted();
    report(line);
  };
  progress(`making ${layout.nodes.length} nodes in 2 racks behind a router`);
  const hasKubelet = layout.nodes.some(({ runtime }) => runtime === "kubelet");
  await Promise.all([createFabric(layout), buildPlugins(layout), hasKubelet ? buildImages(layout) : undefined]);
  progress("starting etcd, kube-apiserver, kube-controller-manager and kube-scheduler");
  const controlPlane = await startControlPlane({
    folder: join(layout.folder, "control-plane"),
    components: "all",
    lifetime: "lab",
    network: { netns: layout.control, address: controlAddress },
  });
  await openDoor(layout, controlPlane);
  const lab = labOf(layout);
  progress("applying CRDs and roles");
  await lab.kubectl(["apply", "--server-side", "-f", join(repository, "crds")]);
  await lab.kubectl(["wait", "--for=condition=Established", "--timeout=60s", "-f", join(repository, "crds")]);
  await lab.kubectl(["apply", "--server-side", "-f", join(repository, "manifests", "admission.yaml")]);
  for (const name of ["agent-rbac.yaml", "controllers.yaml", "query-api.yaml"]) {
    await lab.kubectl(["apply", "--server-side", "-f", join(repository, "manifests", name)]);
  }
  await lab.kubectl(["apply", "--server-side", "-f", join(repository, "manifests", "examples", "network.yaml")]);
  progress(
    "starting margay controllers, the router's BIRD, and on each node the agent, BIRD, kube-proxy and the runtime",
  );
  await startControllers(layout, controlPlane);
  await startRouter(layout);
  await startClient(layout);
  await Promise.all(
    layout.nodes.map(async (node) => startNode(layout, node, await provisionNode(layout, node, controlPlane))),
  );
  await waitFor("every Node object", { timeoutMs: 60_000, signal }, async () => {
    const names = (await lab.kubectl(["get", "nodes", "--output=name"])).split("\n").filter(Boolean);
    return names.length === layout.nodes.length || undefined;
  });
  await lab.kubectl(["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"]);
  await lab.kubectl(["wait", "--for=condition=Available", `apiservice/${queryApiService}`, "--timeout=60s"]);
  progress(`${layout.nodes.length} nodes are Ready`);
  return lab;
}

function kubeconfigOf({ folder }: LabLayout): string {
  return join(folder, "kubeconfig");
}

function labOf(layout: LabLayout): Lab {
  const kubeconfig = kubeconfigOf(layout);
  const kubectl = async (argv: readonly string[], stdin?: string) => {
    const program = (await findBinaries()).kubectl;
    const options = { timeoutMs: 300_000, ...(stdin === undefined ? {} : { stdin }) };
    return run([program, `--kubeconfig=${kubeconfig}`, ...argv], options);
  };
  return { layout, kubeconfig, kubectl };
}

/** The only thing of the lab in the machine's own network: a forwarder on 127.0.0.1, and the kubeconfig that names it. */
async function openDoor(layout: LabLayout, { kubeconfig }: ControlPlane): Promise<void> {
  const portFile = join(layout.folder, "forwarder.port");
  const script = join(import.meta.dirname, "forwarder.ts");
  await startProcess({
    folder: layout.folder,
    name: "forwarder",
    argv: [process.execPath, script, layout.control, controlAddress, "6443", portFile],
    lifetime: "lab",
  });
  await waitFor(
    "the forwarder's port",
    { timeoutMs: 10_000, everyMs: 20 },
    async () => existsSync(portFile) || undefined,
  );
  const port = (await readFile(portFile, "utf8")).trim();
  const text = await readFile(kubeconfig, "utf8");
  const outside = text.replaceAll(`https://${controlAddress}:6443`, `https://127.0.0.1:${port}`);
  await writeFile(kubeconfigOf(layout), outside, { mode: 0o600 });
}

async function startRouter(layout: LabLayout): Promise<void> {
  const folder = join(layout.folder, "router");
  await mkdir(folder, { recursive: true });
  const neighbours = layout.nodes.map(({ address }) => ({ address, as: nodeAs }));
  const config = join(folder, "bird.conf");
  await writeFile(config, torConfig({ routerId: "172.18.0.1", as: routerAs, neighbours }));
  await startProcess({
    folder: layout.folder,
    name: "router-bird",
    argv: ["bird", "-f", "-c", config, "-s", join(folder, "bird.ctl")],
    netns: layout.router,
    lifetime: "lab",
  });
}
