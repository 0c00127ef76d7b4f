import { attachmentKey } from "../api/objects.ts";
import { wiringOf } from "./add.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { findFaults, findRouteFaults } from "./find-faults.ts";
import type { NetConf } from "./net-conf.ts";
import type { NodeState } from "./node-state.ts";
import type { PodTarget } from "./request.ts";
import { announcedAddresses } from "./result.ts";

/**
 * Proves that what ADD made still stands: the attachment, both interfaces, settings, addresses, and routes both ways.
 * Rejects with a `CniError`: 7 without a `prevResult`, 103 that names everything missing.
 */
export async function check(conf: NetConf, target: PodTarget, { node }: NodeState): Promise<void> {
  if (conf.prevResult === undefined) {
    throw new CniError(cniCode.invalidConfiguration, "Cannot check: the configuration has no prevResult");
  }
  const attachment = await node.attachments.get(attachmentKey(target));
  if (attachment === undefined) throw failed(target, ["this node has no such attachment"]);
  const announced = announcedAddresses(conf.prevResult["ips"]);
  const faults = [
    ...(target.netns === attachment.netns ? [] : [`it was wired in ${attachment.netns}, not in ${target.netns}`]),
    ...attachment.addresses.filter((ip) => !announced.includes(ip)).map((ip) => `prevResult does not have ${ip}`),
    ...(await findFaults(wiringOf(attachment, conf), node)),
    ...(await findRouteFaults(attachment, node)),
  ];
  if (faults.length > 0) throw failed(target, faults);
}

// --- internal ---

function failed({ containerId, interfaceName }: PodTarget, faults: readonly string[]): CniError {
  const message = `Cannot confirm ${interfaceName} of container ${containerId}: ${faults.join("; ")}`;
  return new CniError(cniCode.checkFailed, message);
}
