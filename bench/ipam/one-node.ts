import { apiVersionOf, ipamHandleKind, resourcePath } from "../../src/api/kinds.ts";
import type { Node } from "../../src/api/objects.ts";
import type { Allocator } from "../../src/ipam/allocator.ts";
import { handleName } from "../../src/ipam/object-names.ts";
import { countOf, isWrite } from "../api-calls.ts";
import { cpuTimeOf, machineBusyMs } from "../cpu-time.ts";
import { requireDistinct } from "../distinct.ts";
import { drive } from "../load.ts";
import type { Figures } from "../report.ts";
import { quantile } from "../statistics.ts";
import { addressIn, type ExecutionLoad, type Executions } from "./executions.ts";
import { requestOf } from "./node-allocator.ts";
import type { Rig } from "./rig.ts";

/** How many at once, and how many in all. */
export interface Level {
  readonly concurrency: number;
  readonly count: number;
}

/** A node's agent, and who executes `calico-ipam` on it. */
export interface Executing {
  readonly rig: Rig;
  readonly executions: Executions;
  readonly signal: AbortSignal;
}

/** What one round measures with. */
export interface OneNode extends Executing {
  /** Not the executions' node, so that the two do not write to the same blocks. */
  readonly node: Node;
  readonly allocator: Allocator;
}

/** All at one level, one after the other; what was given is given back. Throws when an address is given twice. */
export async function oneNodeRound(parts: OneNode, level: Level): Promise<Figures> {
  const { concurrency } = level;
  const raw = await rawCreates(parts, level);
  const alone = await allocatorAlone(parts, level);
  const executed = await executeAll(parts, level);
  return {
    ...executed.figures,
    [`allocator_per_s_${concurrency}`]: alone,
    [`raw_create_per_s_${concurrency}`]: raw,
    [`allocator_vs_raw_create_${concurrency}`]: alone / raw,
    // What an allocation cannot do without, one after the other: an execution, and the create of its handle.
    [`alloc_vs_floor_${concurrency}`]: executed.perSecond * (1 / raw + 1 / executed.barePerSecond),
  };
}

/** A node that begins with this load: its agent knows nothing, and every block is still to be claimed. */
export async function freshNodeRound(parts: Executing, level: Level, container: string): Promise<Figures> {
  const load = { ...level, mainPlugin: "macvlan", signal: parts.signal } as const;
  const { figures } = await executedAdds(parts, load, container);
  const kept = ["alloc_per_s", "api_writes_per_pod", "block_writes_per_pod", "affinity_writes_per_pod"] as const;
  return Object.fromEntries(kept.map((name) => [`fresh_${name}_${level.concurrency}`, figures[name]]));
}

/** A main plugin for which a gateway is held in every block. What was given is given back. */
export async function gatewayRound({ executions, signal }: Executing, level: Level): Promise<Figures> {
  const load = { ...level, mainPlugin: "ptp", signal } as const;
  const container = `with-gateway-${level.concurrency}`;
  const { answers, perSecond } = await executions.run("ADD", container, load);
  requireDistinct(answers.map(addressIn), level.count);
  await executions.run("DEL", container, load);
  return { [`ptp_alloc_per_s_${level.concurrency}`]: perSecond };
}

// --- internal ---

interface Executed {
  readonly figures: Figures;
  readonly perSecond: number;
  readonly barePerSecond: number;
}

/** The least that an allocation can cost: the create of its handle. */
async function rawCreates({ rig, signal }: OneNode, level: Level): Promise<number> {
  const handleOf = (index: number) => `k8s-pod-network.raw-${level.concurrency}-${index}`;
  const nameOf = (index: number) => handleName(handleOf(index));
  const bodyOf = (index: number) => ({
    apiVersion: apiVersionOf(ipamHandleKind),
    kind: ipamHandleKind.kind,
    metadata: { name: nameOf(index) },
    spec: { handleID: handleOf(index), block: { "10.10.0.0/26": 1 }, deleted: false },
  });
  const { perSecond } = await drive({ ...level, signal }, (index) =>
    rig.client.request("POST", resourcePath(ipamHandleKind), { body: bodyOf(index) }),
  );
  await drive({ ...level, signal }, (index) =>
    rig.client.request("DELETE", resourcePath(ipamHandleKind, { name: nameOf(index) })),
  );
  return perSecond;
}

async function allocatorAlone({ node, allocator, signal }: OneNode, level: Level): Promise<number> {
  const request = (index: number) => requestOf(node, `alone-${level.concurrency}-${index}`);
  const load = await drive({ ...level, signal }, (index) => allocator.assign(request(index)));
  requireDistinct(
    load.answers.flat().map(({ ip }) => ip),
    level.count,
  );
  await drive({ ...level, signal }, (index) => allocator.release(request(index).handle, "DEL"));
  return load.perSecond;
}

async function executeAll(parts: OneNode, level: Level): Promise<Executed> {
  const { executions, signal } = parts;
  const container = `executed-${level.concurrency}`;
  const load = { ...level, mainPlugin: "macvlan", signal } as const;
  const bare = await executions.run("VERSION", container, load);
  const added = await executedAdds(parts, load, container);
  await executions.run("DEL", container, load);
  const named = Object.entries({ ...added.figures, bare_executions_per_s: bare.perSecond });
  const figures = Object.fromEntries(named.map(([name, value]) => [`${name}_${level.concurrency}`, value]));
  return { figures, perSecond: added.perSecond, barePerSecond: bare.perSecond };
}

/** The ADDs alone, with what they cost the API server and the CPUs. */
async function executedAdds({ rig, executions }: Executing, load: ExecutionLoad, container: string) {
  const { result, calls } = await rig.callsDuring(async () => {
    const before = await cpuTimes(rig, executions);
    const added = await executions.run("ADD", container, load);
    const after = await cpuTimes(rig, executions);
    return { added, spent: (name: keyof CpuTimes) => after[name] - before[name] };
  });
  const { added, spent } = result;
  const count = requireDistinct(added.answers.map(addressIn), load.count);
  const writesTo = (resource: string) => countOf(calls, (call) => isWrite(call) && call.resource === resource) / count;
  const ours = spent("agent") + spent("apiServer") + spent("etcd") + spent("executions");
  const figures = {
    alloc_per_s: added.perSecond,
    alloc_p50_ms: quantile(added.tookMs, 0.5),
    alloc_p99_ms: quantile(added.tookMs, 0.99),
    api_writes_per_pod: countOf(calls, isWrite) / count,
    api_reads_per_pod: countOf(calls, (call) => !isWrite(call)) / count,
    handle_writes_per_pod: writesTo("ipamhandles"),
    block_writes_per_pod: writesTo("ipamblocks"),
    affinity_writes_per_pod: writesTo("blockaffinities"),
    executions_cpu_ms_per_alloc: spent("executions") / count,
    agent_cpu_ms_per_alloc: spent("agent") / count,
    api_server_cpu_ms_per_alloc: spent("apiServer") / count,
    etcd_cpu_ms_per_alloc: spent("etcd") / count,
    // What others had meanwhile: the less of it, the more the figures without a floor say.
    other_cpus: (spent("machine") - ours) / spent("clock"),
  };
  return { figures, perSecond: added.perSecond };
}

type CpuTimes = Readonly<Record<"agent" | "apiServer" | "etcd" | "executions" | "machine" | "clock", number>>;

/** In milliseconds. */
async function cpuTimes(rig: Rig, { agentPid }: Executions): Promise<CpuTimes> {
  const [agent, apiServer, etcd, self, machine] = await Promise.all([
    cpuTimeOf(agentPid),
    cpuTimeOf(rig.pids.apiServer),
    cpuTimeOf(rig.pids.etcd),
    cpuTimeOf(process.pid),
    machineBusyMs(),
  ]);
  return {
    ...{ agent: agent.own, apiServer: apiServer.own, etcd: etcd.own },
    ...{ executions: self.own + self.children, machine, clock: performance.now() },
  };
}
