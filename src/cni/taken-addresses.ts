import type { BgpPeer } from "../api/bgp-peer.ts";
import type { IpPool } from "../api/ip-pool.ts";
import { addressesOfNode } from "../api/node-addresses.ts";
import type { Node } from "../api/objects.ts";
import { parsePeerAddress } from "../api/peer-address.ts";
import { cidrContainsIp } from "../net/cidr.ts";
import { type Ip, isIp, parseIp } from "../net/ip.ts";
import { addressAnnotations } from "./address-request.ts";

/** What the cluster and the node's kernel say of who has which address, beside the pods. */
export interface AddressUsers {
  readonly pools: readonly IpPool[];
  readonly nodes: readonly Pick<Node, "name" | "internalIps" | "annotations">[];
  readonly peers: readonly BgpPeer[];
  /** URL of the API server. */
  readonly apiServer: string;
  /** Those of the node's own interfaces. */
  readonly ofInterfaces: readonly { readonly ip: Ip; readonly interface: string }[];
  /** The next hops of the node's routes. */
  readonly gateways: readonly Ip[];
}

/**
 * Why no pod may have the address past IPAM, as a sentence; undefined when nothing is known against it. Such a pod's host route
 * would take away what the node, and by BGP others, send to whoever has the address.
 */
export function whyTaken(ip: Ip, users: AddressUsers): string | undefined {
  const pool = users.pools.find(({ spec }) => cidrContainsIp(spec.cidr, ip));
  if (pool !== undefined) {
    return `it is of pool ${pool.metadata.name} (${pool.spec.cidr}), which IPAM gives from; ask for it by ${addressAnnotations.ipAddrs}`;
  }
  const user = userOf(ip, users);
  return user === undefined ? undefined : `it is ${user}; ask for one that nobody has`;
}

// --- internal ---

function userOf(ip: Ip, users: AddressUsers): string | undefined {
  const node = users.nodes.find((one) => addressesOfNode(one).includes(ip));
  if (node !== undefined) return `an address of node ${node.name}`;
  const own = users.ofInterfaces.find((one) => one.ip === ip);
  if (own !== undefined) return `on interface ${own.interface} of this node`;
  if (users.gateways.includes(ip)) return "a gateway of this node's routes";
  if (hostOf(users.apiServer) === ip) return `the API server's (${users.apiServer})`;
  const peer = users.peers.find(({ spec }) => parsePeerAddress(spec.peerIP ?? "")?.ip === ip);
  return peer === undefined ? undefined : `the BGP neighbour's of BGPPeer ${peer.metadata.name}`;
}

/** Undefined for a name, whose addresses are not known here. */
function hostOf(url: string): Ip | undefined {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return isIp(host) ? parseIp(host) : undefined;
}
