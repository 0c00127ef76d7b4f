import { hostSettings } from "../host/host-settings.ts";
import { type Link, type Netlink, NetlinkError } from "../host/netlink/netlink.ts";
import { inNetns } from "../host/netns.ts";
import { type Cidr, hostCidr, parseCidr } from "../net/cidr.ts";
import { bitsOf, type Ip, type IpVersion, parseIp, versionOf } from "../net/ip.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { configuredRoute } from "./configured-route.ts";
import type { CniDependencies } from "./dependencies.ts";
import { applySettings, podSettings } from "./settings.ts";
import { usingNetlink } from "./using-netlink.ts";

/**
 *     node                                  pod
 *     cali… (ee:ee:ee:ee:ee:ee) ── veth ──  eth0, address/32
 *     answers ARP for everything            169.254.1.1 dev eth0 scope link
 *     (proxy_arp), has no address           default via 169.254.1.1
 *
 * The pod sends every packet to its node, and the node routes it. The route back, `address dev cali…`, is Felix's: it goes
 * in after the pod's policy.
 */
export interface Wiring {
  readonly hostInterface: string;
  readonly interfaceName: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  readonly addresses: readonly Ip[];
  readonly mtu: number;
  readonly allowIpForwarding: boolean;
  readonly includeDefaultRoutes: boolean;
  /**
   * Beside the interface that has the pod's way out: it has no part in that, and each of its routes names the node as next hop
   * by itself.
   */
  readonly isFurther: boolean;
  /** Further routes inside the pod. Without a gateway they go to the node as the default does. */
  readonly routes: readonly { readonly dst: string; readonly gw?: string | undefined }[];
}

/** The MAC of every host end: no neighbour entry in a pod goes stale when the interface is made anew. */
export const hostMac = "ee:ee:ee:ee:ee:ee";

/** The pod's next hop: IPv4 by proxy ARP, IPv6 the link-local address that the kernel makes of `hostMac` (RFC 4291 appendix A). */
export const gateways: Readonly<Record<IpVersion, Ip>> = {
  4: parseIp("169.254.1.1"),
  6: parseIp("fe80::ecee:eeff:feee:eeee"),
};

/**
 * Makes the pair, which no packet passes until `configure`. An interface of the host end's name that is in the way is a leftover and
 * is deleted; `requireFree` says whether what is in the way in the pod may be, too. Rejects as that, or with a `NetlinkError`.
 */
export async function makePair(
  { hostInterface, interfaceName, mtu, netns }: Omit<Wiring, "addresses">,
  node: CniDependencies,
  requireFree: () => Promise<void>,
): Promise<void> {
  const pair = { name: hostInterface, mac: hostMac, mtu, peerName: interfaceName, peerNetns: netns };
  await usingNetlink(node, undefined, async (host) => {
    try {
      await host.createVeth(pair);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code !== "EEXIST") throw error;
      await requireFree();
      await host.deleteLink(hostInterface);
      await host.createVeth(pair);
    }
  });
}

/** Takes the pair away, both ends of it. One that is not there is no error. Rejects with a `NetlinkError`. */
export function removePair({ hostInterface }: Pick<Wiring, "hostInterface">, node: CniDependencies): Promise<void> {
  return usingNetlink(node, undefined, (netlink) => netlink.deleteLink(hostInterface));
}

/** Whether both ends of the pair are where `makePair` puts them, however they are configured. */
export async function hasPair(
  { hostInterface, interfaceName, netns }: Wiring,
  node: CniDependencies,
): Promise<boolean> {
  const host = await usingNetlink(node, undefined, (netlink) => netlink.link(hostInterface));
  const pod = await usingNetlink(node, netns, (netlink) => netlink.link(interfaceName));
  return host !== undefined && pod?.peerIndex === host.index;
}

/**
 * Gives a pair that is there its settings, addresses and routes, brings it up, and answers the MAC of the pod's end. It
 * takes nothing away, so a pair in use goes on working, also when this rejects, with a `NetlinkError`, `SystemError` or
 * `CniError`: then some of the settings, addresses and routes may be in place. `onWait` is called when the kernel has to be waited for.
 */
export async function configure(wiring: Wiring, node: CniDependencies, onWait?: () => void): Promise<string> {
  applySettings(hostSettings(wiring), undefined, node);
  return usingNetlink(node, undefined, (host) =>
    inPod(wiring, node, async (pod) => {
      await host.setLink(wiring.hostInterface, { up: true });
      await pod.setLink(wiring.interfaceName, { up: true });
      await untilOperational(wiring, host, node, onWait);
      return wirePod(wiring, pod);
    }),
  );
}

/** The routes inside the pod, each after those it needs. Throws a `CniError` (7) when a configured one cannot be read. */
export function podRoutes(wiring: Wiring): readonly PodRoute[] {
  const configured = wiring.routes.map(({ dst, gw }) => routeOf(dst, gw));
  if (wiring.isFurther) return configured.map((route) => ({ ...route, onlink: true }));
  const versions = [...new Set(wiring.addresses.map((ip) => versionOf(ip)))];
  const toGateways = versions.map((version) => ({ destination: hostCidr(gateways[version]) }));
  const defaults = wiring.includeDefaultRoutes
    ? versions.map((version) => ({ destination: everything[version], gateway: gateways[version] }))
    : [];
  return [...toGateways, ...defaults, ...configured];
}

/** A route inside a pod, by its interface of the wiring. */
export interface PodRoute {
  readonly destination: Cidr;
  readonly gateway?: Ip;
  /** No other route leads to the gateway. */
  readonly onlink?: true;
}

// --- internal ---

/**
 * The end that came up first drops what it is to send until the kernel, by a work queue of its own, has taken note that the other
 * is up too: among it the answer to the pod's first ARP, which is asked again after a second only.
 */
async function untilOperational(
  { hostInterface }: Wiring,
  host: Netlink,
  { clock }: CniDependencies,
  onWait?: () => void,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const link = await host.link(hostInterface);
    if (link?.operational) return;
    if (attempt === 1) onWait?.();
    if (link === undefined || attempt === mostLooks) {
      const why = link === undefined ? "it went as it was made" : "the kernel does not bring it up";
      throw new CniError(cniCode.wiringFailed, `Cannot wire ${hostInterface}: ${why}`);
    }
    await clock.sleep(lookEveryMs);
  }
}

/** For 5 s. Newer kernels take note as soon as they are asked. */
const mostLooks = 5_000;
const lookEveryMs = 1;

/** Gives the pod's end and its namespace their settings, and runs `action` with a netlink socket there: one way there for both. */
function inPod<T>(wiring: Wiring, node: CniDependencies, action: (pod: Netlink) => Promise<T>): Promise<T> {
  const { netns } = wiring;
  const openNetlink = () =>
    inNetns(netns, () => {
      applySettings(podSettings(wiring), netns, node);
      return node.openNetlink(netns);
    });
  return usingNetlink({ openNetlink }, netns, action);
}

async function wirePod(wiring: Wiring, pod: Netlink): Promise<string> {
  const link = await pod.link(wiring.interfaceName);
  if (link?.mac === undefined) {
    throw new CniError(
      cniCode.wiringFailed,
      `Cannot wire ${wiring.netns}: ${wiring.interfaceName} went as it was made`,
    );
  }
  for (const ip of wiring.addresses) await pod.addAddress(link.index, { ip, prefixLength: bitsOf(versionOf(ip)) });
  if (wiring.isFurther) await requireOwnRoutes(wiring, link, pod);
  // In this order, in which the kernel takes them: a route needs its gateway's route first.
  const routes = podRoutes(wiring).map(({ destination, ...next }) => {
    const via = next.gateway === undefined ? { scope: "link" as const } : next;
    return { destination, linkIndex: link.index, ...via };
  });
  await pod.replaceRoutes(routes);
  return link.mac;
}

/** A route that another interface of the pod has would be taken away from it. */
async function requireOwnRoutes(wiring: Wiring, { index, name }: Link, pod: Netlink): Promise<void> {
  const routes = [...(await pod.routes(4)), ...(await pod.routes(6))];
  for (const { destination } of podRoutes(wiring)) {
    if (!routes.some((one) => one.destination === destination && one.linkIndex !== index)) continue;
    const sentence = `Cannot give ${name} the route ${destination}: another interface of the pod has it. Leave it out of ipam.routes`;
    throw new CniError(cniCode.invalidConfiguration, sentence);
  }
}

const everything: Readonly<Record<IpVersion, Cidr>> = { 4: parseCidr("0.0.0.0/0"), 6: parseCidr("::/0") };

function routeOf(dst: string, gw: string | undefined): { readonly destination: Cidr; readonly gateway: Ip } {
  const { destination, gateway } = configuredRoute(dst, gw);
  return { destination, gateway: gateway ?? gateways[versionOf(destination)] };
}
