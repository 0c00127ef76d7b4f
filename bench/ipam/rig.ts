import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { type IpPool, parseIpPool } from "../../src/api/ip-pool.ts";
import {
  apiVersionOf,
  blockAffinityKind,
  ipamBlockKind,
  ipamHandleKind,
  ipPoolKind,
  nodeKind,
  resourcePath,
} from "../../src/api/kinds.ts";
import { parseNode } from "../../src/api/kubernetes/node.ts";
import type { NodeName } from "../../src/api/names.ts";
import type { Node } from "../../src/api/objects.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { type CallCount, callsBetween, parseCallCounts } from "../api-calls.ts";

/** A real API server with nothing on it but IPAM's kinds. Disposing of it ends the server and removes every trace. */
export interface Rig extends AsyncDisposable {
  /** Free for whoever needs files; goes with the rig. */
  readonly folder: string;
  readonly kubeconfig: string;
  readonly client: KubeClient;
  readonly pids: { readonly etcd: number; readonly apiServer: number };
  /** Removes every pool, block, affinity and handle, then makes this one pool. */
  startOver(cidr: string, blockSize: number): Promise<IpPool>;
  addNode(name: string): Promise<Node>;
  /** What the API server counted of calls for Calico's kinds while `act` ran. */
  callsDuring<T>(act: () => Promise<T>): Promise<{ readonly result: T; readonly calls: readonly CallCount[] }>;
}

/** Rejects, with nothing left running, when the API server cannot be started or `signal` aborts. */
export async function startRig(signal: AbortSignal): Promise<Rig> {
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "margay-bench-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  undo.defer(() => plane.stop());
  signal.throwIfAborted();
  await plane.kubectl(["apply", `--filename=${crds}`]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  const client = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
  undo.defer(() => client.close());
  signal.throwIfAborted();
  const kept = undo.move();
  return {
    folder,
    kubeconfig: plane.kubeconfig,
    client,
    pids: pidsOf(plane),
    startOver: (cidr, blockSize) => startOver(client, cidr, blockSize),
    addNode: (name) => addNode(client, name as NodeName),
    callsDuring: (act) => callsDuring(plane, act),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

// --- internal ---

const crds = join(import.meta.dirname, "../../crds");

function pidsOf({ pids: [etcd, apiServer] }: ControlPlane): Rig["pids"] {
  if (etcd === undefined || apiServer === undefined) throw new Error("Cannot find the processes of the control plane");
  return { etcd, apiServer };
}

async function startOver(client: KubeClient, cidr: string, blockSize: number): Promise<IpPool> {
  for (const kind of [ipPoolKind, blockAffinityKind, ipamBlockKind, ipamHandleKind]) {
    await client.request("DELETE", resourcePath(kind));
  }
  const body = {
    apiVersion: apiVersionOf(ipPoolKind),
    kind: ipPoolKind.kind,
    metadata: { name: "bench" },
    spec: { cidr, blockSize },
  };
  return parseIpPool(await client.request("POST", resourcePath(ipPoolKind), { body }));
}

async function addNode(client: KubeClient, name: NodeName): Promise<Node> {
  const body = { apiVersion: apiVersionOf(nodeKind), kind: nodeKind.kind, metadata: { name } };
  return parseNode(await client.request("POST", resourcePath(nodeKind), { body }));
}

async function callsDuring<T>(plane: ControlPlane, act: () => Promise<T>) {
  const read = async () => parseCallCounts(await plane.kubectl(["get", "--raw=/metrics"]));
  const before = await read();
  const result = await act();
  return { result, calls: callsBetween(before, await read()) };
}
