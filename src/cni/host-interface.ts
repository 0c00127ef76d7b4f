import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { PodTarget } from "./request.ts";
import { usingNetlink } from "./using-netlink.ts";
import { furtherVethName, vethName } from "./veth-name.ts";

/**
 * The name of the host's end for an interface of a pod: upstream's, as long as no other interface of the same container has it,
 * then one of its own. So an interface that a pod gets later (by Multus) never takes the first one's.
 */
export async function hostInterfaceOf(
  { containerId, interfaceName, pod }: Pick<PodTarget, "containerId" | "interfaceName" | "pod">,
  { attachments }: Pick<CniDependencies, "attachments">,
): Promise<string> {
  const first = vethName(pod.namespace, pod.name);
  const isTaken = (await attachments.list()).some(
    (one) => one.containerId === containerId && one.interfaceName !== interfaceName && one.hostInterface === first,
  );
  return isTaken ? furtherVethName(pod.namespace, pod.name, interfaceName) : first;
}

/**
 * Rejects with a `CniError` (7) when the container has an interface of the wanted name that is not this plugin's: what is
 * left of an earlier try is, and its pair is made anew.
 */
export async function requireFreeName(
  { interfaceName, netns }: Pick<PodTarget, "interfaceName" | "netns">,
  hostInterface: string,
  node: CniDependencies,
): Promise<void> {
  const found = await usingNetlink(node, netns, (netlink) => netlink.link(interfaceName));
  if (found === undefined) return;
  const records = (await node.attachments.list()).filter((one) => one.netns === netns);
  const own = new Set([hostInterface, ...records.map((one) => one.hostInterface)]);
  const links = await usingNetlink(node, undefined, (netlink) => netlink.links());
  if (links.some(({ name, index }) => own.has(name) && index === found.peerIndex)) return;
  const sentence = `Cannot add ${interfaceName}: ${netns} has an interface of that name already, which another plugin or program made`;
  throw new CniError(cniCode.invalidConfiguration, sentence);
}
