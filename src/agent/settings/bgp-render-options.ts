import { parsePeerAddress } from "../../api/peer-address.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { bgpPort } from "../../bgp/plan/bgp-settings.ts";
import { allServiceNetworks, serviceNetworks } from "../../bgp/plan/service-networks.ts";
import type { Cidr } from "../../net/cidr.ts";

/** What rendering goes by that BGP's objects say. */
export interface BgpRenderOptions {
  /** Networks of Services' addresses, in the order of their text. */
  readonly serviceNetworks: readonly Cidr[];
  /** TCP ports on which some node or BGPPeer waits for neighbours, in order; 179 among them. */
  readonly ports: readonly number[];
}

/** Equal snapshots give equal values, whatever the order of their maps. */
export function bgpRenderOptions({
  bgpConfiguration,
  bgpPeer,
}: Pick<Snapshot, "bgpConfiguration" | "bgpPeer">): BgpRenderOptions {
  const listening = [...bgpConfiguration.values()].flatMap(({ spec }) => spec.listenPort ?? []);
  const peers = [...bgpPeer.values()].flatMap(({ spec }) => parsePeerAddress(spec.peerIP ?? "")?.port ?? []);
  return {
    serviceNetworks: allServiceNetworks(serviceNetworks(bgpConfiguration)).toSorted(),
    ports: [...new Set([bgpPort, ...listening, ...peers])].sort((a, b) => a - b),
  };
}
