/** When a lab's BGP has come to rest, by what every node's agent, every BIRD and every Node says. */
import { type NodeLayout, podCidr } from "../../lab/layout.ts";
import { inNode, nodePath } from "../../lab/node.ts";
import { waitFor } from "../../lab/wait.ts";
import type { BgpAnswer } from "../../src/api/bgp-query.ts";
import { birdSocketPath } from "../../src/bgp/bird/bird-socket-path.ts";
import { type BirdStatus, readBirdStatus } from "../../src/bgp/bird/read-bird-status.ts";
import { parseProgress, settledAnnotation } from "../../src/bgp/plan/transition-progress.ts";
import { askNodeBgp } from "../../src/cli/node-bgp.ts";
import type { BgpStage } from "./bgp-stage.ts";

/** The addresses that each node is to have sessions with, by its name. */
export type Neighbours = ReadonlyMap<string, readonly string[]>;

/**
 * Resolves when on every node BIRD's sessions are exactly these and all established, it waits for nobody's routes, and its agent is
 * configured and says that nothing is pending; and no Node says that it keeps a session. Rejects with what is missing.
 */
export async function settled(stage: BgpStage, wanted: Neighbours): Promise<void> {
  await waitFor("that BGP has settled", { timeoutMs: 120_000, everyMs: 300 }, async () => {
    for (const node of stage.lab.layout.nodes) {
      checkBird(node, await birdOf(stage, node), wanted.get(node.name) ?? []);
      checkAgent(node, await askNodeBgp(stage.client, node.name));
    }
    await checkNodes(stage);
    return true;
  });
}

/** What the node's BIRD says. Rejects with a BirdError when it does not run. */
export function birdOf({ lab }: Pick<BgpStage, "lab">, node: NodeLayout): Promise<BirdStatus> {
  return readBirdStatus(nodePath(lab.layout, node, birdSocketPath));
}

/** The routes to pods that each node's kernel has of BIRD, by its name: one line each. */
export async function podRoutes({ lab }: Pick<BgpStage, "lab">): Promise<ReadonlyMap<string, readonly string[]>> {
  const argv = ["ip", "route", "show", "root", podCidr, "proto", "bird", "type", "unicast"];
  const entries = lab.layout.nodes.map(async (node) => {
    const lines = (await inNode(lab.layout, node, argv)).split("\n").map((line) => line.trim());
    return [node.name, lines.filter(Boolean).sort()] as const;
  });
  return new Map(await Promise.all(entries));
}

// --- internal ---

function checkBird({ name }: NodeLayout, { sessions, isRecovering }: BirdStatus, wanted: readonly string[]): void {
  const down = sessions.filter(({ state }) => state !== "Established").map(({ neighbor }) => neighbor);
  if (isRecovering) throw new Error(`BIRD of ${name} waits for its neighbours' routes`);
  if (down.length > 0) throw new Error(`${name} has no session with ${down.join(", ")}`);
  const there = sessions.map(({ neighbor }) => neighbor).sort();
  if (there.join() !== [...wanted].sort().join()) {
    throw new Error(`${name} has sessions with ${there.join(", ")}, and not with ${wanted.join(", ")}`);
  }
}

function checkAgent({ name }: NodeLayout, { pending, sessions }: BgpAnswer): void {
  if (pending.length > 0) throw new Error(`${name}: ${pending.join("; ")}`);
  if (sessions.some(({ neighborAs }) => neighborAs === undefined))
    throw new Error(`the agent of ${name} has just begun`);
}

async function checkNodes({ client }: BgpStage): Promise<void> {
  interface Nodes {
    readonly items: readonly { readonly metadata: Metadata }[];
  }
  interface Metadata {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  }
  const { items } = await client.request<Nodes>("GET", "/api/v1/nodes");
  const keeping = items.filter(
    ({ metadata }) => parseProgress(metadata.annotations?.[settledAnnotation] ?? undefined).keeps,
  );
  if (keeping.length > 0)
    throw new Error(`${keeping.map(({ metadata }) => metadata.name)} say that they keep sessions`);
}
