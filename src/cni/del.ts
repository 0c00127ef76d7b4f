import { attachmentKey } from "../api/objects.ts";
import { isOthersHandle } from "./handle-users.ts";
import type { ReleaseReason } from "./journal.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import type { Target } from "./request.ts";
import { usingNetlink } from "./using-netlink.ts";
import { vethName } from "./veth-name.ts";
import { withdraw } from "./withdraw.ts";

/**
 * Takes away everything of one container's attachment: routes and rules, interfaces, addresses, and its file last, so that
 * a DEL that was cut short can be done again. What is gone already is no error, and no API server is needed. The interface
 * of a newer sandbox of the same pod stays.
 */
export async function del(
  network: string,
  target: Target,
  state: NodeState,
  why: ReleaseReason = "DEL",
): Promise<void> {
  const { node, journal } = state;
  const key = attachmentKey(target);
  const stored = await node.attachments.get(key);
  await withdraw(key, state);
  const hostInterface = stored?.hostInterface ?? nameOf(target);
  if (hostInterface !== undefined && !(await isOthers(hostInterface, target, state))) {
    // The pod's end goes with it, also when the pod's namespace has gone.
    await usingNetlink(node, undefined, (netlink) => netlink.deleteLink(hostInterface));
  }
  for (const name of new Set([network, stored?.network ?? network])) {
    const user = { ...target, kind: "attachments" as const, network: name };
    if (await isOthersHandle(user, state)) continue;
    await journal.release(handleOf(name, target.containerId), { containerId: target.containerId, why });
  }
  await node.attachments.remove(key);
}

// --- internal ---

/** A crash before the attachment was written leaves an interface that only the pod's name leads to. */
function nameOf({ pod }: Target): string | undefined {
  return pod === undefined ? undefined : vethName(pod.namespace, pod.name);
}

async function isOthers(hostInterface: string, target: Target, { node }: NodeState): Promise<boolean> {
  const key = attachmentKey(target);
  return (await node.attachments.list()).some(
    (one) => one.hostInterface === hostInterface && attachmentKey(one) !== key,
  );
}
