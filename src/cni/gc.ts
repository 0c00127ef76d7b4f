import type { StoredAttachment } from "./attachments.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { NetConf } from "./net-conf.ts";
import type { NodeState } from "./node-state.ts";

/**
 * Takes away every attachment of this network that the runtime does not list as valid, each through `remove`.
 * Throws a `CniError` (7) when the runtime sent no list: an absent one must not mean that nothing is valid.
 */
export async function gc(
  conf: NetConf,
  { node }: NodeState,
  remove: (attachment: StoredAttachment) => Promise<void>,
): Promise<void> {
  const valid = conf["cni.dev/valid-attachments"] ?? conf["cni.dev/attachments"];
  if (valid === undefined) {
    throw new CniError(cniCode.invalidConfiguration, "Cannot collect garbage: there is no cni.dev/valid-attachments");
  }
  for (const one of await node.attachments.list()) {
    const isValid = valid.some((each) => each.containerID === one.containerId && each.ifname === one.interfaceName);
    if (one.network === conf.name && !isValid) await remove(one);
  }
}
