import { setTimeout as sleep } from "node:timers/promises";
import { policyReadyAnnotation } from "../../src/agent/pod-annotations.ts";
import { type CallCount, callsBetween, countOf } from "../api-calls.ts";
import { cpuTimeOf } from "../cpu-time.ts";
import { requireDistinct } from "../distinct.ts";
import type { Figures } from "../report.ts";
import type { Executed } from "../run-executions.ts";
import { quantile } from "../statistics.ts";
import { podName, podNamespace } from "./objects.ts";
import type { CniRig, WiredNode } from "./rig.ts";

/** How many at once, and how many in all. */
export interface Level {
  readonly concurrency: number;
  readonly count: number;
}

/** One level of one round: its number is in the containers' names, since no container comes again. */
export interface LevelRun extends Level {
  readonly round: number;
  readonly signal: AbortSignal;
}

/**
 * Ours, the reference chain and the floor, ADDs and then DELs of each; in odd rounds ours is last. Throws when an address
 * is given twice. Names of figures carry no concurrency.
 */
export async function runLevel(rig: CniRig, run: LevelRun): Promise<Figures> {
  const measures = [() => oursFigures(rig, run), () => ptpFigures(rig, run), () => floorFigures(rig, run)];
  const found: Figures[] = [];
  for (const measure of run.round % 2 === 0 ? measures : measures.toReversed()) found.push(await measure());
  const figures: Record<string, number> = Object.assign({}, ...found);
  const ratio = (ours: string, theirs: string) => (figures[ours] ?? Number.NaN) / (figures[theirs] ?? Number.NaN);
  return {
    ...figures,
    add_p50_vs_ptp: ratio("add_p50_ms", "ptp_add_p50_ms"),
    add_total_vs_ptp: ratio("add_total_ms", "ptp_add_total_ms"),
    add_p50_vs_floor: ratio("add_p50_ms", "floor_p50_ms"),
    del_p50_vs_ptp: ratio("del_p50_ms", "ptp_del_p50_ms"),
  };
}

// --- internal ---

/** What is left to do after an answer, such as a Pod's status, belongs to the ADD: this long it may take to begin. */
const settleMs = 300;

/** What is asked for without pods: our reading of the metrics, and what the API server and the agent renew from time to time. */
const notForPods = ["", "leases", "endpoints", "endpointslices"];

async function oursFigures(rig: CniRig, run: LevelRun): Promise<Figures> {
  const callsBefore = await settledCalls(rig, run.signal);
  const before = await cpuTimes(rig);
  const added = await execute(rig.ours, "add", run);
  await sleep(settleMs);
  const after = await cpuTimes(rig);
  const calls = callsBetween(callsBefore, await settledCalls(rig, run.signal));
  requireAddresses(added, run.count);
  const policy = await policyFigures(rig, run.count);
  const deleted = await execute(rig.ours, "del", run);
  return {
    ...addFigures("", added, deleted),
    ...policy,
    api_calls_per_add: countOf(calls, isOfAgent) / run.count,
    ...perResource(calls, run.count),
    executions_cpu_ms_per_add: added.cpuMs / run.count,
    agent_cpu_ms_per_add: (after.agent - before.agent) / run.count,
    api_server_cpu_ms_per_add: (after.apiServer - before.apiServer) / run.count,
    etcd_cpu_ms_per_add: (after.etcd - before.etcd) / run.count,
  };
}

async function ptpFigures(rig: CniRig, run: LevelRun): Promise<Figures> {
  const added = await execute(rig.ptp, "add", run);
  requireAddresses(added, run.count);
  const deleted = await execute(rig.ptp, "del", run);
  return { ...addFigures("ptp_", added, deleted), ptp_cpu_ms_per_add: added.cpuMs / run.count };
}

async function floorFigures(rig: CniRig, run: LevelRun): Promise<Figures> {
  const added = await execute(rig.floor, "add", run);
  await execute(rig.floor, "del", run);
  return { floor_p50_ms: quantile(added.tookMs, 0.5), floor_total_ms: totalMs(added) };
}

function execute({ node, chain }: WiredNode, verb: "add" | "del", run: LevelRun): Promise<Executed> {
  const container = (index: number) => `bench-${run.round}-${run.concurrency}-${index}`;
  const tasks = Array.from({ length: run.count }, (_, index) => chain[verb](index, container(index)));
  return node.execute(tasks, run.concurrency, run.signal);
}

function addFigures(prefix: string, added: Executed, deleted: Executed): Figures {
  const named = {
    add_p50_ms: quantile(added.tookMs, 0.5),
    add_p99_ms: quantile(added.tookMs, 0.99),
    add_total_ms: totalMs(added),
    del_p50_ms: quantile(deleted.tookMs, 0.5),
    del_p99_ms: quantile(deleted.tookMs, 0.99),
    del_total_ms: totalMs(deleted),
  };
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [`${prefix}${name}`, value]));
}

function totalMs({ answers, perSecond }: Executed): number {
  return (answers.length * 1000) / perSecond;
}

function requireAddresses({ answers }: Executed, count: number): void {
  const results = answers.map((text) => JSON.parse(text) as { readonly ips?: readonly { readonly address: string }[] });
  requireDistinct(
    results.flatMap(({ ips = [] }) => ips.map(({ address }) => address)),
    count,
  );
}

/** Watches are open before the first ADD. */
function isOfAgent({ resource, verb }: CallCount): boolean {
  return !["WATCH", "CONNECT"].includes(verb) && !notForPods.includes(resource);
}

function perResource(calls: readonly CallCount[], count: number): Figures {
  const resources = new Set(calls.filter(isOfAgent).map(({ resource }) => resource));
  const figures = [...resources].map((resource) => {
    const own = countOf(calls, (call) => isOfAgent(call) && call.resource === resource);
    return [`api_calls_${resource}_per_add`, own / count] as const;
  });
  return Object.fromEntries(figures);
}

/** Reads until nothing is added. */
async function settledCalls(rig: CniRig, signal: AbortSignal): Promise<readonly CallCount[]> {
  for (let last = await rig.apiCalls(); ; ) {
    await sleep(settleMs, undefined, { signal });
    const next = await rig.apiCalls();
    if (countOf(callsBetween(last, next), isOfAgent) === 0) return next;
    last = next;
  }
}

/** How long ADDs of the first `count` pods waited for the kernel to hold their policy, as the agent tells in their annotation. */
async function policyFigures({ kubectl }: CniRig, count: number): Promise<Figures> {
  const list = JSON.parse(await kubectl(["get", "pods", `--namespace=${podNamespace}`, "--output=json"])) as {
    readonly items: readonly {
      readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
    }[];
  };
  // The others may still tell of a level that had more pods.
  const names = new Set(Array.from({ length: count }, (_, index) => podName(index)));
  const added = list.items.filter(({ metadata }) => names.has(metadata.name));
  const told = added.flatMap(({ metadata: { annotations } }) => annotations?.[policyReadyAnnotation] ?? []);
  if (told.length === 0) return {};
  return { policy_p50_ms: quantile(told.map(Number), 0.5), policy_p99_ms: quantile(told.map(Number), 0.99) };
}

/** In milliseconds; the agent's with the programs that it ran. */
async function cpuTimes({ pids }: CniRig): Promise<Readonly<Record<"agent" | "apiServer" | "etcd", number>>> {
  const [agent, apiServer, etcd] = await Promise.all([pids.agent, pids.apiServer, pids.etcd].map(cpuTimeOf));
  return {
    agent: (agent?.own ?? Number.NaN) + (agent?.children ?? Number.NaN),
    apiServer: apiServer?.own ?? Number.NaN,
    etcd: etcd?.own ?? Number.NaN,
  };
}
