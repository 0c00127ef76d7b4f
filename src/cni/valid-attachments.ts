import type { Attachment } from "../api/objects.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { NetConf } from "./net-conf.ts";

/**
 * Those records of the configuration's network that the runtime does not list as valid.
 * Throws a `CniError` (7) when it sent no list: an absent one must not mean that nothing is valid.
 */
export function unlisted<T extends Pick<Attachment, "containerId" | "interfaceName"> & { readonly network: string }>(
  records: readonly T[],
  conf: Pick<NetConf, "name" | "cni.dev/valid-attachments" | "cni.dev/attachments">,
): readonly T[] {
  const valid = conf["cni.dev/valid-attachments"] ?? conf["cni.dev/attachments"];
  if (valid === undefined) {
    throw new CniError(cniCode.invalidConfiguration, "Cannot collect garbage: there is no cni.dev/valid-attachments");
  }
  const isValid = (one: T) =>
    valid.some((each) => each.containerID === one.containerId && each.ifname === one.interfaceName);
  return records.filter((one) => one.network === conf.name && !isValid(one));
}
