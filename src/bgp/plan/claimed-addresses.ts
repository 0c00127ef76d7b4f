import { type NamespacedName, namespacedName } from "../../api/names.ts";
import type { Service } from "../../api/objects.ts";
import { parsePeerAddress } from "../../api/peer-address.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import type { Ip } from "../../net/ip.ts";
import type { RejectedObject } from "./bird-config.ts";
import { addressOf } from "./node-address.ts";
import { serviceNetworks } from "./service-networks.ts";

/** Whose an address is, in words; undefined when `service` may have it announced as an external one of its own. */
export type OtherHolder = (address: Ip, service: NamespacedName) => string | undefined;

/**
 * Who writes a Service chooses its `externalIPs` freely (CVE-2020-8554), so the address of a node, of a BGP neighbour, or one
 * that Kubernetes or a load balancer has given to another Service, is not announced for it: it would draw away what is
 * sent there. Nothing of this is upstream's.
 */
export function otherHolders({ node, bgpPeer, service }: Pick<Snapshot, "node" | "bgpPeer" | "service">): OtherHolder {
  const holders = new Map<Ip, { readonly words: string; readonly service?: NamespacedName }>();
  for (const one of service.values()) {
    const name = nameOf(one);
    const holder = { words: `Service ${name} has been given it`, service: name };
    for (const ip of [...one.clusterIps, ...one.loadBalancerIps]) holders.set(ip, holder);
  }
  for (const { spec, metadata } of bgpPeer.values()) {
    const peer = parsePeerAddress(spec.peerIP ?? "");
    if (peer !== undefined) holders.set(peer.ip, { words: `it is the neighbour of BGPPeer ${metadata.name}` });
  }
  for (const one of node.values()) {
    const ips = [...one.internalIps, ...([4, 6] as const).map((version) => addressOf(one, version))];
    for (const ip of ips) if (ip !== undefined) holders.set(ip, { words: `node ${one.name} has it` });
  }
  return (address, name) => {
    const holder = holders.get(address);
    return holder === undefined || holder.service === name ? undefined : holder.words;
  };
}

/** The Services with external addresses that are not announced for that reason. */
export function rejectedServices(snapshot: Snapshot): readonly RejectedObject[] {
  if (serviceNetworks(snapshot.bgpConfiguration).external.length === 0) return [];
  const claiming = [...snapshot.service.values()].filter(({ externalIps }) => externalIps.length > 0);
  if (claiming.length === 0) return [];
  const holderOf = otherHolders(snapshot);
  const rejected = claiming.flatMap((service): readonly RejectedObject[] => {
    const name = nameOf(service);
    const reasons = [...new Set(service.externalIps)].flatMap((ip) => {
      const holder = holderOf(ip, name);
      return holder === undefined ? [] : [`Cannot announce external address ${ip}: ${holder}`];
    });
    return reasons.map((reason) => ({ kind: "Service", name, reason }));
  });
  return rejected.sort((a, b) => compareText(a.name, b.name));
}

// --- internal ---

function nameOf({ namespace, name }: Service): NamespacedName {
  return namespacedName(namespace, name);
}
