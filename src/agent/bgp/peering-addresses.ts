import type { Attachment } from "../../api/objects.ts";
import { allSessions, type BirdConfig } from "../../bgp/plan/bird-config.ts";
import { type Address, type Netlink, NetlinkError } from "../../host/netlink/netlink.ts";
import { bitsOf, type Ip, versionOf } from "../../net/ip.ts";
import { workloadInterfacePrefix } from "../../net/workload-interface-prefix.ts";

/**
 * Gives the node's end of a pod's interface the address by which that pod peers with its node (`localWorkloadPeeringIPV4`,
 * `…IPV6`), as upstream: the local end of each session with a workload, of scope link. Such addresses of other pods'
 * interfaces are taken away. Everything is read from the kernel each time, so it does not matter who has put it there; but where
 * no pod peers, the kernel is asked once only: most nodes have none, and each change of BIRD's configuration waits for this.
 */
export class PeeringAddresses {
  readonly #netlink: Pick<Netlink, "links" | "addresses" | "addAddress" | "removeAddress">;
  #areNone = false;

  /** `netlink` is closed by whoever has opened it. */
  constructor(netlink: Pick<Netlink, "links" | "addresses" | "addAddress" | "removeAddress">) {
    this.#netlink = netlink;
  }

  /** To be called before BIRD takes `config`. An interface that is gone needs none. Rejects with a `NetlinkError`. */
  async apply(config: Pick<BirdConfig, "families">, attachments: Iterable<Attachment>): Promise<void> {
    const wanted = peeringAddresses(config, attachments);
    if (this.#areNone && wanted.size === 0) return;
    this.#areNone = false;
    const links = (await this.#netlink.links()).filter(({ name }) => name.startsWith(workloadInterfacePrefix));
    const there = (await this.#netlink.addresses()).filter(isPeering);
    for (const { name, index } of links) {
      const ips = wanted.get(name) ?? new Set<Ip>();
      const found = there.filter(({ linkIndex }) => linkIndex === index);
      for (const ip of ips) {
        if (!found.some((address) => address.ip === ip)) await this.#add(index, ip);
      }
      for (const address of found) {
        if (!ips.has(address.ip)) await this.#netlink.removeAddress(index, address);
      }
    }
    this.#areNone = wanted.size === 0;
  }

  async #add(index: number, ip: Ip): Promise<void> {
    try {
      await this.#netlink.addAddress(index, { ip, prefixLength: bitsOf(versionOf(ip)), scope: "link" });
    } catch (error) {
      // Its pod ends at this moment.
      if (!(error instanceof NetlinkError && error.code === "ENODEV")) throw error;
    }
  }
}

// --- internal ---

/** The addresses that pods' interfaces are to have, by the interface's name. */
function peeringAddresses(
  config: Pick<BirdConfig, "families">,
  attachments: Iterable<Attachment>,
): ReadonlyMap<string, ReadonlySet<Ip>> {
  const interfaces = new Map<Ip, string>();
  for (const { addresses, hostInterface } of attachments) for (const ip of addresses) interfaces.set(ip, hostInterface);
  const found = new Map<string, Set<Ip>>();
  for (const { kind, neighbor, source } of allSessions(config)) {
    const hostInterface = interfaces.get(neighbor);
    if (kind !== "workload" || source === undefined || hostInterface === undefined) continue;
    found.set(hostInterface, (found.get(hostInterface) ?? new Set<Ip>()).add(source));
  }
  return found;
}

/** IPv6 addresses have the scope that their value says; those of fe80::/10 the kernel has made. */
function isPeering({ ip, prefixLength, scope }: Address): boolean {
  const version = versionOf(ip);
  if (prefixLength !== bitsOf(version)) return false;
  return version === 4 ? scope === "link" : !/^fe[89ab]/.test(ip);
}
