import type { BgpPeer } from "../../api/bgp-peer.ts";
import type { NodeName } from "../../api/names.ts";
import type { Node } from "../../api/objects.ts";
import { parsePeerAddress } from "../../api/peer-address.ts";
import { compareText } from "../../net/compare-text.ts";
import type { Ip } from "../../net/ip.ts";
import { same } from "./same.ts";

/** The addresses that nodes of the cluster speak BGP with: each other's, and those of the configured peers. */
export class BgpNeighbours {
  readonly #addresses = new Map<string, readonly Ip[]>();
  #changed = false;
  #plan: readonly Ip[] = [];

  setNode(name: NodeName, node: Node | undefined): void {
    this.#set(`node/${name}`, node?.internalIps ?? []);
  }

  setPeer(name: string, peer: BgpPeer | undefined): void {
    const address = parsePeerAddress(peer?.spec.peerIP ?? "");
    this.#set(`peer/${name}`, address === undefined ? [] : [address.ip]);
  }

  /** Each once, in the order of their text; the same object as before when nothing changed. */
  plan(): readonly Ip[] {
    if (!this.#changed) return this.#plan;
    this.#changed = false;
    const next = [...new Set([...this.#addresses.values()].flat())].sort(compareText);
    if (!same(next, this.#plan)) this.#plan = next;
    return this.#plan;
  }

  #set(key: string, ips: readonly Ip[]): void {
    // Nodes report their state often, and their addresses hardly ever change.
    if (same(ips, this.#addresses.get(key) ?? [])) return;
    if (ips.length === 0) this.#addresses.delete(key);
    else this.#addresses.set(key, ips);
    this.#changed = true;
  }
}
