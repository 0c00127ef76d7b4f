import { attachmentKey } from "../api/objects.ts";
import { type AddRequest, wiringOf } from "./add.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { parseCniResult, resultAddress } from "./cni-result.ts";
import { findFaults, findRouteFaults } from "./find-faults.ts";
import type { NodeState } from "./node-state.ts";
import { passOnCheck } from "./pass-on.ts";
import type { PodTarget } from "./request.ts";

/**
 * Proves that what ADD made still stands: the attachment, both interfaces, settings, addresses, routes both ways, and policy;
 * and has another IPAM plugin confirm what it gave. Rejects with a `CniError`: 7 without a `prevResult`, 103 that names
 * everything missing, 11 while the agent cannot tell what policy there is to be, and as `passOnCheck`.
 */
export async function check(request: AddRequest, state: NodeState): Promise<void> {
  const { conf, target } = request;
  const { node } = state;
  if (conf.prevResult === undefined) {
    throw new CniError(cniCode.invalidConfiguration, "Cannot check: the configuration has no prevResult");
  }
  const result = parseCniResult(conf.prevResult, "prevResult");
  const attachment = await node.attachments.get(attachmentKey(target));
  if (attachment === undefined) throw failed(target, ["this node has no such attachment"]);
  const announced = new Set(result.ips.map(resultAddress));
  const faults = [
    ...(target.netns === attachment.netns ? [] : [`it was wired in ${attachment.netns}, not in ${target.netns}`]),
    ...attachment.addresses.filter((ip) => !announced.has(ip)).map((ip) => `prevResult does not have ${ip}`),
    ...(await findFaults(wiringOf(attachment, conf), result.interfaces, node)),
    ...(await findRouteFaults(attachment, node)),
  ];
  if (faults.length > 0) throw failed(target, faults);
  const why = node.unready();
  if (why !== undefined) {
    const sentence = `Cannot confirm the policy of ${target.interfaceName} of container ${target.containerId} yet: ${why}`;
    throw new CniError(cniCode.tryAgainLater, sentence);
  }
  const policy = await node.policyFaults(attachment);
  if (policy.length > 0) throw failed(target, policy);
  await passOnCheck(request, state);
}

// --- internal ---

function failed({ containerId, interfaceName }: PodTarget, faults: readonly string[]): CniError {
  const message = `Cannot confirm ${interfaceName} of container ${containerId}: ${faults.join("; ")}`;
  return new CniError(cniCode.checkFailed, message);
}
