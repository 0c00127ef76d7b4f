import type { Attachment } from "../api/objects.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { NetConf } from "./net-conf.ts";

/**
 * Tells what the runtime lists as valid from what it does not.
 * Throws a `CniError` (7) when it sent no list: an absent one must not mean that nothing is valid.
 */
export function requireValidAttachments(
  conf: Pick<NetConf, "cni.dev/valid-attachments" | "cni.dev/attachments">,
): (one: Pick<Attachment, "containerId" | "interfaceName">) => boolean {
  const valid = conf["cni.dev/valid-attachments"] ?? conf["cni.dev/attachments"];
  if (valid === undefined) {
    throw new CniError(cniCode.invalidConfiguration, "Cannot collect garbage: there is no cni.dev/valid-attachments");
  }
  return (one) => valid.some((each) => each.containerID === one.containerId && each.ifname === one.interfaceName);
}
