import { attachmentKey } from "../api/objects.ts";
import { isOthersHandle } from "./handle-users.ts";
import type { ReleaseReason } from "./journal.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import type { RawRequest, Target } from "./request.ts";
import { executeIpam, releaseCall } from "./run-ipam.ts";
import { furtherVethName, vethName } from "./veth-name.ts";
import { removePair } from "./wire.ts";
import { withdraw } from "./withdraw.ts";

/** What is to be taken away. */
export interface DelRequest {
  readonly network: string;
  readonly target: Target;
  /** As it came; undefined when no runtime asks for just this one. */
  readonly raw: RawRequest | undefined;
}

/**
 * Takes away everything of one container's attachment: routes and rules, interfaces, addresses, and its file last, so that
 * a DEL that was cut short can be done again. What is gone already is no error, and no API server is needed. The interface
 * of a newer sandbox of the same pod stays. Rejects, with the attachment kept, when another IPAM plugin that gave the
 * addresses does not take them back.
 */
export async function del(
  { network, target, raw }: DelRequest,
  state: NodeState,
  why: ReleaseReason = "DEL",
): Promise<void> {
  const { node, journal } = state;
  const key = attachmentKey(target);
  const stored = await node.attachments.get(key);
  await withdraw(key, state);
  const hostInterfaces = stored === undefined ? await namesOf(target, state) : [stored.hostInterface];
  for (const hostInterface of hostInterfaces) {
    if (await isOthers(hostInterface, target, state)) continue;
    // The pod's end goes with it, also when the pod's namespace has gone.
    await removePair({ hostInterface }, node);
  }
  const call = releaseCall(stored, raw, node);
  if (call !== undefined) await executeIpam("DEL", call, node);
  for (const name of stored?.ipam === undefined ? new Set([network, stored?.network ?? network]) : []) {
    const user = { ...target, kind: "attachments" as const, network: name };
    if (await isOthersHandle(user, state)) continue;
    await journal.release(handleOf(name, target.containerId), { containerId: target.containerId, why });
  }
  await node.attachments.remove(key);
}

// --- internal ---

/**
 * A crash before the attachment was written leaves an interface that only the pod's name leads to. The first one's stays where
 * it may be another interface's of the container, whose file cannot be read.
 */
async function namesOf({ containerId, interfaceName, pod }: Target, { node }: NodeState): Promise<readonly string[]> {
  if (pod === undefined) return [];
  const further = furtherVethName(pod.namespace, pod.name, interfaceName);
  const unread = (await node.attachments.listUnreadable()).filter((file) => file.containerId === containerId);
  const own = attachmentKey({ containerId, interfaceName });
  return unread.some(({ key }) => key !== own) ? [further] : [vethName(pod.namespace, pod.name), further];
}

async function isOthers(hostInterface: string, target: Target, { node }: NodeState): Promise<boolean> {
  const key = attachmentKey(target);
  return (await node.attachments.list()).some(
    (one) => one.hostInterface === hostInterface && attachmentKey(one) !== key,
  );
}
