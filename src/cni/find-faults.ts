import type { Attachment } from "../api/objects.ts";
import type { Link, Netlink } from "../host/netlink/netlink.ts";
import { hostCidr } from "../net/cidr.ts";
import { versionOf } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import type { CniDependencies } from "./dependencies.ts";
import { hostSettings, settingFaults } from "./settings.ts";
import { usingNetlink } from "./using-netlink.ts";
import { podRoutes, type Wiring } from "./wire.ts";

/** What of an attachment's wiring is missing in the kernel or is not as it was made, one sentence each; none when it stands. */
export async function findFaults(wiring: Wiring, node: CniDependencies): Promise<readonly string[]> {
  const host = await usingNetlink(node, undefined, (netlink) => netlink.link(wiring.hostInterface));
  if (host === undefined) return [`the node has no interface ${wiring.hostInterface}`];
  return [
    ...(host.up ? [] : [`interface ${host.name} is down`]),
    ...settingFaults(hostSettings(wiring), node),
    ...(await podFaults(wiring, host, node)),
  ];
}

/** What of the way from the node to the pod is missing: one sentence for each address without its route. */
export async function findRouteFaults(attachment: Attachment, node: CniDependencies): Promise<readonly string[]> {
  return usingNetlink(node, undefined, async (netlink) => {
    const link = await netlink.link(attachment.hostInterface);
    const routes = (await Promise.all(versionsOf(attachment).map((version) => netlink.routes(version)))).flat();
    return attachment.addresses
      .map((ip) => hostCidr(ip))
      .filter((cidr) => !routes.some((one) => one.destination === cidr && one.linkIndex === link?.index))
      .map((cidr) => `the node has no route ${cidr} dev ${attachment.hostInterface}`);
  });
}

// --- internal ---

async function podFaults(wiring: Wiring, host: Link, node: CniDependencies): Promise<readonly string[]> {
  let pod: Netlink;
  try {
    pod = node.openNetlink(wiring.netns);
  } catch (error) {
    return [messageOf(error)];
  }
  try {
    const link = await pod.link(wiring.interfaceName);
    if (link === undefined) return [`the pod has no interface ${wiring.interfaceName}`];
    if (link.peerIndex !== host.index) return [`the pod's ${link.name} is not the other end of ${host.name}`];
    return [...(link.up ? [] : [`the pod's ${link.name} is down`]), ...(await contentFaults(wiring, link, pod))];
  } finally {
    pod.close();
  }
}

async function contentFaults(wiring: Wiring, link: Link, pod: Netlink): Promise<readonly string[]> {
  const addresses = await pod.addresses(link.index);
  const routes = (await Promise.all(versionsOf(wiring).map((version) => pod.routes(version)))).flat();
  return [
    ...wiring.addresses
      .filter((ip) => !addresses.some((one) => one.ip === ip))
      .map((ip) => `the pod's ${link.name} has no address ${ip}`),
    ...podRoutes(wiring)
      .filter(({ destination }) => !routes.some((one) => one.destination === destination))
      .map(({ destination }) => `the pod has no route ${destination}`),
  ];
}

function versionsOf({ addresses }: Pick<Wiring, "addresses">) {
  return [...new Set(addresses.map((ip) => versionOf(ip)))];
}
