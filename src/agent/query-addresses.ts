import type { AddressUse } from "../api/node-query.ts";
import { type AttachmentFiles, isWired, type StoredAttachment } from "../cni/attachments.ts";
import { isHeld, type Lease, type LeaseFiles } from "../cni/leases.ts";
import { type InterfaceAddress, readInterfaceAddresses } from "../host/addresses-in-use.ts";
import type { Netlink } from "../host/netlink/netlink.ts";
import { mayLeadToNamespace, ownNetworkNamespace } from "../host/network-namespaces.ts";
import { cidrVersion, firstIp, prefixLength } from "../net/cidr.ts";
import { bitsOf, type Ip } from "../net/ip.ts";

/** Where the evidence comes from. */
export interface AddressSources {
  readonly attachments: Pick<AttachmentFiles, "listWhole">;
  /** What was given to containers of other main plugins: some move it where no namespace shows it, e.g. into a machine. */
  readonly leases: Pick<LeaseFiles, "listWhole">;
  /** The routing netlink of the node's own namespace, to be closed. */
  readonly openNetlink: () => Netlink;
  /** What the names of workload interfaces begin with. */
  readonly interfacePrefix: string;
}

/**
 * How the node uses the addresses in `ips`, or all but loopback and link-local IPv6 ones: its attachments and leases, as far
 * as something may be left of their containers, the interfaces of every network namespace, and its own routes to single
 * workloads. Rejects when any of these cannot be read whole: half an answer would call an address unused that is in use.
 */
export async function findAddressUses(
  sources: AddressSources,
  ips: readonly Ip[] | undefined,
): Promise<readonly AddressUse[]> {
  const asked = ips === undefined ? undefined : new Set(ips);
  const isWanted = (ip: Ip) => (asked === undefined ? !isEverywhere(ip) : asked.has(ip));
  const before = await sources.attachments.listWhole();
  const onInterfaces = await readInterfaceAddresses(isWanted, [...new Set(before.map(({ netns }) => netns))]);
  const routed = await readRoutes(sources);
  // Once more, last: what was wired meanwhile counts, and what was withdrawn meanwhile may have been read as still there.
  const attachments = [...new Set([...before, ...(await sources.attachments.listWhole())])];
  const leases = await sources.leases.listWhole();
  const links = await readLinkNames(sources);
  const wired = attachments.filter((one) => isWired(one, links, mayLeadToNamespace));
  return [
    ...wired.flatMap((one) => one.addresses.filter(isWanted).map((ip) => attachmentUse(one, ip))),
    ...leases
      .filter((one) => isHeld(one, mayLeadToNamespace))
      .flatMap((one) => one.addresses.filter(({ ip }) => isWanted(ip)).map(({ ip }) => leaseUse(one, ip))),
    ...onInterfaces.map((one) => interfaceUse(one, attachments)),
    ...routed.filter(({ ip }) => isWanted(ip)).map((one) => routeUse(one, attachments)),
  ];
}

// --- internal ---

interface Route {
  readonly ip: Ip;
  readonly interface: string;
}

/** 127.0.0.0/8, ::1 and fe80::/10. */
function isEverywhere(ip: Ip): boolean {
  return ip === "::1" || ip.startsWith("127.") || /^fe[89ab][0-9a-f]:/.test(ip);
}

async function readLinkNames({ openNetlink }: AddressSources): Promise<ReadonlySet<string>> {
  const netlink = openNetlink();
  try {
    return new Set((await netlink.links()).map(({ name }) => name));
  } finally {
    netlink.close();
  }
}

async function readRoutes({ openNetlink, interfacePrefix }: AddressSources): Promise<readonly Route[]> {
  const netlink = openNetlink();
  try {
    const routes = [...(await netlink.routes(4)), ...(await netlink.routes(6))];
    const names = new Map((await netlink.links()).map(({ index, name }) => [index, name]));
    return routes.flatMap(({ destination, linkIndex }) => {
      const name = names.get(linkIndex ?? 0) ?? "";
      const isSingle = prefixLength(destination) === bitsOf(cidrVersion(destination));
      return isSingle && name.startsWith(interfacePrefix) ? [{ ip: firstIp(destination), interface: name }] : [];
    });
  } finally {
    netlink.close();
  }
}

function attachmentUse(attachment: StoredAttachment, ip: Ip): AddressUse {
  const { interfaceName, netns } = attachment;
  return { ip, kind: "attachment", interface: interfaceName, namespace: netns, ...podOf(attachment) };
}

function leaseUse({ interfaceName, netns = "unknown", containerId, pod }: Lease, ip: Ip): AddressUse {
  return { ip, kind: "attachment", interface: interfaceName, namespace: netns, containerId, ...(pod && { pod }) };
}

function interfaceUse({ ip, interface: name, namespace }: InterfaceAddress, attachments: readonly StoredAttachment[]) {
  const where = namespace.inode === ownNetworkNamespace() ? "host" : namespace.name;
  const wired = attachments.find(({ netns }) => namespace.paths.includes(netns));
  return { ip, kind: "interface" as const, interface: name, namespace: where, ...podOf(wired) };
}

function routeUse({ ip, interface: name }: Route, attachments: readonly StoredAttachment[]): AddressUse {
  const wired = attachments.find(({ hostInterface }) => hostInterface === name);
  return { ip, kind: "route", interface: name, namespace: "host", ...podOf(wired) };
}

function podOf(attachment: StoredAttachment | undefined): Pick<AddressUse, "pod" | "containerId"> {
  return attachment === undefined ? {} : { pod: attachment.pod, containerId: attachment.containerId };
}
