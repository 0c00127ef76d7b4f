import { apiVersionOf, ipamHandleKind, resourcePath } from "../../src/api/kinds.ts";
import type { Node } from "../../src/api/objects.ts";
import type { Allocator } from "../../src/ipam/allocator.ts";
import { handleName } from "../../src/ipam/object-names.ts";
import { drive } from "../load.ts";
import type { Figures } from "../report.ts";
import { quantile } from "../statistics.ts";
import { countOf, isWrite } from "./api-calls.ts";
import { cpuTimeMs } from "./cpu-time.ts";
import { requireDistinct } from "./distinct.ts";
import { addressIn, type Executions } from "./executions.ts";
import { requestOf } from "./node-allocator.ts";
import type { Rig } from "./rig.ts";

/** How many at once, and how many in all. */
export interface Level {
  readonly concurrency: number;
  readonly count: number;
}

/** What one round measures with. */
export interface OneNode {
  readonly rig: Rig;
  /** Two nodes, so that the two do not write to the same blocks. */
  readonly node: Node;
  readonly allocator: Allocator;
  readonly executions: Executions;
  readonly signal: AbortSignal;
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
  const { rig, executions } = parts;
  const { concurrency, count } = level;
  const container = `executed-${concurrency}`;
  const bare = await executions.run("VERSION", container, level);
  const { result, calls } = await rig.callsDuring(async () => {
    const before = await cpuTimes(parts);
    const load = await executions.run("ADD", container, level);
    return { load, before, after: await cpuTimes(parts) };
  });
  const { load, before, after } = result;
  requireDistinct(load.answers.map(addressIn), count);
  await executions.run("DEL", container, level);
  const writesTo = (resource: string) => countOf(calls, (call) => isWrite(call) && call.resource === resource) / count;
  const figures = {
    [`alloc_per_s_${concurrency}`]: load.perSecond,
    [`alloc_p50_ms_${concurrency}`]: quantile(load.tookMs, 0.5),
    [`alloc_p99_ms_${concurrency}`]: quantile(load.tookMs, 0.99),
    [`bare_executions_per_s_${concurrency}`]: bare.perSecond,
    [`api_writes_per_pod_${concurrency}`]: countOf(calls, isWrite) / count,
    [`api_reads_per_pod_${concurrency}`]: countOf(calls, (call) => !isWrite(call)) / count,
    [`handle_writes_per_pod_${concurrency}`]: writesTo("ipamhandles"),
    [`block_writes_per_pod_${concurrency}`]: writesTo("ipamblocks"),
    [`affinity_writes_per_pod_${concurrency}`]: writesTo("blockaffinities"),
    [`agent_cpu_ms_per_alloc_${concurrency}`]: (after.agent - before.agent) / count,
    [`api_server_cpu_ms_per_alloc_${concurrency}`]: (after.apiServer - before.apiServer) / count,
    [`etcd_cpu_ms_per_alloc_${concurrency}`]: (after.etcd - before.etcd) / count,
  };
  return { figures, perSecond: load.perSecond, barePerSecond: bare.perSecond };
}

async function cpuTimes({ rig, executions }: OneNode) {
  const { etcd, apiServer } = rig.pids;
  const [agentMs, apiServerMs, etcdMs] = await Promise.all([executions.agentPid, apiServer, etcd].map(cpuTimeMs));
  return { agent: agentMs ?? Number.NaN, apiServer: apiServerMs ?? Number.NaN, etcd: etcdMs ?? Number.NaN };
}
