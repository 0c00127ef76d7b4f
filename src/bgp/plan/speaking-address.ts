import { cidrContainsIp, parseCidr } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";

/**
 * Why a router cannot be spoken with, or speak, by this address, as the end of a sentence; undefined when it can. BIRD refuses its
 * whole configuration for one such session, so that no other one would come up either.
 */
export function addressFault(ip: Ip): string | undefined {
  return kinds.find(({ networks }) => networks.some((network) => cidrContainsIp(network, ip)))?.fault;
}

// --- internal ---

const kinds = [
  { networks: ["0.0.0.0/8", "::/128"], fault: "it is no address of any machine (RFC 1122, RFC 4291)" },
  { networks: ["224.0.0.0/4", "255.255.255.255/32", "ff00::/8"], fault: "it stands for many machines" },
  // IPv4's 169.254.0.0/16 is unique enough on most machines, and in use between clouds' routers.
  { networks: ["fe80::/10"], fault: "it is link-local, and says nothing without an interface" },
  { networks: ["::ffff:0:0/96"], fault: "it is an IPv4 address in IPv6's writing" },
].map(({ networks, fault }) => ({ networks: networks.map(parseCidr), fault }));
