import { parseNode } from "../api/kubernetes/node.ts";
import {
  type DrainStatus,
  drainAnnotation,
  drainStatusAnnotation,
  formatDrainRequest,
  parseDrainStatus,
} from "../bgp/plan/drain.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Clock } from "../net/clock.ts";

export interface DrainNodeParts {
  readonly client: KubeClient;
  readonly node: string;
  /** Takes one line for a person. */
  readonly print: (line: string) => void;
  readonly clock: Pick<Clock, "now" | "sleep">;
}

/**
 * Asks a node's agent to drain the node's network, and with `follow` tells what it does until its Services are withdrawn.
 * Rejects when it has not done so a minute after the wait; the request stays.
 */
export async function drainNode(
  parts: DrainNodeParts,
  { waitS, follow }: { readonly waitS: number; readonly follow: boolean },
): Promise<void> {
  const { node, clock, print } = parts;
  const id = new Date(clock.now()).toISOString();
  await annotate(parts, formatDrainRequest({ id, waitS }));
  if (!follow) return print(`Asked ${node} to drain its network`);
  let last: DrainStatus["state"] | undefined;
  for (let left = waitS + graceS; left > 0; left--) {
    const status = await statusOf(parts);
    if (status?.request === id && status.state !== last) {
      last = status.state;
      print(`${node}: ${sentences[last](waitS)}`);
      if (last !== "announced") return;
    }
    await clock.sleep(1000);
  }
  throw new Error(
    `Cannot tell that ${node} has drained its network: its agent ${last === undefined ? "has not answered" : "still waits"} ` +
      `after ${waitS + graceS} s; look whether it runs, and at its log. The request stays; --undo takes it back`,
  );
}

/** Takes the request back, and with `follow` waits until the agent has taken note. Rejects when it has not in a minute. */
export async function undoDrain(parts: DrainNodeParts, { follow }: { readonly follow: boolean }): Promise<void> {
  const { node, clock, print } = parts;
  await annotate(parts, null);
  if (!follow) return print(`Asked ${node} to announce everything as before`);
  for (let left = graceS; left > 0; left--) {
    if ((await statusOf(parts)) === undefined) return print(`${node}: everything is announced as before`);
    await clock.sleep(1000);
  }
  throw new Error(
    `Cannot tell that ${node} announces everything again: its agent has not answered in ${graceS} s; look whether it runs`,
  );
}

// --- internal ---

const graceS = 60;

const sentences: Readonly<Record<DrainStatus["state"], (waitS: number) => string>> = {
  announced: (waitS) => `what it announces is the last choice now (GRACEFUL_SHUTDOWN); waiting ${waitS} s`,
  "services withdrawn": () => "its Services are withdrawn; its pods' networks are as soon as no pod is left on it",
  withdrawn: () => "its Services and its pods' networks are withdrawn",
};

async function annotate({ client, node }: DrainNodeParts, text: string | null): Promise<void> {
  const body = { metadata: { annotations: { [drainAnnotation]: text } } };
  await client.patch(pathOf(node), body, { type: "merge", query: { fieldManager: "margay" } });
}

async function statusOf({ client, node }: DrainNodeParts): Promise<DrainStatus | undefined> {
  return parseDrainStatus(parseNode(await client.request("GET", pathOf(node))).annotations[drainStatusAnnotation]);
}

function pathOf(node: string): string {
  return `/api/v1/nodes/${encodeURIComponent(node)}`;
}
