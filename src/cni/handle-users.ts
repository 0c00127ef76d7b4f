import { type AttachmentKey, attachmentKey } from "../api/objects.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { unreadableRemedy } from "./interface-files.ts";
import { handleOf, type NodeState } from "./node-state.ts";

/** What stands, or is to stand, on a handle's addresses. */
export interface HandleUser {
  readonly kind: "attachments" | "leases";
  readonly network: string;
  readonly containerId: string;
  readonly interfaceName: string;
}

/**
 * Rejects with a `CniError` (7) unless the handle is this interface's alone: a handle is of a container and a network, as
 * upstream, so it can serve one interface only. Another pair of names may make the same handle too, as both may have dots.
 * What the container has already must be known for it, so none of its files may be unreadable.
 */
export async function requireOwnHandle(user: HandleUser, state: NodeState): Promise<void> {
  const { network, containerId, interfaceName } = user;
  const unread = (await unreadableOf(handleOf(network, containerId), state))[0];
  const other = (await othersOf(user, state))[0];
  if (unread === undefined && other === undefined) return;
  const why =
    other === undefined
      ? `${unread?.path}, which says what the container has already, cannot be read. ${unreadableRemedy}`
      : other.containerId === containerId
        ? `${other.interfaceName} of the same container has some already, and a container has one interface in a network`
        : `container ${other.containerId} of network ${other.network} holds its addresses under the same name, ${handleOf(network, containerId)}. Rename one of the networks`;
  const sentence = `Cannot give ${interfaceName} addresses of network ${network}: ${why}`;
  throw new CniError(cniCode.invalidConfiguration, sentence);
}

/** Whether something else stands, or may stand, on what the handle holds: then a DEL must leave it. */
export async function isOthersHandle(user: HandleUser, state: NodeState): Promise<boolean> {
  const unread = await unreadableOf(handleOf(user.network, user.containerId), state);
  // The file that the DEL itself is about is no reason to keep what it gives back.
  if (unread.some(({ kind, key }) => kind !== user.kind || key !== attachmentKey(user))) return true;
  return (await othersOf(user, state)).length > 0;
}

// --- internal ---

async function othersOf(user: HandleUser, { node }: NodeState): Promise<readonly HandleUser[]> {
  const handle = handleOf(user.network, user.containerId);
  const found: HandleUser[] = [];
  for (const kind of ["leases", "attachments"] as const) {
    for (const { network, containerId, interfaceName } of await node[kind].list()) {
      if (handleOf(network, containerId) !== handle) continue;
      const one = { kind, network, containerId, interfaceName };
      if (kind !== user.kind || attachmentKey(one) !== attachmentKey(user)) found.push(one);
    }
  }
  return found;
}

interface Unreadable {
  readonly kind: HandleUser["kind"];
  readonly path: string;
  readonly key: AttachmentKey | undefined;
}

/** The files that may be of the handle: their names tell the container, and not the network. */
async function unreadableOf(handle: string, { node }: NodeState): Promise<readonly Unreadable[]> {
  const files = [
    ...(await node.leases.listUnreadable()).map((file) => ({ ...file, kind: "leases" as const })),
    ...(await node.attachments.listUnreadable()).map((file) => ({ ...file, kind: "attachments" as const })),
  ];
  return files.filter(({ containerId }) => containerId !== undefined && handle.endsWith(`.${containerId}`));
}
