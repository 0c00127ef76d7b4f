import { nodeKind, resourcePath } from "../api/kinds.ts";
import type { NodeName } from "../api/names.ts";
import type { KubeClient } from "./client.ts";

/** The condition NetworkUnavailable of a Node (v1): while it is true, the scheduler keeps pods away. */
export interface NetworkCondition {
  readonly isUnavailable: boolean;
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/**
 * Sets annotations of a Node, `null` to remove one, by its subresource `status`, which is all that the agent's role grants.
 * Rejects as `KubeClient.patch` does.
 */
export async function annotateNode(
  client: KubeClient,
  node: NodeName,
  annotations: Readonly<Record<string, string | null>>,
  signal: AbortSignal,
): Promise<void> {
  await client.patch(statusPath(node), { metadata: { annotations } }, { type: "merge", signal, timeoutMs });
}

/** Sets the condition; `now` is its heartbeat, RFC 3339. Rejects as `KubeClient.patch` does. */
export async function setNetworkCondition(
  client: KubeClient,
  node: NodeName,
  { isUnavailable, reason, message }: NetworkCondition,
  { now, signal }: { readonly now: string; readonly signal: AbortSignal },
): Promise<void> {
  const status = isUnavailable ? "True" : "False";
  const times = { lastHeartbeatTime: now, lastTransitionTime: now };
  const conditions = [{ type: "NetworkUnavailable", status, reason, message, ...times }];
  // Conditions are merged by their type, so that kubelet's stay.
  await client.patch(statusPath(node), { status: { conditions } }, { type: "strategic", signal, timeoutMs });
}

// --- internal ---

const timeoutMs = 10_000;

function statusPath(node: NodeName): string {
  return `${resourcePath(nodeKind, { name: node })}/status`;
}
