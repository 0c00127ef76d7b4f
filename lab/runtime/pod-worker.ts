/** Brings one pod from what it is to what it should be; one step at a time, again and again until that holds. */
import { setTimeout as sleep } from "node:timers/promises";
import { type KubeClient, KubeError } from "../../src/kube/client.ts";
import { type PodObject, runningStatus, waitingStatus } from "./pod-object.ts";
import { createSandbox, destroySandbox, type Sandbox, type SandboxPaths, stands } from "./sandboxes.ts";

export interface WorkerParts {
  readonly client: KubeClient;
  readonly nodeName: string;
  readonly hostIp: string;
  readonly paths: SandboxPaths;
  readonly log: (line: string) => void;
}

const firstRetryMs = 500;
const lastRetryMs = 15_000;

/** One pod, by its UID: a pod of the same name made anew has a worker of its own. */
export class PodWorker {
  readonly #parts: WorkerParts;
  /** Made for this pod and not yet undone: more than one only when an earlier one could not be undone. */
  #sandboxes: readonly Sandbox[];
  #wanted: PodObject | undefined;
  #version = 0;
  #running: Promise<void> | undefined;
  #wake = new AbortController();

  constructor(parts: WorkerParts, left: readonly Sandbox[]) {
    this.#parts = parts;
    this.#sandboxes = left;
  }

  /** The pod as it is now on the API server; undefined when it is gone. */
  update(pod: PodObject | undefined): void {
    this.#wanted = pod;
    this.#version++;
    this.#wake.abort();
    this.#running ??= this.#run();
  }

  get idle(): boolean {
    return this.#running === undefined && this.#wanted === undefined && this.#sandboxes.length === 0;
  }

  async #run(): Promise<void> {
    let retryMs = firstRetryMs;
    for (let done = -1; done !== this.#version; ) {
      const version = this.#version;
      this.#wake = new AbortController();
      try {
        await this.#step(this.#wanted);
        done = version;
        retryMs = firstRetryMs;
      } catch (error) {
        this.#parts.log((error as Error).message);
        await this.#tell(this.#wanted, error as Error);
        // An update ends the wait early, but never so early that a failing pod spins.
        await sleep(firstRetryMs);
        await sleep(retryMs - firstRetryMs, undefined, { signal: this.#wake.signal }).catch(() => undefined);
        retryMs = Math.min(retryMs * 2, lastRetryMs);
      }
    }
    this.#running = undefined;
  }

  async #step(pod: PodObject | undefined): Promise<void> {
    const ended = pod?.status?.phase === "Succeeded" || pod?.status?.phase === "Failed";
    if (pod === undefined || ended || pod.metadata.deletionTimestamp !== undefined) return this.#end(pod);
    const good = this.#sandboxes.find(stands);
    await this.#destroy(this.#sandboxes.filter((one) => one !== good));
    if (good !== undefined && pod.status?.phase === "Running") return;
    const sandbox = good ?? (await createSandbox(pod, this.#parts.hostIp, this.#parts.paths));
    this.#sandboxes = [sandbox];
    const { containerId, ips } = sandbox;
    await this.#report(pod, runningStatus(pod, { containerId, ips, hostIp: this.#parts.hostIp, now: now() }));
    this.#parts.log(`${pod.metadata.namespace}/${pod.metadata.name} runs with ${ips.join(", ")}`);
  }

  async #end(pod: PodObject | undefined): Promise<void> {
    await this.#destroy(this.#sandboxes);
    if (pod?.metadata.deletionTimestamp === undefined) return;
    const { uid } = pod.metadata;
    const body = { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0, preconditions: { uid } };
    await ignoreGone(this.#parts.client.request("DELETE", pathOf(pod), { body }));
    this.#parts.log(`${pod.metadata.namespace}/${pod.metadata.name} is gone`);
  }

  async #destroy(sandboxes: readonly Sandbox[]): Promise<void> {
    for (const sandbox of sandboxes) {
      await destroySandbox(sandbox, this.#parts.paths);
      this.#sandboxes = this.#sandboxes.filter((one) => one !== sandbox);
    }
  }

  /** On the pod's status and as an Event. When that fails too, the log has both. */
  async #tell(pod: PodObject | undefined, error: Error): Promise<void> {
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return;
    const { hostIp, client, nodeName, log } = this.#parts;
    try {
      if (pod.status?.phase !== "Running") {
        await this.#report(pod, waitingStatus(pod, { reason: error.message, hostIp, now: now() }));
      }
      const body = eventOf(pod, nodeName, error.message);
      await client.request("POST", `/api/v1/namespaces/${pod.metadata.namespace}/events`, { body });
    } catch (second) {
      log((second as Error).message);
    }
  }

  async #report(pod: PodObject, status: unknown): Promise<void> {
    const { uid } = pod.metadata;
    const body = { metadata: { uid }, status };
    await ignoreGone(this.#parts.client.patch(`${pathOf(pod)}/status`, body, { type: "merge" }));
  }
}

// --- internal ---

function now(): string {
  return new Date().toISOString();
}

function pathOf({ metadata: { namespace, name } }: PodObject): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

/** The pod went, or another of its name came, in the meantime: its own event tells the rest. */
async function ignoreGone(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof KubeError && (error.reason === "NotFound" || error.reason === "Conflict"))) throw error;
  }
}

function eventOf({ metadata: { namespace, name, uid } }: PodObject, host: string, message: string) {
  const time = now();
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { generateName: `${name}.`.slice(0, 200), namespace },
    involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name, uid },
    reason: "FailedCreatePodSandBox",
    message: message.slice(0, 1000),
    type: "Warning",
    source: { component: "lab-runtime", host },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
}
