import type { Attachment } from "../api/objects.ts";
import { hostSettings } from "../host/host-settings.ts";
import { messageOf } from "../net/message-of.ts";
import type { CniDependencies } from "./dependencies.ts";
import { applySettings } from "./settings.ts";
import { usingNetlink } from "./using-netlink.ts";

/**
 * Sets the host's ends that stand as an ADD of today would: they may be an earlier version's, or changed meanwhile. What
 * fails for one interface is reported and does not stop the others. Rejects only when the links cannot be listed.
 */
export async function restoreHostSettings(attachments: readonly Attachment[], node: CniDependencies): Promise<void> {
  const links = await usingNetlink(node, undefined, (netlink) => netlink.links());
  const standing = new Set(links.map(({ name }) => name));
  for (const attachment of attachments.filter(({ hostInterface }) => standing.has(hostInterface))) {
    try {
      applySettings(hostSettings(attachment), undefined, node);
    } catch (error) {
      const { hostInterface, pod } = attachment;
      const sentence = `Cannot restore the settings of ${hostInterface}, the interface of pod ${pod}: ${messageOf(error)}`;
      node.report("error", sentence, { error });
    }
  }
}
