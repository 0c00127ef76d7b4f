/**
 * The container-runtime stand-in of one node, kubelet and runtime in one: it registers the node, and for each Pod bound to
 * it makes a network namespace, runs the CNI list, starts the pod's process and writes the Pod's status.
 *   node lab/runtime/main.ts CONFIG     CONFIG: JSON, see `RuntimeConfig`
 * It may be killed and started at any time: pods run on, and what it was doing is taken up again.
 */

import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { reflect } from "../../src/kube/reflector.ts";
import { readCniList } from "./cni-list.ts";
import { type NodeFacts, registerNode, renewLease, reportNode } from "./node-registration.ts";
import type { PodObject } from "./pod-object.ts";
import { PodWorker, type WorkerParts } from "./pod-worker.ts";
import { readSandboxes } from "./sandboxes.ts";

export interface RuntimeConfig {
  readonly node: NodeFacts;
  readonly kubeconfig: string;
  /** The node's folder. */
  readonly folder: string;
}

const heartbeatMs = 5_000;

const config = JSON.parse(process.argv[2] ?? "{}") as RuntimeConfig;
const paths = {
  state: "/var/lib/cni/lab",
  configuration: "/etc/cni/net.d",
  plugins: "/opt/cni/bin",
  sockets: "/run/margay-lab/pods",
  folder: config.folder,
};
const log = (line: string) => process.stdout.write(`${new Date().toISOString()} ${line}\n`);

mkdirSync(paths.sockets, { recursive: true });
const client = await connect({ kubeconfig: config.kubeconfig, clock: systemClock });
const parts = { client, nodeName: config.node.name, hostIp: config.node.address, paths, log };
await Promise.all([keepNode(client), runPods(parts)]);

async function keepNode(client: KubeClient): Promise<never> {
  let registered = false;
  for (let readiness: string | undefined = "unknown"; ; ) {
    try {
      if (!registered) await registerNode(client, config.node);
      registered = true;
      await renewLease(client, config.node);
      const now = await unreadiness();
      if (now !== readiness) await reportNode(client, config.node, now);
      readiness = now;
    } catch (error) {
      log((error as Error).message);
      registered = false;
      readiness = "unknown";
    }
    // Until it is ready it looks more often: pods wait for that.
    await sleep(readiness === undefined ? heartbeatMs : 300);
  }
}

/** Why the node cannot take pods yet. */
async function unreadiness(): Promise<string | undefined> {
  const list = await readCniList(paths.configuration).catch((error: Error) => error.message);
  if (typeof list === "string") return list;
  return list === undefined ? `no network configuration in ${paths.configuration}` : undefined;
}

async function runPods(parts: WorkerParts): Promise<void> {
  const workers = new Map<string, PodWorker>();
  const names = new Map<string, string>();
  for (const [uid, left] of Map.groupBy(await readSandboxes(paths.state), (one) => one.uid)) {
    workers.set(uid, new PodWorker(parts, left));
  }
  const tell = (uid: string, pod: PodObject | undefined) => {
    const worker = workers.get(uid) ?? new PodWorker(parts, []);
    workers.set(uid, worker);
    worker.update(pod);
    for (const [key, one] of workers) if (one.idle) workers.delete(key);
  };
  const options = { clock: systemClock, fieldSelector: `spec.nodeName=${parts.nodeName}` };
  const reflection = reflect(parts.client, "/api/v1/pods", options, {
    changed: (changes) => {
      for (const { namespace, name, object } of changes) {
        const key = `${namespace}/${name}`;
        const pod = object as PodObject | undefined;
        const earlier = names.get(key);
        if (earlier !== undefined && earlier !== pod?.metadata.uid) tell(earlier, undefined);
        if (pod === undefined) names.delete(key);
        else names.set(key, pod.metadata.uid);
        if (pod !== undefined) tell(pod.metadata.uid, pod);
      }
    },
    trouble: (error) => log((error as Error).message),
  });
  await reflection.synced;
  // Those whose pod went while nobody watched.
  const known = new Set(names.values());
  for (const uid of [...workers.keys()]) if (!known.has(uid)) tell(uid, undefined);
  log(`follows ${known.size} pods`);
}
