import type { IpPool } from "../api/ip-pool.ts";
import { readSysctl, writeSysctl } from "../host/sysctl.ts";
import { cidrVersion, parseCidr } from "../net/cidr.ts";

/**
 * Lets this node forward packets (upstream's `ipForwarding: Enabled`): IPv4 always, IPv6 once some pool has IPv6 addresses,
 * since a node that forwards IPv6 no longer takes router advertisements. Throws a `SystemError` when the kernel refuses.
 */
export function enableForwarding(pools: Iterable<IpPool>): void {
  const versions = new Set([...pools].map(({ spec }) => cidrVersion(parseCidr(spec.cidr))));
  switchOn("ipv4/ip_forward");
  if (versions.has(6)) switchOn("ipv6/conf/all/forwarding");
}

// --- internal ---

/** Only where it changes something: turning it on makes the kernel set other settings of every interface anew. */
function switchOn(key: string): void {
  if (readSysctl(undefined, key) !== "1") writeSysctl(undefined, key, 1);
}
