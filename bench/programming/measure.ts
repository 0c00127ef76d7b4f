import { setTimeout as sleep } from "node:timers/promises";
import type { KubeClient } from "../../src/kube/client.ts";
import { drive } from "../load.ts";
import { podsPath, policiesPath } from "./fill.ts";
import { edited, editedPolicy, flipped, localPods, podIdentity } from "./objects.ts";
import { RuleProbe, SetProbe } from "./probes.ts";
import type { WorkerRequest } from "./worker.ts";

/** By name: how long each took, in milliseconds. */
export type Measured = Readonly<Record<string, readonly number[]>>;

/** How long after one change the next one comes: the agent is at rest again. */
const pauseMs = 25;

/** From just before a NetworkPolicy is written until its rule is in the kernel, and until another watcher has heard of it. */
export async function measurePolicies(client: KubeClient, { netns, changes }: WorkerRequest): Promise<Measured> {
  await using probe = new RuleProbe(netns);
  using watcher = new Watcher(client, policiesPath(edited.namespace));
  const policy: number[] = [];
  const heard: number[] = [];
  for (let index = 0; index < changes; index++) {
    await sleep(pauseMs);
    const begun = performance.now();
    const inKernel = probe.next();
    const isHeard = watcher.next();
    await writePolicy(client, 10_000 + index);
    policy.push((await inKernel) - begun);
    heard.push((await isHeard) - begun);
  }
  return { policy, heard };
}

/** From just before a pod's label is written until its address is in the set that selects by it, or no more. */
export async function measureLabels(client: KubeClient, { netns, changes, backend }: WorkerRequest): Promise<Measured> {
  const probe = await SetProbe.find(netns, backend, flipped.address, (isOn) => flip(client, isOn));
  const label: number[] = [];
  for (let index = 0; index < changes; index++) {
    await sleep(pauseMs);
    const isOn = index % 2 === 0;
    const begun = performance.now();
    const inKernel = probe.until(isOn);
    await flip(client, isOn);
    label.push((await inKernel) - begun);
  }
  probe[Symbol.dispose]();
  return { label };
}

/** As `measurePolicies`, while a hundred pods a second change a label that policies select by. */
export async function measureChurn(client: KubeClient, request: WorkerRequest): Promise<Measured> {
  const { size, most, netns } = request;
  await using probe = new RuleProbe(netns);
  const ended = new AbortController();
  const churn = churnPods(client, { size, most }, ended.signal);
  const policy: number[] = [];
  const until = performance.now() + churnMs;
  for (let index = 0; performance.now() < until; index++) {
    await sleep(100);
    const begun = performance.now();
    const inKernel = probe.next();
    await writePolicy(client, 20_000 + index);
    policy.push((await inKernel) - begun);
  }
  ended.abort();
  return { policy, changed: [await churn], tookMs: [churnMs] };
}

// --- internal ---

const churnMs = 20_000;
const churnPerSecond = 100;

function writePolicy(client: KubeClient, port: number): Promise<unknown> {
  return client.request("PUT", `${policiesPath(edited.namespace)}/${edited.name}`, { body: editedPolicy(port) });
}

function flip(client: KubeClient, isOn: boolean): Promise<unknown> {
  return patchLabels(client, flipped, { flip: isOn ? "on" : "off" });
}

function patchLabels(client: KubeClient, pod: { namespace: string; name: string }, labels: object): Promise<unknown> {
  return client.patch(`${podsPath(pod.namespace)}/${pod.name}`, { metadata: { labels } }, { type: "merge" });
}

/** Answers how many were changed. */
async function churnPods(
  client: KubeClient,
  { size, most }: Pick<WorkerRequest, "size" | "most">,
  signal: AbortSignal,
): Promise<number> {
  const begun = performance.now();
  let count = 0;
  while (!signal.aborted) {
    const due = Math.floor(((performance.now() - begun) * churnPerSecond) / 1000) - count;
    await drive({ count: Math.max(0, due), concurrency: 10, signal: new AbortController().signal }, () => {
      const index = count++;
      const pod = podIdentity(localPods + (index % Math.max(1, size - localPods)), most);
      return patchLabels(client, pod, {
        tier: Math.floor(index / Math.max(1, size - localPods)) % 2 === index % 2 ? "back" : "front",
      });
    });
    await sleep(10);
  }
  return count;
}

/** Hears of what another watcher of the API server hears, and when. */
class Watcher {
  readonly #ended = new AbortController();
  #waiting: ((at: number) => void) | undefined;

  constructor(client: KubeClient, path: string) {
    void this.#follow(client, path);
  }

  next(): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  async #follow(client: KubeClient, path: string): Promise<void> {
    try {
      for await (const _events of client.stream(path, { query: { watch: true }, signal: this.#ended.signal })) {
        this.#waiting?.(performance.now());
      }
    } catch (error) {
      if (!this.#ended.signal.aborted) throw error;
    }
  }
}
