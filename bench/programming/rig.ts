import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { createFabric, removeFabric } from "../../lab/fabric.ts";
import { controlAddress, type LabLayout, layoutOf, type NodeLayout } from "../../lab/layout.ts";
import { daemonProcesses, killDaemon, releaseDaemon } from "../../lab/node.ts";
import { provisionNode } from "../../lab/provision-node.ts";
import { waitFor } from "../../lab/wait.ts";
import { buildShim } from "../../src/cni/build-shim.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { type BenchNode, startBenchNode } from "../cni/bench-node.ts";
import { type ChainPod, ourChain, statusCall } from "../cni/chains.ts";
import { benchedNode, nodeStatus } from "../cni/objects.ts";
import { cpuTimeOf } from "../cpu-time.ts";
import type { Measured } from "./measure.ts";
import { localPods, podIdentity } from "./objects.ts";
import type { WorkerRequest } from "./worker.ts";

/** Which backend programs the rules. */
export type Backend = WorkerRequest["backend"];

/** A cluster whose one real node has our agent. Disposing of it removes every trace. */
export interface ProgrammingRig extends AsyncDisposable {
  /** Brings the cluster to so many pods and policies. It never shrinks. */
  grow(size: number): Promise<void>;
  /** Wires the node's own pods. */
  wirePods(): Promise<void>;
  /** Starts the agent anew with this backend, and waits until the kernel holds its plan. */
  restart(backend: Backend): Promise<Started>;
  /** Has it measured by a process of its own. */
  work(work: WorkerRequest["work"], changes: number): Promise<Worked>;
  /** What the agent, with what it runs, has of memory now, and had at most: megabytes of resident set. */
  memory(): Promise<{ readonly nowMb: number; readonly peakMb: number }>;
  /** What the agent has had of the CPUs, in milliseconds. */
  cpuMs(): Promise<number>;
  /** In the node's network namespace. */
  readonly netns: string;
}

/** How an agent came up. */
interface Started {
  /** From its process's start to the kernel holding the plan, in milliseconds. */
  readonly inSyncMs: number;
}

interface Worked {
  readonly measured: Measured;
  /** What the agent had of the CPUs meanwhile, in milliseconds. */
  readonly agentCpuMs: number;
  readonly tookMs: number;
}

/** Rejects, with nothing left running, when anything of it cannot be started or `signal` aborts. `most` is the largest size to come. */
export async function startProgrammingRig(most: number, signal: AbortSignal): Promise<ProgrammingRig> {
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "margay-bench-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const named = layoutOf(`bench-${process.pid}`, 1);
  const layout: LabLayout = {
    ...named,
    folder,
    nodes: named.nodes.map((node) => ({ ...node, folder: join(folder, "nodes", node.name) })),
  };
  const [node] = layout.nodes as [NodeLayout];
  undo.defer(() => removeFabric(layout));
  const shimFolder = join(folder, "shim");
  await Promise.all([createFabric(layout), buildShim(new LinuxHost(), { folder: shimFolder })]);
  signal.throwIfAborted();
  const network = { netns: layout.control, address: controlAddress };
  const plane = await startControlPlane({ folder: join(folder, "control-plane"), components: "api", network });
  undo.defer(() => plane.stop());
  signal.throwIfAborted();
  for (const file of ["crds", "manifests/admission.yaml", "manifests/agent-rbac.yaml"]) {
    await plane.kubectl(["apply", "--server-side", `--filename=${join(repository, file)}`]);
  }
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  const wanted = (await provisionNode(layout, node, plane)).filter(({ name }) => name === "agent");
  const benched = undo.use(await startBenchNode(layout, node, wanted, localPods));
  const kept = undo.move();
  return new Rig({ layout, node, plane, benched, shimFolder, most, signal, kept });
}

// --- internal ---

const repository = join(import.meta.dirname, "../..");

interface RigParts {
  readonly layout: LabLayout;
  readonly node: NodeLayout;
  readonly plane: ControlPlane;
  readonly benched: BenchNode;
  readonly shimFolder: string;
  readonly most: number;
  readonly signal: AbortSignal;
  readonly kept: AsyncDisposableStack;
}

class Rig implements ProgrammingRig {
  readonly #parts: RigParts;
  #size = 0;
  #backend: Backend = "iptables";

  constructor(parts: RigParts) {
    this.#parts = parts;
  }

  get netns(): string {
    return this.#parts.node.netns;
  }

  async grow(size: number): Promise<void> {
    const isFirst = this.#size === 0;
    await this.#run("fill", { size, changes: 0 });
    this.#size = Math.max(size, 1);
    if (!isFirst) return;
    const { plane, node } = this.#parts;
    const patch = JSON.stringify(nodeStatus(node.address));
    await plane.kubectl(["patch", "node", benchedNode, "--subresource=status", "--type=merge", `--patch=${patch}`]);
  }

  async wirePods(): Promise<void> {
    const { benched, shimFolder, plane, signal } = this.#parts;
    const parts = { shimFolder, apiUrl: plane.url, pods: await this.#podsOfNode() };
    await waitFor("the agent ready", { timeoutMs: 60_000, everyMs: 100, signal }, async () => {
      await benched.run(...statusCall(parts));
      return true;
    });
    const chain = await ourChain(benched.folder, parts);
    const tasks = parts.pods.map((_, index) => chain.add(index, `container-${index}`));
    await benched.execute(tasks, 10, signal);
  }

  async restart(backend: Backend): Promise<Started> {
    const { layout, node, signal, plane } = this.#parts;
    if (backend !== this.#backend) {
      const spec = { nftablesMode: backend === "nft" ? "Enabled" : "Disabled" };
      const object = {
        apiVersion: "projectcalico.org/v3",
        kind: "FelixConfiguration",
        metadata: { name: "default" },
        spec,
      };
      await plane.kubectl(["apply", "--filename=-"], JSON.stringify(object));
      this.#backend = backend;
    }
    await killDaemon(layout, node, "agent", "down");
    const before = await this.#log();
    await releaseDaemon(node, "agent");
    return waitFor("the agent in step with the cluster", { timeoutMs: 120_000, everyMs: 100, signal }, async () => {
      const lines = (await this.#log()).slice(before.length).split("\n");
      const line = lines.find((one) => one.includes("the kernel holds its plan"));
      return line === undefined ? undefined : { inSyncMs: (JSON.parse(line) as { sinceStartMs: number }).sinceStartMs };
    });
  }

  async work(work: WorkerRequest["work"], changes: number): Promise<Worked> {
    const [before, begun] = [await this.cpuMs(), performance.now()];
    const measured = await this.#run(work, { size: this.#size, changes });
    return { measured, agentCpuMs: (await this.cpuMs()) - before, tookMs: performance.now() - begun };
  }

  async memory() {
    const { layout, node } = this.#parts;
    const texts = await Promise.all(
      daemonProcesses(layout, node, "agent").map(({ pid }) => readFile(`/proc/${pid}/status`, "utf8").catch(() => "")),
    );
    const sum = (field: string) =>
      texts.reduce((all, one) => all + Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(one)?.[1] ?? 0), 0) / 1024;
    return { nowMb: sum("VmRSS"), peakMb: sum("VmHWM") };
  }

  async cpuMs(): Promise<number> {
    const { layout, node } = this.#parts;
    const times = await Promise.all(
      daemonProcesses(layout, node, "agent").map(({ pid }) => cpuTimeOf(pid).catch(() => ({ own: 0, children: 0 }))),
    );
    return times.reduce((sum, { own, children }) => sum + own + children, 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.kept.disposeAsync();
  }

  #log(): Promise<string> {
    return readFile(join(this.#parts.node.folder, "logs", "agent.log"), "utf8");
  }

  async #podsOfNode(): Promise<readonly ChainPod[]> {
    const { plane, most } = this.#parts;
    const argv = ["get", "pods", "--all-namespaces", `--field-selector=spec.nodeName=${benchedNode}`, "--output=json"];
    const { items } = JSON.parse(await plane.kubectl(argv)) as {
      readonly items: readonly { readonly metadata: ChainPod }[];
    };
    const uids = new Map(items.map(({ metadata }) => [`${metadata.namespace}/${metadata.name}`, metadata.uid]));
    return Array.from({ length: localPods }, (_, index) => {
      const identity = podIdentity(index, most);
      return { ...identity, uid: uids.get(`${identity.namespace}/${identity.name}`) ?? "" };
    });
  }

  async #run(work: WorkerRequest["work"], { size, changes }: { size: number; changes: number }): Promise<Measured> {
    const { plane, layout, node, most, signal } = this.#parts;
    const request: WorkerRequest = {
      ...{ work, kubeconfig: plane.kubeconfig, netns: node.netns, backend: this.#backend },
      ...{ size, there: this.#size, most, changes },
    };
    const script = join(import.meta.dirname, "worker.ts");
    const argv = [`--net=/run/netns/${layout.control}`, "--", process.execPath, script, JSON.stringify(request)];
    const child = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"], signal });
    const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, "close")]);
    if (exitCode !== 0) throw new Error(`Cannot do the ${work}: what does it ended with exit code ${exitCode}`);
    return JSON.parse(output) as Measured;
  }
}
