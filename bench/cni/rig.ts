import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { createFabric, removeFabric } from "../../lab/fabric.ts";
import { controlAddress, type LabLayout, layoutOf, type NodeLayout } from "../../lab/layout.ts";
import { daemonProcesses, nodePath } from "../../lab/node.ts";
import { provisionNode } from "../../lab/provision-node.ts";
import { waitFor } from "../../lab/wait.ts";
import { buildShim } from "../../src/cni/build-shim.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { type CallCount, parseCallCounts } from "../api-calls.ts";
import { type BenchNode, startBenchNode } from "./bench-node.ts";
import { type Chain, type ChainPod, floorChain, ourChain, ptpChain, statusCall } from "./chains.ts";
import { clusterObjects, nodeStatus, podName, podNamespace, podObjects } from "./objects.ts";

/** A cluster of one node with our agent, and beside it a node that has none. Disposing of it removes every trace. */
export interface CniRig extends AsyncDisposable {
  readonly ours: WiredNode;
  readonly ptp: WiredNode;
  /** On the same node as `ptp`. */
  readonly floor: WiredNode;
  readonly pids: { readonly agent: number; readonly apiServer: number; readonly etcd: number };
  /** All that the API server has counted so far. */
  apiCalls(): Promise<readonly CallCount[]>;
  kubectl(argv: readonly string[]): Promise<string>;
}

/** A node and how its pods are wired. */
export interface WiredNode {
  readonly node: BenchNode;
  readonly chain: Chain;
}

export interface CniRigOptions {
  /** How many pods there are on each node. */
  readonly pods: number;
  /** Gets a CPU profile of the agent when the rig is disposed of. */
  readonly profileFolder?: string | undefined;
  readonly signal: AbortSignal;
}

/** Rejects, with nothing left running, when anything of it cannot be started or `signal` aborts. */
export async function startCniRig({ pods, profileFolder, signal }: CniRigOptions): Promise<CniRig> {
  await using undo = new AsyncDisposableStack();
  const layout = await layoutIn(undo);
  const [oursLayout, ptpLayout] = layout.nodes as [NodeLayout, NodeLayout];
  const shimFolder = join(layout.folder, "shim");
  undo.defer(() => removeFabric(layout));
  await Promise.all([createFabric(layout), buildShim(new LinuxHost(), { folder: shimFolder })]);
  signal.throwIfAborted();
  const plane = await startControlPlane({
    ...{ folder: join(layout.folder, "control-plane"), components: "api" },
    network: { netns: layout.control, address: controlAddress },
  });
  undo.defer(() => plane.stop());
  signal.throwIfAborted();
  const objects = await fillCluster(plane, oursLayout, pods);
  signal.throwIfAborted();
  const daemons = await provisionNode(layout, oursLayout, plane);
  const profiled = daemons.map(({ name, argv }) => ({ name, argv: name === "agent" ? profiledArgv(argv) : argv }));
  const wanted = (profileFolder === undefined ? daemons : profiled).filter(({ name }) =>
    ["agent", "bird"].includes(name),
  );
  const node = undo.use(await startBenchNode(layout, oursLayout, wanted, pods));
  if (profileFolder !== undefined) undo.defer(() => takeProfile(layout, oursLayout, node, profileFolder));
  const idle = [{ name: "idle", argv: ["sleep", "infinity"] }];
  const peer = undo.use(await startBenchNode(layout, ptpLayout, idle, pods));
  const parts = { shimFolder, apiUrl: plane.url, pods: objects };
  await waitFor("the agent ready", { timeoutMs: 60_000, everyMs: 100, signal }, async () => {
    await node.run(...statusCall(parts));
    return true;
  });
  const [etcd = 0, apiServer = 0] = plane.pids;
  const kept = undo.move();
  return {
    ours: { node, chain: await ourChain(node.folder, parts) },
    ptp: { node: peer, chain: await ptpChain(peer.folder) },
    floor: { node: peer, chain: await floorChain(peer.folder, pods) },
    pids: { agent: node.pidOf("agent"), apiServer, etcd },
    apiCalls: async () => parseCallCounts(await plane.kubectl(["get", "--raw=/metrics"]), "all"),
    kubectl: (argv) => plane.kubectl(argv),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

// --- internal ---

const repository = join(import.meta.dirname, "../..");

/** Where the agent's container may write, as the node sees it. */
const profilesOnNode = "/run/margay/profiles";

/** A lab's layout of two nodes below a folder for temporary files, with names that no lab has. */
async function layoutIn(undo: AsyncDisposableStack): Promise<LabLayout> {
  const folder = await mkdtemp(join(tmpdir(), "margay-bench-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const layout = layoutOf(`bench-${process.pid}`, 2);
  const nodes = layout.nodes.map((node) => ({ ...node, folder: join(folder, "nodes", node.name) }));
  return { ...layout, folder, nodes };
}

/** Answers the pods. */
async function fillCluster(
  plane: ControlPlane,
  { name, address }: NodeLayout,
  pods: number,
): Promise<readonly ChainPod[]> {
  const files = ["crds", "manifests/admission.yaml", "manifests/agent-rbac.yaml"];
  for (const file of files) await plane.kubectl(["apply", "--server-side", `--filename=${join(repository, file)}`]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  const listOf = (items: readonly object[]) => JSON.stringify({ apiVersion: "v1", kind: "List", items });
  for (const items of [clusterObjects(), podObjects(pods)]) {
    await plane.kubectl(["create", "--filename=-"], listOf(items));
  }
  const patch = JSON.stringify(nodeStatus(address));
  await plane.kubectl(["patch", "node", name, "--subresource=status", "--type=merge", `--patch=${patch}`]);
  const list = JSON.parse(await plane.kubectl(["get", "pods", `--namespace=${podNamespace}`, "--output=json"])) as {
    readonly items: readonly { readonly metadata: { readonly name: string; readonly uid: string } }[];
  };
  const uids = new Map(list.items.map(({ metadata }) => [metadata.name, metadata.uid]));
  return Array.from({ length: pods }, (_, index) => {
    const name = podName(index);
    return { namespace: podNamespace, name, uid: uids.get(name) ?? "" };
  });
}

function profiledArgv(argv: readonly string[]): readonly string[] {
  const at = argv.indexOf("agent") - 1;
  const options = `NODE_OPTIONS=--cpu-prof --cpu-prof-dir=${profilesOnNode}`;
  return [...argv.slice(0, at), "env", options, ...argv.slice(at)];
}

/** Node writes the profile when the agent ends by itself. */
async function takeProfile(layout: LabLayout, node: NodeLayout, benched: BenchNode, target: string): Promise<void> {
  await writeFile(join(node.folder, "daemons", "agent.stopped"), "");
  process.kill(benched.pidOf("agent"), "SIGTERM");
  await waitFor("the profiled agent's end", { timeoutMs: 30_000 }, async () => {
    return daemonProcesses(layout, node, "agent").length === 0 || undefined;
  });
  await cp(nodePath(layout, node, profilesOnNode), target, { recursive: true });
}
