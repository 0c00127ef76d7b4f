import type { Attachment } from "../api/objects.ts";
import { hostSettings } from "../host/host-settings.ts";
import type { KernelRoute, Link, Netlink } from "../host/netlink/netlink.ts";
import { hostCidr } from "../net/cidr.ts";
import { versionOf } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { present, type ResultInterface } from "./cni-result.ts";
import type { CniDependencies } from "./dependencies.ts";
import { podSettings, settingFaults } from "./settings.ts";
import { usingNetlink } from "./using-netlink.ts";
import { hostMac, type PodRoute, podRoutes, type Wiring } from "./wire.ts";

/**
 * What of an attachment's wiring is missing in the kernel or is not as it was made, one sentence each; none when it stands.
 * `announced` are the interfaces of the runtime's `prevResult`: a plugin that comes later in a chain may have changed a MAC
 * address or MTU, and says so there.
 */
export async function findFaults(
  wiring: Wiring,
  announced: readonly ResultInterface[],
  node: CniDependencies,
): Promise<readonly string[]> {
  const host = await usingNetlink(node, undefined, (netlink) => netlink.link(wiring.hostInterface));
  if (host === undefined) return [`the node has no interface ${wiring.hostInterface}`];
  return [
    ...(host.up ? [] : [`interface ${host.name} is down`]),
    ...linkFaults(
      host,
      { mac: hostMac, mtu: wiring.mtu, ...saidOf(announced, wiring.hostInterface, false) },
      "the node's",
    ),
    ...settingFaults(hostSettings(wiring), undefined, node),
    ...(await podFaults({ wiring, announced, host }, node)),
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

interface Checked {
  readonly wiring: Wiring;
  readonly announced: readonly ResultInterface[];
  /** The node's end. */
  readonly host: Link;
}

async function podFaults({ wiring, announced, host }: Checked, node: CniDependencies): Promise<readonly string[]> {
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
    return [
      ...(link.up ? [] : [`the pod's ${link.name} is down`]),
      ...podLinkFaults(link, wiring, announced),
      ...podSettingFaults(wiring, node),
      ...(await contentFaults(wiring, link, pod)),
    ];
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
      .filter((route) => !routes.some((one) => isSameRoute(one, route, link)))
      .map(({ destination, gateway }) => {
        const via = gateway === undefined ? "" : ` via ${gateway}`;
        return `the pod has no route ${destination}${via} dev ${link.name}`;
      }),
  ];
}

function isSameRoute(one: KernelRoute, { destination, gateway }: PodRoute, link: Link): boolean {
  return one.destination === destination && one.linkIndex === link.index && one.gateway === gateway;
}

/** What the runtime was last told of an interface, as far as it was told. */
function saidOf(announced: readonly ResultInterface[], name: string, isPods: boolean) {
  const said = announced.find((one) => one.name === name && (one.sandbox !== undefined) === isPods);
  return present({ mac: said?.mac, mtu: said?.mtu });
}

function linkFaults(
  { name, mac, mtu }: Link,
  made: { readonly mac?: string; readonly mtu: number },
  whose: string,
): readonly string[] {
  return [
    ...(mtu === made.mtu ? [] : [`${whose} ${name} has MTU ${mtu}, not ${made.mtu}`]),
    ...(made.mac === undefined || mac === made.mac.toLowerCase()
      ? []
      : [`${whose} ${name} has MAC ${mac}, not ${made.mac}`]),
  ];
}

/**
 * A plugin that comes later may lower the MTU, and the reference's `tuning` does so without a word in its result. One that is
 * higher than both ends were made for, or than was told, loses packets.
 */
function podLinkFaults(link: Link, { mtu }: Wiring, announced: readonly ResultInterface[]): readonly string[] {
  const said = saidOf(announced, link.name, true);
  const limit = Math.max(mtu, said.mtu ?? 0);
  return linkFaults(link, { ...said, mtu: Math.min(link.mtu, limit) }, "the pod's");
}

/**
 * What is off may be switched on, such as forwarding or IPv6, by the pod's own sysctls or by a plugin that comes later: that is
 * no fault.
 */
function podSettingFaults(wiring: Wiring, node: CniDependencies): readonly string[] {
  const mayDiffer = (key: string) => key.endsWith("forward") || key.endsWith("forwarding");
  const settings = podSettings(wiring).filter(
    ({ key, value, ifKnown }) => !ifKnown && (value === "1" || !mayDiffer(key)),
  );
  return settingFaults(settings, wiring.netns, node);
}

function versionsOf({ addresses }: Pick<Wiring, "addresses">) {
  return [...new Set(addresses.map((ip) => versionOf(ip)))];
}
