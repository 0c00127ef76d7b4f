import type { IpPool } from "../api/ip-pool.ts";
import { forwardingSettings, type Setting } from "../host/host-settings.ts";
import { readSysctl, writeSysctl } from "../host/sysctl.ts";
import { cidrVersion, parseCidr } from "../net/cidr.ts";

/**
 * Lets this node forward packets (upstream's `ipForwarding: Enabled`): IPv4 always, IPv6 once some pool has IPv6 addresses,
 * since a node that forwards IPv6 no longer takes router advertisements. Throws a `SystemError` when the kernel refuses.
 */
export function enableForwarding(pools: Iterable<IpPool>): void {
  for (const { key } of forwardingOf(pools)) switchOn(key);
}

/** What `enableForwarding` has set. */
export function forwardingOf(pools: Iterable<IpPool>): readonly Setting[] {
  return forwardingSettings(new Set([...pools].map(({ spec }) => cidrVersion(parseCidr(spec.cidr)))));
}

// --- internal ---

/** Only where it changes something: turning it on makes the kernel set other settings of every interface anew. */
function switchOn(key: string): void {
  if (readSysctl(undefined, key) !== "1") writeSysctl(undefined, key, 1);
}
