/** Every way in which a node's BIRD and its agent end and come back. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeLayout } from "../../lab/layout.ts";
import { daemonProcesses, inNode, killDaemon, releaseDaemon } from "../../lab/node.ts";
import { isAlive, type ProcessIdentity } from "../../lab/processes.ts";
import { waitFor } from "../../lab/wait.ts";
import { birdOf } from "./bgp-settled.ts";
import type { BgpStage } from "./bgp-stage.ts";
import { oneOf, type Random } from "./restarts/random.ts";

/** A way to restart something of a node. */
export interface Way {
  readonly name: string;
  /** What is another one afterwards. */
  readonly ends: readonly ("agent" | "bird")[];
  readonly begin: (stage: BgpStage, node: NodeLayout) => Promise<void>;
}

/** A node's, to be restarted that way. */
export type Restart = readonly [NodeLayout, Way];

/** `kill -9` of all processes of the container, and what kubelet does; of BIRD, of the agent, of both at the same moment. */
export const ways = {
  killBird: way("kill -9 of BIRD", ["bird"], (stage, node) => killDaemon(stage.lab.layout, node, "bird")),
  killAgent: way("kill -9 of the agent", ["agent"], (stage, node) => killDaemon(stage.lab.layout, node, "agent")),
  killBoth: way("kill -9 of both", ["agent", "bird"], async ({ lab }, node) => {
    await Promise.all((["agent", "bird"] as const).map((daemon) => killDaemon(lab.layout, node, daemon)));
  }),
  gracefulRestart: way("graceful restart on BIRD's socket", ["bird"], preStop),
  kubeletBird: way("kubelet's steps on BIRD", ["bird"], (stage, node) => kubelet(stage, node, "bird", preStop)),
  kubeletBirdPlain: way("kubelet's steps on BIRD, no preStop", ["bird"], (stage, node) => kubelet(stage, node, "bird")),
  kubeletAgent: way("kubelet's steps on the agent", ["agent"], (stage, node) => kubelet(stage, node, "agent")),
  kubeletBoth: way("kubelet's steps on both", ["agent", "bird"], async (stage, node) => {
    await Promise.all([kubelet(stage, node, "agent"), kubelet(stage, node, "bird", preStop)]);
  }),
} as const satisfies Readonly<Record<string, Way>>;

/**
 * Restarts all of these at the same moment. A BIRD that has just been restarted, by its agent, is not killed before it has told its
 * routes again: where it has a session already, its neighbour would drop those that it has not told (RFC 4724, section 4.2). Resolves when each of them is another one. */
export async function restartAll(stage: BgpStage, restarts: readonly Restart[]): Promise<void> {
  await Promise.all(restarts.map(([node, { ends }]) => (ends.includes("bird") ? hasTold(stage, node) : undefined)));
  const before = await Promise.all(restarts.map(([node]) => livesOf(stage, node)));
  await Promise.all(restarts.map(([node, { begin }]) => begin(stage, node)));
  for (const [index, [node, { name, ends }]] of restarts.entries()) {
    await waitFor(`what ${name} on ${node.name} leads to`, { timeoutMs: 60_000, everyMs: 100 }, async () => {
      const now = await livesOf(stage, node);
      return ends.every((which) => now[which] !== undefined && now[which] !== before[index]?.[which]) || undefined;
    });
  }
  // Neighbours see a session's end a moment later; until then all would look settled.
  await sleep(1_000);
}

/** A subset of the nodes, at least one, each with a way of its own. */
export function randomRestarts({ lab }: Pick<BgpStage, "lab">, random: Random): readonly Restart[] {
  const chosen = lab.layout.nodes.filter(() => random() < 0.5);
  const nodes = chosen.length > 0 ? chosen : [oneOf(lab.layout.nodes, random)];
  return nodes.map((node) => [node, oneOf(Object.values<Way>(ways), random)]);
}

/** A line for a person. */
export function formatRestarts(restarts: readonly Restart[]): string {
  return restarts.map(([node, { name }]) => `${name} of ${node.name}`).join(", ");
}

// --- internal ---

function way(name: string, ends: Way["ends"], begin: Way["begin"]): Way {
  return { name, ends, begin };
}

/** The shorter of the times that a container gets to end by itself. */
const graceMs = 3_000;

const birdLeave = join(import.meta.dirname, "../../lab/bird-leave.sh");

async function preStop({ lab }: BgpStage, node: NodeLayout): Promise<void> {
  await inNode(lab.layout, node, [birdLeave]);
}

/** The preStop command, whatever comes of it; SIGTERM to the first process; a while; SIGKILL; and only then a start. */
async function kubelet(
  stage: BgpStage,
  node: NodeLayout,
  daemon: "agent" | "bird",
  before: Way["begin"] = async () => undefined,
): Promise<void> {
  const { layout } = stage.lab;
  const first = firstOf(daemonProcesses(layout, node, daemon));
  await writeFile(join(node.folder, "daemons", `${daemon}.stopped`), "");
  try {
    await before(stage, node).catch(() => undefined);
    if (first !== undefined && isAlive(first)) process.kill(first.pid, "SIGTERM");
    const end = performance.now() + graceMs;
    while (first !== undefined && isAlive(first) && performance.now() < end) await sleep(50);
    await killDaemon(layout, node, daemon, "down");
  } finally {
    await releaseDaemon(node, daemon);
  }
}

async function hasTold(stage: BgpStage, node: NodeLayout): Promise<void> {
  await waitFor(`BIRD of ${node.name} to recover`, { timeoutMs: 60_000, everyMs: 50 }, async () => {
    const { isRecovering, sessions } = await birdOf(stage, node);
    const isHeard = sessions.some(({ state }) => state === "Established");
    return !(isRecovering && isHeard) || undefined;
  });
}

/** What tells one BIRD, and one agent, from the next; undefined while there is none. */
async function livesOf(
  stage: BgpStage,
  node: NodeLayout,
): Promise<{ readonly agent: string | undefined; readonly bird: string | undefined }> {
  const agent = firstOf(daemonProcesses(stage.lab.layout, node, "agent"));
  const bird = await birdOf(stage, node).catch(() => undefined);
  return { agent: agent && `${agent.pid} ${agent.startTicks}`, bird: bird?.lastReboot };
}

/** The process that all others of them come from. */
function firstOf(all: readonly ProcessIdentity[]): ProcessIdentity | undefined {
  return [...all].sort((a, b) => Number(a.startTicks) - Number(b.startTicks) || a.pid - b.pid)[0];
}
