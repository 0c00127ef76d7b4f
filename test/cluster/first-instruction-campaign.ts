/** Many pods whose first instruction is forbidden, while their agent is paused, killed and slowed. */
import { enterNode, inNode } from "../../lab/node.ts";
import type { PodObject } from "../../lab/runtime/pod-object.ts";
import { waitFor } from "../../lab/wait.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { inParallel } from "../../src/net/in-parallel.ts";
import { AgentDisturber } from "./first-instruction-agent.ts";
import { liveOnce, type Newcomer, podName, writePluginConfig } from "./first-instruction-pod.ts";
import { freshPool, newcomerNamespaces, reusedPool, type Stage } from "./first-instruction-stage.ts";
import { Tally } from "./first-instruction-tally.ts";

export interface CampaignOptions {
  readonly pods: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Told of each pod that has come and gone. */
  readonly onPod?: (tally: Tally) => void;
}

/** Every how many pods one is the first of a block. */
const freshEvery = 20;

/** How many pools of one block each a campaign needs. */
export function freshPoolsFor(pods: number): number {
  return Math.ceil(pods / freshEvery);
}

/**
 * Leads so many pods through their lives, eight at a time, and gives what became of them. A sandbox whose ADD failed is deleted
 * and the pod tried again in a new one, as kubelet does. Rejects when a pod cannot be made or its end hangs.
 */
export async function firstInstructions(stage: Stage, options: CampaignOptions): Promise<Tally> {
  const { lab, home } = stage;
  const client = await connect({ kubeconfig: lab.kubeconfig, clock: systemClock });
  await writePluginConfig(stage);
  const context = { stage, client, options, tally: new Tally(stage), enter: enterNode(lab.layout, home) };
  const disturber = new AgentDisturber(lab, home, options.random);
  const over = new AbortController();
  // All of the first ones begin without an agent, for longer than an ADD waits for one.
  const disturbing = disturber.takeAway().then(() => disturber.disturb(over.signal));
  const numbers = Array.from({ length: options.pods }, (_, index) => index);
  try {
    await inParallel(numbers, atOnce, (index) => bringUp(context, newcomerOf(index, options.random)));
  } finally {
    over.abort();
    await disturbing;
    client.close();
  }
  await context.tally.read(stage, disturber.done);
  return context.tally;
}

/** All that a pod may leave behind: on the node, and of its addresses. One line each. */
export async function tracesOfPods({ lab, home }: Stage): Promise<readonly string[]> {
  const lines = async (mark: RegExp, ...argv: readonly string[]) =>
    (await inNode(lab.layout, home, argv)).split("\n").flatMap((line) => mark.exec(line)?.[0] ?? []);
  const kinds = await Promise.all([
    lines(/^cali\w+/, "ip", "-br", "link"),
    lines(/^.* dev cali\w+/, "ip", "route"),
    lines(/^:cali-(tw|fw)-\S+/, "iptables-save"),
    lines(/^[^/].*/, "ls", "/var/lib/margay/cni/attachments", "/var/lib/margay/cni/spool"),
    lines(/^first-.*/, "ls", "/run/netns"),
    lab.kubectl(["get", "ipamhandles", "--output=name"]).then((text) => text.split("\n")),
  ]);
  return kinds.flat().sort();
}

/** Waits until the traces are these and no others, and gives what they are at last. */
export async function settledTraces(stage: Stage, wanted: readonly string[]): Promise<readonly string[]> {
  return waitFor("the end of all traces", { timeoutMs: 60_000, everyMs: 500 }, async () => {
    const found = await tracesOfPods(stage);
    return found.join() === wanted.join() ? found : undefined;
  }).catch(() => tracesOfPods(stage));
}

// --- internal ---

const atOnce = 8;
const mostSandboxes = 60;

interface Context {
  readonly stage: Stage;
  readonly client: KubeClient;
  readonly options: CampaignOptions;
  readonly tally: Tally;
  readonly enter: readonly string[];
}

function newcomerOf(index: number, random: () => number): Newcomer {
  return {
    index,
    namespace: newcomerNamespaces[random() < 0.75 ? 0 : 1],
    role: random() < 0.6 ? "friend" : "stranger",
    isFirstOfBlock: index % freshEvery === freshEvery - 1,
    early: random() < 0.4,
    giveUpMs: random() < 0.1 ? 20 + random() * 400 : undefined,
    holdMs: 100 + random() * 900,
  };
}

async function bringUp({ stage, client, options, tally, enter }: Context, newcomer: Newcomer): Promise<void> {
  const path = `/api/v1/namespaces/${newcomer.namespace}/pods`;
  const { metadata } = await client.request<PodObject>("POST", path, { body: podObject(newcomer, stage.home.name) });
  for (let sandbox = 1; ; sandbox++) {
    // A runtime that has lost its patience once has more of it the next time.
    const asked = { ...newcomer, uid: metadata.uid, giveUpMs: sandbox === 1 ? newcomer.giveUpMs : undefined };
    const life = await liveOnce(stage, asked, enter);
    tally.add(asked, life);
    if (life.add.code === 0) break;
    if (sandbox === mostSandboxes) throw new Error(`Cannot add ${podName(newcomer)}: ${life.add.output}`);
  }
  await client.request("DELETE", `${path}/${podName(newcomer)}`, { query: { gracePeriodSeconds: 0 } });
  options.onPod?.(tally);
}

function podObject(newcomer: Newcomer, nodeName: string) {
  const { namespace, role, index, isFirstOfBlock } = newcomer;
  const pool = isFirstOfBlock ? freshPool(Math.floor(index / freshEvery)) : reusedPool;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...{ name: podName(newcomer), namespace, labels: { role } },
      annotations: { "cni.projectcalico.org/ipv4pools": JSON.stringify([pool]) },
    },
    // Nobody reports the node's readiness while its runtime is away.
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      tolerations: [{ operator: "Exists" }],
      containers: [{ name: "first", image: "lab/first" }],
    },
  };
}
