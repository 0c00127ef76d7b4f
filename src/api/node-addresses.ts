import { bitsOf, type Ip, type IpVersion, isIp, parseIp, versionOf } from "../net/ip.ts";
import type { Node } from "./objects.ts";

/** Where a Node says its BGP address, as `ADDRESS` or `ADDRESS/LENGTH`; upstream's names. */
export const addressAnnotations = {
  4: "projectcalico.org/IPv4Address",
  6: "projectcalico.org/IPv6Address",
} as const satisfies Record<IpVersion, string>;

/** The address that the annotation says; undefined when there is none, or one that cannot be read. */
export function annotatedAddress({ annotations }: Pick<Node, "annotations">, version: IpVersion): Ip | undefined {
  const [address = "", length, ...more] = (annotations[addressAnnotations[version]] ?? "").split("/");
  if (!isIp(address) || versionOf(address) !== version || more.length > 0) return undefined;
  const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bitsOf(version));
  return isLength ? parseIp(address) : undefined;
}

/** Every address by which others know the node: its InternalIPs, and those that its BGP speaks from. */
export function addressesOfNode(node: Pick<Node, "annotations" | "internalIps">): readonly Ip[] {
  return [...node.internalIps, ...([4, 6] as const).flatMap((version) => annotatedAddress(node, version) ?? [])];
}
