/** The kernel names of our chains and sets. */
import type { IpVersion } from "../../net/ip.ts";
import { shortHash } from "../../net/sha256.ts";
import type { PolicyId, SetId } from "../calc/plan.ts";

/** Of an endpoint or a policy: `ingress` is towards the workload, and into the node by a host endpoint. */
export type Direction = "ingress" | "egress";

/** The chain that judges packets from (`egress`) or to (`ingress`) one endpoint. */
export function endpointChain(direction: Direction, hostInterface: string): string {
  return limitedName(direction === "egress" ? "cali-fw-" : "cali-tw-", hostInterface, maxChainName);
}

/** The chain of one policy's rules in one direction. */
export function policyChain(direction: Direction, policy: PolicyId): string {
  return limitedName(direction === "egress" ? "cali-po-" : "cali-pi-", policy, maxChainName);
}

/** The chain that asks some policies one after the other in one direction; all that decides about it is in its `identity`. */
export function groupChain(direction: Direction, identity: string): string {
  const prefix = direction === "egress" ? "cali-go-" : "cali-gi-";
  return prefix + shortHash(identity, maxChainName - prefix.length);
}

/** The chains of one host endpoint: what comes in from (`fh`) and goes out to (`th`) it; `fw`: and passes through the node. */
export type HostChain = "fh" | "th" | "fhfw" | "thfw";

/** The chain that judges packets of one host endpoint; of the one for every other interface with the name `*`. */
export function hostEndpointChain(chain: HostChain, interfaceName: string): string {
  return limitedName(`cali-${chain}-`, interfaceName === "*" ? otherInterfaces : interfaceName, maxChainName);
}

/** The chain that finds the host endpoint of a packet. */
export const hostDispatchChain: Readonly<Record<HostChain, string>> = {
  fh: "cali-from-host-endpoint",
  th: "cali-to-host-endpoint",
  fhfw: "cali-from-hep-forward",
  thfw: "cali-to-hep-forward",
};

/** The chain that accepts what a host endpoint always lets in or out. */
export const failsafeChain: Readonly<Record<Direction, string>> = {
  ingress: "cali-failsafe-in",
  egress: "cali-failsafe-out",
};

/** The chain that finds the endpoint of a packet; with `branch`, the part of it for names that go on with that character. */
export function dispatchChain(direction: Direction, branch?: string): string {
  const root = direction === "egress" ? "cali-from-wl-dispatch" : "cali-to-wl-dispatch";
  return branch === undefined ? root : dispatchBranch(root, branch);
}

/** The part of the dispatch chain `root` for names that go on with `branch`. */
export function dispatchBranch(root: string, branch: string): string {
  return limitedName(`${root}-`, branch, maxChainName);
}

/** The kernel set that holds one family's members of a planned set, or of a set with a fixed name. */
export function setName(version: IpVersion, id: SetId | FixedSet): string {
  return limitedName(`cali${version}0`, id, maxSetName);
}

/** Sets that do not come from selectors. */
export type FixedSet = "masq-ipam-pools" | "network-ip-pools" | "bgp-neighbours" | "all-hosts-net" | "dscp-src-net";

// --- internal ---

/** iptables refuses a chain name of more than 28 characters (XT_EXTENSION_MAXNAMELEN). */
const maxChainName = 28;
/** Longer than the name of any interface (IFNAMSIZ). */
const otherInterfaces = "any-other-device";
/** IPSET_MAXNAMELEN less the terminating zero. */
const maxSetName = 31;

/** A name that is too long, or holds what a rule's text cannot, is replaced by `_` and a hash; so is one that looks like that. */
function limitedName(prefix: string, suffix: string, maxLength: number): string {
  const room = maxLength - prefix.length;
  if (suffix.length <= room && /^[A-Za-z0-9./:-][A-Za-z0-9_./:-]*$/.test(suffix)) return prefix + suffix;
  return `${prefix}_${shortHash(suffix, room - 1)}`;
}
