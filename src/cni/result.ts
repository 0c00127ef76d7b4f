import { hostCidr } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import type { ExecutedIpam } from "./attachments.ts";
import { type CniResult, formatCniResult, noDns, type ResultDns } from "./cni-result.ts";
import { mergeResults, saysSomething } from "./merge-result.ts";
import type { CniVersion } from "./net-conf.ts";

/** What ADD made, before it is put in the words of a version of the specification. */
export interface AddOutcome {
  readonly hostInterface: string;
  readonly hostMac: string;
  readonly interfaceName: string;
  readonly mac: string;
  readonly netns: string;
  readonly mtu: number;
  readonly addresses: readonly Ip[];
  /** The other IPAM plugin that gave the addresses: its routes and name servers are part of the answer. */
  readonly ipam?: ExecutedIpam | undefined;
  /** How long the kernel took to hold the pod's policy, in milliseconds. */
  readonly policyMs: number;
}

/** What else an answer holds. */
export interface ResultContext {
  /** What the plugins before this one of a chain made. */
  readonly earlier?: CniResult | undefined;
  /** The network configuration's; it counts before the IPAM plugin's. */
  readonly dns?: ResultDns | undefined;
}

/**
 * The success answer of ADD as JSON text, in the result type of `version`. Addresses that this plugin gives have no gateway:
 * a pod's next hop is its node.
 */
export function formatResult(
  outcome: Omit<AddOutcome, "policyMs">,
  version: CniVersion,
  { earlier, dns = noDns }: ResultContext = {},
): string {
  const { hostInterface: name, hostMac, interfaceName, mac, netns: sandbox, mtu, ipam } = outcome;
  const none = { sandbox: undefined, socketPath: undefined, pciID: undefined };
  const own: CniResult = {
    interfaces: [
      { ...none, name, mac: hostMac, mtu },
      { ...none, name: interfaceName, mac, mtu, sandbox },
    ],
    // 1 is the pod's interface: `portmap` skips the addresses of an interface outside the sandbox.
    ips: outcome.addresses.map((ip) => ({ interface: 1, address: hostCidr(ip) })),
    routes: ipam?.routes ?? [],
    dns: saysSomething(dns) ? dns : (ipam?.dns ?? noDns),
  };
  if (earlier === undefined) return formatCniResult(own, version);
  const merged = mergeResults(earlier, own);
  // The early type has room for one address of a family, which is to be the pod's.
  const isEarly = version === "0.1.0" || version === "0.2.0";
  return formatCniResult(isEarly ? { ...merged, ips: [...own.ips, ...earlier.ips] } : merged, version);
}

/** The addresses of a result's `ips` (0.3.0 and later), without their masks; none of what is no list. */
export function announcedAddresses(ips: unknown): readonly string[] {
  if (!Array.isArray(ips)) return [];
  return ips.map((one: { readonly address?: unknown }) => String(one?.address).split("/")[0] ?? "");
}
