import { type Cidr, cidrSize, cidrVersion, firstIp } from "../net/cidr.ts";
import { type Ip, ipPlus } from "../net/ip.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { DelegatedConf } from "./net-conf.ts";

type GatewayConf = Pick<DelegatedConf, "type" | "isGateway" | "isDefaultGateway">;

/**
 * The gateway of containers whose addresses are of `block`, for main plugins that give it to an end of their own on the
 * node: `ptp`, and `bridge` with `isGateway` or `isDefaultGateway`. It is the block's second address, which a bridge would
 * choose itself, and must lie in the block: containers reach it by their address's mask. It is to be held for the plugin.
 * Throws a `CniError` (7) for a block that has no second address.
 */
export function gatewayOf({ type, isGateway, isDefaultGateway }: GatewayConf, block: Cidr): Ip | undefined {
  if (!hasGateway({ type, isGateway, isDefaultGateway })) return undefined;
  if (cidrSize(block) > 1n) return ipPlus(firstIp(block), 1);
  const sentence = `Cannot give plugin ${type} a gateway of block ${block}: the block has one address; use a pool of larger blocks`;
  throw new CniError(cniCode.invalidConfiguration, sentence);
}

/** Whether the main plugin gives containers' gateway to an end of its own. */
export function hasGateway({ type, isGateway, isDefaultGateway }: GatewayConf): boolean {
  return type === "ptp" || (type === "bridge" && (isGateway === true || isDefaultGateway === true));
}

/**
 * Whether a container in a network of this block cannot have the address: the network's own (of IPv6 every router's,
 * RFC 4291 section 2.6.1), IPv4's broadcast address, or its gateway's. `block` is the mask that the container is told.
 */
export function isSpecial(ip: Ip, block: Cidr, gateway: Ip | undefined): boolean {
  if (ip === gateway) return true;
  // Of two addresses or fewer all are hosts' (RFC 3021, RFC 6164).
  if (cidrSize(block) <= 2n) return false;
  return ip === firstIp(block) || (cidrVersion(block) === 4 && ip === ipPlus(firstIp(block), cidrSize(block) - 1n));
}
