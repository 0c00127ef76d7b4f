import type { BgpPeer } from "../../api/bgp-peer.ts";
import type { NodeName } from "../../api/names.ts";
import { addressesOfNode } from "../../api/node-addresses.ts";
import type { Node } from "../../api/objects.ts";
import { parsePeerAddress } from "../../api/peer-address.ts";
import type { Ip } from "../../net/ip.ts";
import { AddressUnion } from "./address-union.ts";

/** The addresses that nodes of the cluster speak BGP with: each other's, and those of the configured peers. */
export class BgpNeighbours {
  readonly #addresses = new AddressUnion();

  setNode(name: NodeName, node: Node | undefined): void {
    this.#addresses.set(`node/${name}`, node === undefined ? [] : addressesOfNode(node));
  }

  setPeer(name: string, peer: BgpPeer | undefined): void {
    const address = parsePeerAddress(peer?.spec.peerIP ?? "");
    this.#addresses.set(`peer/${name}`, address === undefined ? [] : [address.ip]);
  }

  /** Each once, in the order of their text; the same object as before when nothing changed. */
  plan(): readonly Ip[] {
    return this.#addresses.plan();
  }
}
