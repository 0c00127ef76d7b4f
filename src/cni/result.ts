import { hostCidr } from "../net/cidr.ts";
import { type Ip, versionOf } from "../net/ip.ts";
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
  /** How long the kernel took to hold the pod's policy, in milliseconds. */
  readonly policyMs: number;
}

/**
 * The success answer of ADD as JSON text, in the result type of `version`: `ip4`/`ip6` up to 0.2.0, lists with a
 * `version` in each address up to 0.4.0, without it from 1.0.0, with the MTU from 1.1.0. Addresses have no gateway.
 */
export function formatResult(outcome: Omit<AddOutcome, "policyMs">, version: CniVersion): string {
  const shape = version === "0.1.0" || version === "0.2.0" ? earlyShape(outcome) : listShape(outcome, version);
  return JSON.stringify({ cniVersion: version, ...shape, dns: {} });
}

/** The addresses of a result's `ips` (0.3.0 and later), without their masks; none of what is no list. */
export function announcedAddresses(ips: unknown): readonly string[] {
  if (!Array.isArray(ips)) return [];
  return ips.map((one: { readonly address?: unknown }) => String(one?.address).split("/")[0] ?? "");
}

// --- internal ---

/** Only one address of each family fits; the first is the pod's primary one. */
function earlyShape({ addresses }: Pick<AddOutcome, "addresses">): object {
  const first = (family: 4 | 6) => addresses.find((ip) => versionOf(ip) === family);
  const [v4, v6] = [first(4), first(6)];
  return {
    ...(v4 === undefined ? {} : { ip4: { ip: hostCidr(v4) } }),
    ...(v6 === undefined ? {} : { ip6: { ip: hostCidr(v6) } }),
  };
}

function listShape(outcome: Omit<AddOutcome, "policyMs">, version: CniVersion): object {
  const mtu = version === "1.1.0" ? { mtu: outcome.mtu } : {};
  const family = (ip: Ip) => (version === "1.0.0" || version === "1.1.0" ? {} : { version: String(versionOf(ip)) });
  return {
    interfaces: [
      { name: outcome.hostInterface, mac: outcome.hostMac, ...mtu },
      { name: outcome.interfaceName, mac: outcome.mac, sandbox: outcome.netns, ...mtu },
    ],
    // 1 is the pod's interface: `portmap` skips the addresses of an interface outside the sandbox.
    ips: outcome.addresses.map((ip) => ({ ...family(ip), interface: 1, address: hostCidr(ip) })),
  };
}
