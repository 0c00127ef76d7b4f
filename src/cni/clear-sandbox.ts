import { attachmentKey } from "../api/objects.ts";
import type { StoredAttachment } from "./attachments.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import { executeIpam, releaseCall } from "./run-ipam.ts";
import { removePair } from "./wire.ts";
import { withdraw } from "./withdraw.ts";

/**
 * Takes away an earlier sandbox for the sake of a newer one, as its DEL will: routes and rules, interfaces, addresses, and
 * its file last. The addresses of the handle `kept` stay held.
 */
export async function clearSandbox(one: StoredAttachment, kept: string, state: NodeState): Promise<void> {
  const { node, journal } = state;
  const key = attachmentKey(one);
  await withdraw(key, state);
  // Before its addresses are free for others.
  await removePair(one, node);
  const handle = handleOf(one.network, one.containerId);
  const call = releaseCall(one, undefined, node);
  // Of the very same interface they have been given anew, or back.
  if (call !== undefined && handle !== kept) await executeIpam("DEL", call, node);
  else if (handle !== kept) {
    await journal.release(handle, { containerId: one.containerId, why: "newer sandbox of the pod" });
  }
  await node.attachments.remove(key);
}
